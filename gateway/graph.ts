import type { Access, Caller } from './access.ts';
import type { Engine } from './engine/index.ts';
import { createLive, type Live } from './live.ts';
import type { Memory } from './live-group.ts';

// One supergraph as it is served: its engine, who may call, its shared streams. A gateway has one at a time; one that was
// replaced stays until nobody uses it any more.

export interface Graph {
  readonly engine: Engine<Caller>;
  readonly access: Access;
  readonly live: Live;
  /** Keeps it from being disposed of until the returned function is called; more calls do nothing. */
  use(): () => void;
  /** It is replaced: disposed of as soon as nobody uses it. Resolves when it is. */
  retire(): Promise<void>;
  /** Disposes of it, whoever uses it. */
  dispose(): Promise<void>;
}

/** @param disposed  called when nobody uses it any more, before its engine is disposed of. */
export function createGraph(
  engine: Engine<Caller>,
  access: Access,
  disposed?: () => void,
  memory?: Memory,
): Graph {
  let users = 0;
  let retired = false;
  let over = () => {};
  const unused = new Promise<void>((resolve) => {
    over = resolve;
  });
  const gone = unused.then(async () => {
    disposed?.();
    await access.close();
    await engine.dispose();
  });
  return {
    engine,
    access,
    live: createLive(engine, access, memory),
    use() {
      users++;
      let using = true;
      return () => {
        if (!using) return;
        using = false;
        users--;
        if (retired && users === 0) over();
      };
    },
    retire() {
      retired = true;
      if (users === 0) over();
      return gone;
    },
    dispose() {
      over();
      return gone;
    },
  };
}
