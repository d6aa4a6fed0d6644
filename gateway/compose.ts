import { composeServices } from '@theguild/federation-composition';
import { parse } from 'graphql';

// Subgraph SDLs -> supergraph SDL. Pure.

export interface ComposedFrom {
  name: string;
  sdl: string;
  /** Where the subgraph answers when it is a process of its own; stands in the supergraph. */
  url: string;
}

/** Composes subgraphs. @throws one Error that lists everything that doesn't fit together, a line each. */
export function compose(subgraphs: readonly ComposedFrom[]): string {
  const { supergraphSdl, errors } = composeServices(
    subgraphs.map(({ name, sdl, url }) => ({ name, url, typeDefs: parse(sdl) })),
  );
  if (supergraphSdl === undefined) {
    throw new Error(
      ['The subgraphs do not compose:', ...(errors ?? []).map(({ message }) => `- ${message}`)].join('\n'),
    );
  }
  return supergraphSdl;
}
