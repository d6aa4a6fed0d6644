import DataLoader from 'dataloader';
import type { Context } from './context.ts';
import type { Sql } from './db.ts';
import { isOutage } from './outage.ts';

// Reads that resolvers ask for one by one and the database answers together. A loader belongs to one call of the
// subgraph, so nothing read for one caller is ever given to another.

/** As much of a context as a loader needs. */
type Loading = Pick<Context, 'loaders'>;

type Batch<Key, Value, In> = (keys: readonly Key[], context: In) => Promise<ArrayLike<Value | Error>>;

/**
 * A loader per call: `const userById = perRequest(usersById)`, then `userById(context).load(id)`.
 * @param batch  answers in the order of its keys; an Error for a key fails that key alone.
 */
export function perRequest<Key, Value, In extends Loading = Context>(
  batch: Batch<Key, Value, In>,
): (context: In) => DataLoader<Key, Value> {
  return (context) => {
    const known = context.loaders.get(batch) as DataLoader<Key, Value> | undefined;
    if (known !== undefined) return known;
    const loader = new DataLoader<Key, Value>((keys) => batch(keys, context), { maxBatchSize: 500 });
    context.loaders.set(batch, loader);
    return loader;
  };
}

/**
 * A loader per call and per arguments, for list fields: 50 users asked for their last 30 days are one batch, the same
 * users asked for 7 days another.
 */
export function perArguments<Args, Key, Value>(
  batch: (keys: readonly Key[], args: Args, context: Context) => Promise<ArrayLike<Value | Error>>,
): (context: Context, args: Args) => DataLoader<Key, Value> {
  return (context, args) => {
    const byArguments = (context.loaders.get(batch) ?? new Map()) as Map<string, DataLoader<Key, Value>>;
    context.loaders.set(batch, byArguments);
    const key = JSON.stringify(args);
    const known = byArguments.get(key);
    if (known !== undefined) return known;
    const loader = new DataLoader<Key, Value>((keys) => batch(keys, args, context), { maxBatchSize: 500 });
    byArguments.set(key, loader);
    return loader;
  };
}

/** Forgets what was read: each event of a stream is read anew. */
export function forgetLoaded({ loaders }: Context): void {
  loaders.clear();
}

/**
 * Writes that arrive within a tick, of all callers of one community, as one batch: what `perRequest` is for reads.
 * A batch that fails is tried again one by one, so that one bad row costs itself.
 * @param write  answers in the order of its inputs; an Error for an input fails that input alone.
 */
export function collected<Input, Answer>(
  write: (sql: Sql, communityId: string, inputs: readonly Input[]) => Promise<ArrayLike<Answer | Error>>,
): (sql: Sql, communityId: string, input: Input) => Promise<Answer> {
  const collectors = new WeakMap<Sql, Map<string, DataLoader<Input, Answer>>>();
  return (sql, communityId, input) => {
    const ofPool = collectors.get(sql) ?? new Map<string, DataLoader<Input, Answer>>();
    collectors.set(sql, ofPool);
    let collector = ofPool.get(communityId);
    if (collector === undefined) {
      const batch = (inputs: readonly Input[]) => write(sql, communityId, inputs);
      collector = new DataLoader((inputs) => batch(inputs).catch((fault) => oneByOne(batch, inputs, fault)), {
        cache: false,
        maxBatchSize: 100,
        batchScheduleFn: setImmediate,
      });
      ofPool.set(communityId, collector);
    }
    return collector.load(input);
  };
}

async function oneByOne<Input, Answer>(
  write: (inputs: readonly Input[]) => Promise<ArrayLike<Answer | Error>>,
  inputs: readonly Input[],
  fault: unknown,
): Promise<(Answer | Error)[]> {
  // What was cut off may have been written.
  if (inputs.length === 1 || isOutage(fault)) throw fault;
  return Promise.all(
    inputs.map(async (input) => {
      try {
        return (await write([input]))[0] as Answer | Error;
      } catch (error) {
        return error as Error;
      }
    }),
  );
}
