import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPast, type Past } from '../../gateway/past.ts';
import { compose } from '../kit/federation.ts';

const log = pino({ level: 'silent' });
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'laurel-past-'));
});
afterAll(() => rm(folder, { recursive: true }));

const numbered = (n: number) => compose({ a: { sdl: `type Query { field${n}: Int }` } });

/** The root fields of each supergraph, in the order they are given. */
async function fieldsOf(past: Past): Promise<string[]> {
  const fields: string[] = [];
  for await (const schema of past.views(undefined))
    fields.push(...Object.keys(schema.getQueryType()?.getFields() ?? {}));
  return fields;
}

describe('the supergraphs that were served before', () => {
  it('are given newest first, each once', async () => {
    const past = openPast(log);
    for (const n of [1, 2, 1]) past.remember(numbered(n));
    expect(await fieldsOf(past)).toEqual(['field1', 'field2']);
  });

  it('are known to the process after', async () => {
    const place = join(folder, 'later');
    openPast(log, place).remember(numbered(1));
    const past = openPast(log, place);
    past.remember(numbered(2));
    await expect.poll(() => fieldsOf(past)).toEqual(['field2', 'field1']);
  });

  it('are twenty at most', async () => {
    const place = join(folder, 'many');
    const past = openPast(log, place);
    for (let n = 0; n < 23; n++) past.remember(numbered(n));
    expect(await fieldsOf(past)).toHaveLength(20);
    expect(await readdir(place)).toHaveLength(20);
  });

  it('are known as long as the process lives where nothing can be written', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const past = openPast(log, join(file, 'below'));
    past.remember(numbered(1));
    expect(await fieldsOf(past)).toEqual(['field1']);
  });
});
