import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

// What a `--cpu-prof` says: the functions that took the most time themselves.

interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  samples: number[];
  timeDeltas: number[];
}

/**
 * The functions at the top, as lines: share of the time that wasn't idle, milliseconds, name, place.
 * @param lastMs  only what ran at the end counts, so that starting and warming up don't.
 */
export async function topOf(folder: string, count: number, lastMs: number): Promise<string[]> {
  const [file] = (await readdir(folder)).filter((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error(`No profile was written to ${folder}.`);
  const { nodes, samples, timeDeltas } = JSON.parse(await readFile(join(folder, file), 'utf8')) as CpuProfile;
  const placeOf = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const short = url.replace(/^file:\/\//, '').replace(/^.*\/(node_modules|dist\/bench)\//, '');
      const place = short === '' ? '' : `  ${short}:${lineNumber + 1}`;
      return [id, `${functionName || '(anonymous)'}${place}`];
    }),
  );
  const selfMs = new Map<string, number>();
  let totalMs = 0;
  let leftMs = timeDeltas.reduce((sum, delta) => sum + delta, 0) / 1_000;
  samples.forEach((id, index) => {
    const ms = (timeDeltas[index] ?? 0) / 1_000;
    leftMs -= ms;
    const place = placeOf.get(id) ?? '';
    if (leftMs > lastMs || place === '(idle)') return;
    totalMs += ms;
    selfMs.set(place, (selfMs.get(place) ?? 0) + ms);
  });
  return [...selfMs]
    .sort(([, one], [, other]) => other - one)
    .slice(0, count)
    .map(([place, ms]) => {
      const share = `${((100 * ms) / totalMs).toFixed(1)} %`;
      return `${share.padStart(7)} ${ms.toFixed(0).padStart(6)} ms  ${place}`;
    });
}
