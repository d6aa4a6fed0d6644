import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GraphQLSchema } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { viewsOf } from './view.ts';

// The supergraphs that were served before: what a caller saw of them is what may have changed for it since. Only whole
// supergraphs are kept, so nobody is told of more than its present scopes show.

export interface Past {
  /** Keeps a supergraph that is served from now on; the oldest go. */
  remember(supergraph: string): void;
  /** What these scopes see of each, newest first; undefined: all there is. */
  views(scopes: readonly string[] | undefined, audience?: string): AsyncGenerator<GraphQLSchema, void>;
}

const mostKept = 20;

interface Read {
  schema: GraphQLSchema;
  viewOf: ReturnType<typeof viewsOf>;
}

/** @param folder  where they outlast the process, as one file each; they are only in memory when undefined. */
export function openPast(log: Logger, folder?: string): Past {
  let inMemory: readonly string[] = [];
  let saving: Promise<unknown> = Promise.resolve();
  const known = new LRUCache<string, Read>({ max: mostKept });

  const read = async (supergraph: string): Promise<Read> => {
    const key = sha256(supergraph);
    let one = known.get(key);
    if (one === undefined) {
      const { schemaOf } = await import('./check.ts');
      const schema = schemaOf(supergraph);
      one = { schema, viewOf: viewsOf(schema, supergraph) };
      known.set(key, one);
    }
    return one;
  };

  return {
    remember(supergraph) {
      inMemory = [supergraph, ...inMemory.filter((one) => one !== supergraph)].slice(0, mostKept);
      if (folder === undefined) return;
      saving = saving
        .then(() => save(folder, supergraph))
        .catch((error) => log.warn({ err: error, folder }, 'a supergraph is not kept for later'));
    },
    async *views(scopes, audience) {
      await saving;
      const saved = folder === undefined ? [] : await Promise.all((await filesIn(folder)).map(textOf));
      for (const supergraph of new Set([...inMemory, ...saved])) {
        const { schema, viewOf } = await read(supergraph);
        yield scopes === undefined ? schema : viewOf(scopes, audience).schema;
      }
    },
  };
}

async function save(folder: string, supergraph: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${sha256(supergraph)}.graphql`);
  await writeFile(`${file}.part`, supergraph);
  await rename(`${file}.part`, file);
  // What is served again is new again.
  await utimes(file, new Date(), new Date());
  for (const old of (await filesIn(folder)).slice(mostKept)) await rm(old, { force: true });
}

/** The files of a folder, newest first; none when there is no such folder. */
async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const files = names.filter((name) => name.endsWith('.graphql')).map((name) => join(folder, name));
  const dated = await Promise.all(files.map(async (file) => ({ file, at: (await stat(file)).mtimeMs })));
  return dated.sort((a, b) => b.at - a.at).map(({ file }) => file);
}

function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
