import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { connect, migrate } from '../../subgraphs/db.ts';
import { startEmbedded } from '../../subgraphs/embedded.ts';
import { databaseUrl, templateName } from './database.ts';

// One PostgreSQL for the whole run, migrated once into a template that each test file's own database is copied from.

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const place = await mkdtemp(join(tmpdir(), 'laurel-test-'));
  // PostgreSQL runs as another user when root tests.
  await chmod(place, 0o755);
  const embedded = await startEmbedded({ dataFolder: join(place, 'data'), log: () => {} });
  const server = connect(embedded.url, { max: 1 });
  await server.unsafe(`create database ${templateName}`);
  await server.end();
  const template = connect(databaseUrl(embedded.url, templateName), { max: 1 });
  await migrate(template);
  await template.end();
  project.provide('serverUrl', embedded.url);
  return async () => {
    await embedded.stop();
    await rm(place, { recursive: true, force: true });
  };
}
