import { createRequire } from 'node:module';
import { defineConfig } from 'vitest/config';

// Vitest would load graphql twice, once as CommonJS and once as ESM; one file for all keeps `instanceof` true.
const graphql = createRequire(import.meta.url).resolve('graphql/index.js');

export default defineConfig({
  resolve: { alias: [{ find: /^graphql$/, replacement: graphql }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/kit/global-setup.ts', 'test/kit/forms.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    // A worker loads the graph once, not for each file: no test changes a module's state.
    isolate: false,
  },
});
