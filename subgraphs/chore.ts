import type { Resources } from './context.ts';

// What a subgraph does by the clock, not because of an event: counting what a new day needs, building what takes long.

export interface Chore {
  /** The pause between two rounds, in milliseconds. */
  everyMs: number;
  /** One round, a few seconds at most. @returns whether there is more to do, now. */
  work(resources: Resources): Promise<boolean>;
}

/** Does chores until `stop()` is called, the first time at once; what they throw goes to `onFault` and is tried again. */
export function keepDoing(
  resources: Resources,
  chores: readonly Chore[],
  onFault: (error: unknown) => void,
): { stop(): Promise<void> } {
  let stopped = false;
  const stops = chores.map(({ everyMs, work }) => {
    let timer: NodeJS.Timeout | undefined;
    let working: Promise<void> = Promise.resolve();
    const round = async () => {
      const more = await work(resources).catch((error: unknown) => {
        onFault(error);
        return false;
      });
      plan(more ? 0 : everyMs);
    };
    const plan = (waitMs: number) => {
      if (stopped) return;
      timer = setTimeout(() => {
        working = round();
      }, waitMs);
      timer.unref();
    };
    plan(0);
    return async () => {
      clearTimeout(timer);
      await working;
    };
  });
  return {
    async stop() {
      stopped = true;
      await Promise.all(stops.map((stop) => stop()));
    },
  };
}
