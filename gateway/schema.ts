import { lexicographicSortSchema, printSchema } from 'graphql';
import { subgraphs } from '../subgraphs/index.ts';
import { subgraphUrls } from '../subgraphs/names.ts';
import { compose } from './compose.ts';
import { createEngine, type Subgraph } from './engine/index.ts';
import { own, ownPart } from './own/index.ts';

/** Laurel's own supergraph: the four subgraphs and the gateway's own. @param urls  where the four answer, by name */
export function laurelSupergraph(urls: Readonly<Record<string, string>> = subgraphUrls): string {
  return compose([...subgraphs.map(({ name, sdl }) => ({ name, sdl, url: urls[name] ?? '' })), ownPart]);
}

/** The printed schemas of `schema/`, by file name: one a subgraph, the supergraph, and what clients see. */
export function schemaFiles(): Record<string, string> {
  const supergraph = laurelSupergraph();
  const engine = createEngine({ supergraph, subgraph: () => uncalled });
  return {
    ...Object.fromEntries(subgraphs.map(({ name, sdl }) => [`${name}.graphql`, sdl])),
    'gateway.graphql': own.sdl,
    'supergraph.graphql': `${supergraph.trimEnd()}\n`,
    'api.graphql': `${printSchema(lexicographicSortSchema(engine.schema))}\n`,
  };
}

const never = (): never => {
  throw new Error('Printing a schema calls no subgraph.');
};
const uncalled: Subgraph<never> = { execute: never, subscribe: never };
