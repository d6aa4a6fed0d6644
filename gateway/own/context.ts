import type { GraphQLSchema } from 'graphql';
import type { Caller } from '../access.ts';
import type { Engine, Subgraph } from '../engine/index.ts';

/** What a resolver of the gateway's own subgraph gets. One for each call to it. */
export interface OwnContext {
  caller: Caller;
  /** All of the graph it is part of. */
  subgraphs: ReadonlyMap<string, Subgraph<Caller>>;
  /** Reads an operation without running it. */
  prepare: Engine<Caller>['prepare'];
  /** What the caller would see of the supergraphs that were served before, newest first; the present one may be among them. */
  past(): AsyncIterable<GraphQLSchema>;
  /** Logs what went wrong inside. */
  fault(error: unknown, where: string): void;
  /** What was read for this call, by loader. */
  loaders: Map<unknown, unknown>;
}
