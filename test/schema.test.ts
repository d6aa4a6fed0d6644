import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildSchema, introspectionFromSchema } from 'graphql';
import { describe, expect, it } from 'vitest';
import { withTables } from '../gateway/docs.ts';
import { schemaFiles } from '../gateway/schema.ts';

const folder = join(import.meta.dirname, '../schema');

describe('the printed schemas', () => {
  // Composes the supergraph, and throws when the subgraphs don't fit together.
  const files = schemaFiles();

  it('are all there, and no other', async () => {
    expect((await readdir(folder)).sort()).toEqual(Object.keys(files).sort());
  });

  it.each(Object.entries(files))('are fresh: %s (else run `npm run schema`)', async (file, text) => {
    expect(await readFile(join(folder, file), 'utf8')).toBe(text);
  });

  it('have their tables beside them in the README as they are now', async () => {
    const readme = await readFile(join(folder, '../README.md'), 'utf8');
    expect(readme === withTables(readme), 'run `npm run schema`').toBe(true);
    expect(readme).toContain('| `PORT` |');
    expect(readme).toContain('| `IDEMPOTENCY_KEY_REUSED` |');
  });

  it('describe every type, field, argument and value that clients see', () => {
    const { __schema }: Introspected = introspectionOf(files['api.graphql'] ?? '');
    const silent = __schema.types
      .filter(({ name }) => !name.startsWith('__'))
      .flatMap((type) => [
        ...(type.description || standard.has(type.name) ? [] : [type.name]),
        ...[...(type.fields ?? []), ...(type.inputFields ?? []), ...(type.enumValues ?? [])].flatMap(
          (part) => [
            ...(part.description ? [] : [`${type.name}.${part.name}`]),
            ...(part.args ?? [])
              .filter(({ description }) => !description)
              .map(({ name }) => `${type.name}.${part.name}(${name})`),
          ],
        ),
      ]);
    expect(silent).toEqual([]);
  });
});

const standard = new Set(['Query', 'Mutation', 'Subscription']);

interface Described {
  name: string;
  description?: string | null;
  args?: Described[];
}

interface Introspected {
  __schema: {
    types: (Described & {
      fields?: Described[] | null;
      inputFields?: Described[] | null;
      enumValues?: Described[] | null;
    })[];
  };
}

function introspectionOf(sdl: string): Introspected {
  return introspectionFromSchema(buildSchema(sdl)) as unknown as Introspected;
}
