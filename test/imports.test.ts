import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

// Who may import whom: style.md, section 1.5.

interface Source {
  file: string;
  text: string;
  /** Files of ours by path from the root, packages by name. */
  imports: string[];
  /** Those of them that are there when the program runs. */
  loads: string[];
}

const root = join(import.meta.dirname, '..');
const statement = /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;

const sources: Source[] = ['client', 'commands', 'gateway', 'subgraphs']
  .flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' }).map((file) => join(top, file)),
  )
  .concat('laurel.ts')
  .filter((file) => file.endsWith('.ts'))
  .map((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const found = [...text.matchAll(statement)].map(([, type, from = '']) => ({
      type,
      to: resolved(file, from),
    }));
    const dynamic = [...text.matchAll(/\bimport\('([^']+)'\)/g)].map(([, from = '']) => resolved(file, from));
    return {
      file,
      text,
      imports: [...found.map(({ to }) => to), ...dynamic],
      loads: found.filter(({ type }) => type === undefined).map(({ to }) => to),
    };
  });

function resolved(file: string, from: string): string {
  return from.startsWith('.') ? normalize(join(dirname(file), from)) : from;
}

/** The subgraph that a file belongs to, if it stands in the folder of one. */
const subgraphOf = (file: string) => /^subgraphs\/(\w+)\//.exec(file)?.[1];

/** The gateway's own subgraph. */
const isOwn = (file: string) => file.startsWith('gateway/own/');

/** `file -> import` for each import that breaks a rule. */
function broken(from: (source: Source) => boolean, mayNot: (to: string, file: string) => boolean): string[] {
  return sources
    .filter(from)
    .flatMap(({ file, imports }) => imports.filter((to) => mayNot(to, file)).map((to) => `${file} -> ${to}`));
}

const isDomain = ({ file }: Source) =>
  subgraphOf(file) !== undefined && !file.endsWith('.graphql.ts') && !/\/(index|demo)\.ts$/.test(file);

describe('imports', () => {
  it('of a rule file know no GraphQL, no loader and no server', () => {
    const shared = [
      'audit',
      'chore',
      'db',
      'errors',
      'outage',
      'id',
      'log',
      'log-reader',
      'log-tail',
      'page',
      'principal',
      'remembered',
      'rows',
      'scopes',
      'verify',
    ].map((name) => `subgraphs/${name}.ts`);
    const mayNot = (to: string, file: string) =>
      !to.startsWith('node:') &&
      !shared.includes(to) &&
      (dirname(to) !== dirname(file) || to.endsWith('.graphql.ts'));
    expect(broken(isDomain, mayNot)).toEqual([]);
  });

  it('of a subgraph never reach into another', () => {
    const isOther = (to: string, file: string) => ![undefined, subgraphOf(file)].includes(subgraphOf(to));
    const inside = ({ file }: Source) => file.startsWith('subgraphs/') && file !== 'subgraphs/index.ts';
    expect(broken(inside, isOther)).toEqual([]);
  });

  it('of subgraphs never reach into the gateway', () => {
    const inside = ({ file }: Source) => file.startsWith('subgraphs/');
    expect(broken(inside, (to) => to.startsWith('gateway/') || to === 'laurel.ts')).toEqual([]);
  });

  it('of the engine reach nothing of ours outside it', () => {
    const isEngine = ({ file }: Source) => file.startsWith('gateway/engine/');
    expect(broken(isEngine, (to) => /^(gateway\/(?!engine\/)|subgraphs\/|laurel)/.test(to))).toEqual([]);
  });

  it('of the gateway reach few of the subgraphs, but where one process is put together', () => {
    const puttingTogether = ['index', 'schema', 'welcome', 'docs'].map((name) => `gateway/${name}.ts`);
    const shared = ['principal', 'errors', 'fault', 'outage', 'scalars', 'start-failure'].map(
      (name) => `subgraphs/${name}.ts`,
    );
    const isGateway = ({ file }: Source) =>
      file.startsWith('gateway/') && !isOwn(file) && !puttingTogether.includes(file);
    expect(broken(isGateway, (to) => to.startsWith('subgraphs/') && !shared.includes(to))).toEqual([]);
  });

  it("of the gateway's own subgraph reach what features are made of, and no other subgraph", () => {
    const shared = ['errors', 'feature', 'id', 'loader', 'principal', 'scalars', 'scopes'].map(
      (name) => `subgraphs/${name}.ts`,
    );
    const mayNot = (to: string) => to.startsWith('subgraphs/') && !shared.includes(to);
    expect(broken(({ file }) => isOwn(file), mayNot)).toEqual([]);
  });

  it('of the client are there in a browser', () => {
    const isClient = ({ file }: Source) => /^client\/[^/]+$/.test(file);
    const found = sources.filter(isClient).flatMap(({ imports }) => imports);
    const others = found.filter((to) => !to.startsWith('client/'));
    expect([...new Set(others)].sort()).toEqual(['graphql', 'graphql-ws/client']);
  });

  it.each([
    ['dataloader', ['subgraphs/loader.ts']],
    ['postgrator', ['subgraphs/db.ts']],
    ['@graphql-hive/router-query-planner', ['gateway/engine/planner/plan.ts']],
  ])('of %s stand in one file', (library, files) => {
    expect(sources.filter(({ imports }) => imports.includes(library)).map(({ file }) => file)).toEqual(files);
  });

  it('make no cycle', () => {
    const loads = new Map(sources.map((source) => [source.file, source.loads]));
    const done = new Set<string>();
    const cycleFrom = (file: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
      if (done.has(file)) return undefined;
      for (const next of loads.get(file) ?? []) {
        const cycle = cycleFrom(next, [...path, file]);
        if (cycle !== undefined) return cycle;
      }
      done.add(file);
      return undefined;
    };
    expect(sources.map(({ file }) => cycleFrom(file, [])).filter((cycle) => cycle !== undefined)).toEqual([]);
  });
});

describe('files', () => {
  const filesWith = (pattern: RegExp, among: (source: Source) => boolean = () => true) =>
    sources.filter((source) => among(source) && pattern.test(source.text)).map(({ file }) => file);

  it('of GraphQL hold no SQL', () => {
    expect(filesWith(/\bsql`|\bsql\.unsafe\b|\btx`/, ({ file }) => file.endsWith('.graphql.ts'))).toEqual([]);
  });

  it('read the environment in two places of the gateway', () => {
    expect(
      filesWith(/\bprocess\.env\b/).filter((file) => !/^gateway\/(config|process)\.ts$/.test(file)),
    ).toEqual([]);
  });

  it('are named in kebab-case, after what they hold', () => {
    const names = sources.map(({ file }) => basename(file));
    expect(names.filter((name) => !/^[a-z]+(-[a-z]+)*(\.graphql)?\.ts$/.test(name))).toEqual([]);
    expect(names.filter((name) => /util|helper|manager|service|types/.test(name))).toEqual([]);
  });
});
