import { describe, expect, it } from 'vitest';
import { type Context, contextFor } from '../../subgraphs/context.ts';
import type { Sql } from '../../subgraphs/db.ts';
import { collected, forgetLoaded, perArguments, perRequest } from '../../subgraphs/loader.ts';
import { anonymous } from '../../subgraphs/principal.ts';

// No database here: what is promised is which keys reach a batch together.

const newContext = (): Context => contextFor({} as never, anonymous);

describe('reads', () => {
  it('of one call are one batch, each key once', async () => {
    const batches: (readonly number[])[] = [];
    const double = perRequest<number, number>(async (keys) => {
      batches.push(keys);
      return keys.map((key) => key * 2);
    });
    const context = newContext();
    const doubled = await Promise.all([1, 2, 1].map((key) => double(context).load(key)));
    expect(doubled).toEqual([2, 4, 2]);
    expect(batches).toEqual([[1, 2]]);
  });

  it('of two calls share nothing', async () => {
    let count = 0;
    const counted = perRequest<string, number>(async (keys) => keys.map(() => ++count));
    const [one, two] = [newContext(), newContext()];
    expect(await counted(one).load('key')).toBe(1);
    expect(await counted(two).load('key')).toBe(2);
    expect(await counted(one).load('key')).toBe(1);
    forgetLoaded(one);
    expect(await counted(one).load('key')).toBe(3);
  });

  it('with other arguments are another batch', async () => {
    const batches: [object, readonly string[]][] = [];
    const listed = perArguments<{ first: number }, string, null>(async (keys, args) => {
      batches.push([args, keys]);
      return keys.map(() => null);
    });
    const context = newContext();
    await Promise.all([
      listed(context, { first: 1 }).load('a'),
      listed(context, { first: 2 }).load('a'),
      listed(context, { first: 1 }).load('b'),
    ]);
    expect(batches).toEqual([
      [{ first: 1 }, ['a', 'b']],
      [{ first: 2 }, ['a']],
    ]);
  });

  it('that fail for one key fail for it alone', async () => {
    const odd = perRequest<number, number>(async (keys) =>
      keys.map((key) => (key % 2 === 1 ? key : (new Error(`${key} is even`) as never))),
    );
    const context = newContext();
    const outcomes = await Promise.allSettled([1, 2, 3].map((key) => odd(context).load(key)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});

describe('writes', () => {
  const pool = {} as Sql;

  /** Answers each input; a batch with a "bad" one fails whole. */
  function recorded() {
    const batches: [string, readonly string[]][] = [];
    const write = collected<string, string>(async (_sql, community, inputs) => {
      batches.push([community, inputs]);
      if (inputs.includes('bad')) throw new Error('a row is bad');
      return inputs.map((input) => `did ${input}`);
    });
    return { batches, write };
  }

  it('that arrive within a tick are one batch of their community, of at most 100', async () => {
    const { batches, write } = recorded();
    const many = Array.from({ length: 101 }, (_, n) => String(n));
    await Promise.all([...many.map((input) => write(pool, 'one', input)), write(pool, 'two', 'a')]);
    expect(batches.map(([community, inputs]) => [community, inputs.length])).toEqual([
      ['one', 100],
      ['one', 1],
      ['two', 1],
    ]);
  });

  it('that are equal are two writes', async () => {
    const { batches, write } = recorded();
    await Promise.all([write(pool, 'one', 'a'), write(pool, 'one', 'a')]);
    expect(batches).toEqual([['one', ['a', 'a']]]);
  });

  it('of a batch that fails are tried again one by one: a bad one costs itself', async () => {
    const { write } = recorded();
    const outcomes = await Promise.allSettled(['a', 'bad', 'b'].map((input) => write(pool, 'one', input)));
    expect(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason.message)),
    ).toEqual(['did a', 'a row is bad', 'did b']);
  });
});
