import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newSecret } from '../subgraphs/identity/api-key.ts';
import { gatewayPrincipal, signPrincipal } from '../subgraphs/principal.ts';
import { sessionTokens } from '../subgraphs/session-token.ts';
import { databaseLogMustHoldNoSecret, mustHoldNoSecret, secretsIn } from './kit/leak.ts';

// The kit searches the logs of every process of a test run, and fails it for a secret (kit/processes.ts); here is shown
// that it would.

const key = { id: 'a', secret: Buffer.alloc(32, 1) };
const secrets: [kind: string, make: () => string | Promise<string>][] = [
  ['a key', () => newSecret('SYSTEM').secret],
  ['a key', () => newSecret('INTEGRATION').secret],
  ['a key', () => newSecret('PERSONAL').secret],
  ['a refresh token', () => `laurel_ref_${'a'.repeat(22)}_${'b'.repeat(43)}`],
  ['a signed token', () => signPrincipal(gatewayPrincipal, key)],
  ['a signed token', async () => (await sessionTokens(() => [key]).sign('com_1', 'ses_1', new Date())).token],
  ["a database's password", () => 'postgres://laurel:hunter2@127.0.0.1:5432/laurel'],
];

describe('logs', () => {
  it.each(secrets)('are found to hold %s', async (kind, make) => {
    const secret = await make();
    for (const log of [
      secret,
      `{"level":50,"x-api-key":"${secret}"}`,
      `first\nTypeError: no ${secret}.\nlast`,
    ])
      expect(secretsIn(log)).toEqual([kind]);
  });

  it('may hold what may be shown', () => {
    const { prefix } = newSecret('SYSTEM');
    for (const shown of [
      prefix,
      `laurel_sys_${prefix}_…`,
      'The database at 127.0.0.1:5432/x',
      'ses_1',
      'eyJ',
    ])
      expect(secretsIn(shown)).toEqual([]);
  });

  it('that hold one are told of without it', () => {
    const { secret } = newSecret('SYSTEM');
    const told = expect.not.stringContaining(secret.slice(-43));
    const looking = () => mustHoldNoSecret(`fine\n{"msg":"${secret}"}\n`, 'a gateway');
    expect(looking).toThrow(/^The log of a gateway holds a key, on 1 lines: \{"msg":"laurel_sys_…/);
    expect(looking).toThrow(expect.objectContaining({ message: told }));
    expect(() => mustHoldNoSecret('fine\nand well\n', 'a gateway')).not.toThrow();
  });

  it('of an embedded database are searched too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'laurel-logs-'));
    await expect(databaseLogMustHoldNoSecret(folder)).resolves.toBeUndefined();
    await mkdir(join(folder, 'postgres/cluster/log'), { recursive: true });
    const log = join(folder, 'postgres/cluster/log/postgresql-Mon.log');
    await writeFile(log, `LOG:  parameters: $1 = '${newSecret('PERSONAL').secret}'\n`);
    await expect(databaseLogMustHoldNoSecret(folder)).rejects.toThrow('The log of PostgreSQL holds a key');
    await rm(folder, { recursive: true });
  });
});
