import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCatalogue, Refusal } from '../../subgraphs/errors.ts';

const root = join(import.meta.dirname, '../..');
const sources = ['gateway', 'subgraphs']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  )
  .filter((file) => file.endsWith('.ts') && file !== 'subgraphs/errors.ts')
  .map((file) => readFileSync(join(root, file), 'utf8'))
  .join('\n');

// Without a credential a field that needs one is not in the schema, so nothing says so yet.
const unused = ['UNAUTHENTICATED'];

describe('errors', () => {
  it('tell a client their code and the facts a program can act on', () => {
    const refusal = new Refusal('LIMIT_EXCEEDED', 'At most 3.', { most: 3 }, ['input', 'badgeId']);
    expect(refusal.extensions).toEqual({ code: 'LIMIT_EXCEEDED', most: 3 });
    expect(refusal).toMatchObject({ place: 'payload', message: 'At most 3.', path: ['input', 'badgeId'] });
    expect(new Refusal('BAD_PAGE', 'No.').place).toBe('top');
  });

  it.each(Object.entries(errorCatalogue))(
    '%s is explained in one sentence, and thrown somewhere',
    (code, entry) => {
      expect(entry.meaning).toMatch(/^[A-Z].*\.$/);
      expect(sources.includes(`'${code}'`)).toBe(!unused.includes(code));
    },
  );
});
