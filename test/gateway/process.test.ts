import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

// A process of Laurel as Node runs it, with something else to serve.

const place = join(import.meta.dirname, '../../dist/gateway/process.js');

it('serves on when a list fails twice, and says so in its log', async () => {
  const script = `
    import { buildSchema, execute, parse } from 'graphql';
    import { serveUntilTold } from ${JSON.stringify(place)};
    const schema = buildSchema('type Query { items: [Item!] } type Item { name: String! }');
    const late = { name: () => Promise.reject(new Error('The database is gone.')) };
    await serveUntilTold(async () => {
      const { data } = execute({ schema, document: parse('{ items { name } }'), rootValue: { items: [late, null] } });
      setImmediate(() => {
        console.log(JSON.stringify(data));
        process.kill(process.pid, 'SIGTERM');
      });
    });
  `;
  const { PATH = '' } = process.env;
  const child = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH },
  });
  const { stdout, stderr } = await child;
  expect(stdout).toBe('{"items":null}\n');
  expect(stderr).toContain('The database is gone.');
});
