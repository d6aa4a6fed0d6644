#!/usr/bin/env node
// Starts the built command line; a checkout that hasn't been built yet is built first.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

if (!existsSync(at('dist/laurel.js'))) {
  const compiler = at('node_modules/typescript/bin/tsc');
  if (!existsSync(compiler)) {
    console.error('Laurel is not built and its compiler is not installed. Run `npm ci && npm run build`.');
    process.exit(1);
  }
  const built = spawnSync(process.execPath, [compiler, '-p', at('tsconfig.build.json')], {
    stdio: 'inherit',
  });
  if (built.status !== 0) process.exit(1);
}

// graphql-js checks more, and runs slower, unless told that this is production.
process.env.NODE_ENV ??= 'production';
await import('../dist/laurel.js');
