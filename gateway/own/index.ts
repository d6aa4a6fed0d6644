import { type Subgraph, subgraph } from '../../subgraphs/feature.ts';
import type { ComposedFrom } from '../compose.ts';
import { contract } from './contract.graphql.ts';
import { cost } from './cost.graphql.ts';
import { node } from './node.graphql.ts';

/** What the gateway itself knows, as one more subgraph. Wherever a supergraph names it, the gateway serves it in process. */
export const own: Subgraph = subgraph('laurel', [node, cost, contract]);

/** What of it is composed. Its URL is only a name: no gateway but ours can reach it. */
export const ownPart: ComposedFrom = { name: own.name, sdl: own.sdl, url: 'laurel:in-process' };
