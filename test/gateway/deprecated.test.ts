import { describe, expect, it } from 'vitest';
import { deprecatedUse } from '../../gateway/deprecated.ts';
import { federate } from '../kit/federation.ts';

const { engine } = federate({
  shop: {
    sdl: `
      type Query {
        things(order: Int @deprecated(reason: "No order."), by: By, plans: [Plan!], safe: Safe): [Thing!]
        old: Int @deprecated(reason: "Gone.")
      }
      type Thing { id: ID nick: String @deprecated(reason: "Use id.") }
      input By { plan: Plan old: Int @deprecated(reason: "Gone.") next: [By!] }
      input Safe { n: Int next: Safe }
      enum Plan { PAID FREE @deprecated(reason: "None is free.") }`,
  },
});
const view = { key: 'all', schema: engine.schema };

const useOf = (text: string, name?: string) => {
  const operation = engine.prepare(view, text, name);
  if ('errors' in operation) throw new Error(operation.answer.json);
  return deprecatedUse(operation);
};
/** What an operation uses with these variables, sorted. */
const used = (text: string, variables: Record<string, unknown> = {}, name?: string) => {
  const use = useOf(text, name);
  return [...(use?.named ?? []), ...(use?.inVariables?.(variables) ?? [])].sort();
};

describe('what will go of an operation', () => {
  it.each([
    ['fields', '{ old things { nick } }', ['Query.old', 'Thing.nick']],
    ['fields in fragments', '{ things { ...F } } fragment F on Thing { ... { nick } }', ['Thing.nick']],
    ['fields that are skipped', '{ things { id nick @skip(if: true) } }', ['Thing.nick']],
    ['a field once, however often', '{ a: old b: old }', ['Query.old']],
    ['arguments', '{ things(order: 1) { id } }', ['Query.things(order:)']],
    ['arguments by variables', 'query ($n: Int) { things(order: $n) { id } }', ['Query.things(order:)']],
    [
      'input fields and values',
      '{ things(by: { next: [{ old: 1, plan: FREE }] }) { id } }',
      ['By.old', 'Plan.FREE'],
    ],
    ['values in lists', '{ things(plans: [PAID, FREE]) { id } }', ['Plan.FREE']],
    ['defaults of variables', 'query ($p: Plan = FREE) { things(by: { plan: $p }) { id } }', ['Plan.FREE']],
  ])('are %s', (_, text, coordinates) => {
    expect(used(text)).toEqual(coordinates);
  });

  it('is what variables name', () => {
    const text = 'query ($by: By, $plans: [Plan!]) { things(by: $by, plans: $plans) { id } }';
    expect(used(text, { by: { next: [{ plan: 'FREE' }] }, plans: ['PAID'] })).toEqual(['Plan.FREE']);
    expect(used(text, { by: { next: { old: 1 } }, plans: 'FREE' })).toEqual(['By.old', 'Plan.FREE']);
    expect(used(text, { by: null })).toEqual([]);
    expect(used(text, { by: { unheard: 1 }, plans: [null, { of: 1 }] })).toEqual([]);
  });

  it('is that of the operation that runs', () => {
    const text = 'query A { old } query B { things { ...F } } fragment F on Thing { nick }';
    expect(used(text, {}, 'A')).toEqual(['Query.old']);
    expect(used(text, {}, 'B')).toEqual(['Thing.nick']);
  });

  it('is nothing to look for where neither text nor types of variables have any', () => {
    expect(
      useOf('query ($s: Safe, $n: Int) { things(safe: $s) { id } other: things(safe: { n: $n }) { id } }'),
    ).toBeUndefined();
  });
});
