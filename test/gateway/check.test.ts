import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changesBetween, changesText, schemaOf } from '../../gateway/check.ts';
import { compose, linked } from '../kit/federation.ts';
import { laurel } from '../kit/processes.ts';

// What a new schema would do to the clients of an old one.

const older = `
  type Query { user(id: ID!): User plan: Plan }
  type User { id: ID! name: String nick: String @deprecated }
  enum Plan { FREE }
`;
const textOf = async (before: string, after: string) =>
  changesText(await changesBetween(schemaOf(before), schemaOf(after)));

describe('a check', () => {
  it('tells breaking, dangerous and safe changes apart', async () => {
    const newer = `
      type Query { user(id: ID!, at: Int!): User plan: Plan }
      type User { id: ID! name: Int nick: String @deprecated age: Int }
      enum Plan { FREE PAID }
    `;
    const { breaking, dangerous, safe } = await changesBetween(schemaOf(older), schemaOf(newer));
    expect(breaking.map(({ message }) => message).sort()).toEqual([
      "Argument 'at: Int!' added to field 'Query.user'.",
      "Field 'User.name' changed type from 'String' to 'Int'.",
    ]);
    expect(dangerous.map(({ message }) => message)).toEqual(["Enum value 'PAID' was added to enum 'Plan'."]);
    expect(safe.map(({ message }) => message)).toContain("Field 'age' was added to object type 'User'.");
  });

  it('is told a line each, the worst first, with what it means and a sum', async () => {
    const text = await textOf(older, older.replace('name: String ', '').replace('FREE', 'FREE PAID'));
    expect(text).toMatch(/^breaking {3}Field 'name' was removed from object type 'User'\.\n {11}\w/);
    expect(text).toContain("\ndangerous  Enum value 'PAID' was added to enum 'Plan'.\n");
    expect(text).toMatch(/\n1 breaking, 1 dangerous, \d+ safe\.\n$/);
  });

  it('says so when nothing changed', async () => {
    expect(await textOf(older, `# The same.\n${older}`)).toBe('Nothing changed.\n');
  });

  it('counts of supergraphs only what clients see', async () => {
    const a = {
      sdl: 'type Query { user: User } type User @key(fields: "id") { id: ID! name: String secret: Int @inaccessible }',
    };
    const b = { sdl: 'type User @key(fields: "id") { id: ID! age: Int }' };
    const open = compose({ a, b });
    const moved = compose({
      a: { sdl: a.sdl.replace('secret: Int', 'hidden: Int') },
      b,
      c: { sdl: 'type User @key(fields: "id") { id: ID! size: Int }' },
    });
    expect(await textOf(open, moved)).toMatch(
      /^safe +Field 'size' was added .*\n0 breaking, 0 dangerous, 1 safe/,
    );
    expect(await textOf(moved, open)).toContain(
      "breaking   Field 'size' was removed from object type 'User'.",
    );
  });

  it('reads what a subgraph extends, and leaves its directives alone', async () => {
    const subgraph = linked('extend type Query { me: User } type User @key(fields: "id") { id: ID! }');
    expect(await textOf(subgraph, subgraph)).toBe('Nothing changed.\n');
    expect(await textOf(subgraph, subgraph.replace('me: User', 'you: User'))).toContain(
      "Field 'me' was removed",
    );
  });

  it.each(['{ hello }', 'type {', ''])('refuses what is no schema: "%s"', (text) => {
    expect(() => schemaOf(text)).toThrow();
  });
});

describe('laurel check', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'laurel-check-'));
    await writeFile(join(folder, 'old.graphql'), older);
    await writeFile(join(folder, 'new.graphql'), older.replace('name: String ', ''));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const check = (...files: string[]) => laurel(['check', ...files.map((file) => join(folder, file))]).ended;

  it('exits with 1 when something breaks, and with 0 when nothing does', async () => {
    const { code, stdout, stderr } = await check('old.graphql', 'new.graphql');
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout).toContain("breaking   Field 'name' was removed");
    expect(await check('new.graphql', 'old.graphql')).toMatchObject({ code: 0, stderr: '' });
  });

  it('says in one line what is wrong with a file', async () => {
    const { code, stderr } = await check('old.graphql', 'none.graphql');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The file \S+none\.graphql can't be read: ENOENT[^\n]*\n$/);
  });
});
