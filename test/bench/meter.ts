// Loaded into every gateway's process before anything else: tells the bench, when asked, how much processor time it took,
// and how much memory it holds.

process.on('message', (message: unknown) => {
  if (message !== 'cpu') return;
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000, systemMs: system / 1_000 });
});
process.on('message', (message: unknown) => {
  if (message !== 'memory') return;
  // There with --expose-gc.
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ rss, heap: heapUsed + external });
});
process.on('message', (message: unknown) => {
  // Leaving in this way writes a profile.
  if (message === 'end') process.exit(0);
});
process.on('disconnect', () => process.exit(0));
