import { type Change, CriticalityLevel, diff } from '@graphql-inspector/core';
import {
  buildASTSchema,
  type DefinitionNode,
  type GraphQLSchema,
  isTypeDefinitionNode,
  isTypeExtensionNode,
  Kind,
  parse,
  type TypeDefinitionNode,
} from 'graphql';
import { createEngine, type Subgraph } from './engine/index.ts';

// What a new schema would do to the clients of an old one. Of a supergraph, only what clients see counts.

export interface Changes {
  /** Clients that worked don't any more. */
  breaking: readonly Told[];
  /** Clients may be surprised: a new enum value, a changed default. */
  dangerous: readonly Told[];
  safe: readonly Told[];
}

export interface Told {
  message: string;
  /** Why it matters, where that isn't plain. */
  reason: string | undefined;
}

/** Compares what clients see before and after. */
export async function changesBetween(older: GraphQLSchema, newer: GraphQLSchema): Promise<Changes> {
  const changes = await diff(older, newer);
  const told = (level: CriticalityLevel) =>
    changes.filter(({ criticality }) => criticality.level === level).map(toldOf);
  return {
    breaking: told(CriticalityLevel.Breaking),
    dangerous: told(CriticalityLevel.Dangerous),
    safe: told(CriticalityLevel.NonBreaking),
  };
}

/** The changes as text, the worst first. */
export function changesText(changes: Changes): string {
  const lines = (['breaking', 'dangerous', 'safe'] as const).flatMap((kind) =>
    changes[kind].flatMap(({ message, reason }) => [
      `${kind.padEnd(9)}  ${message}`,
      ...(reason === undefined || kind === 'safe' ? [] : [`           ${reason}`]),
    ]),
  );
  const { breaking, dangerous, safe } = changes;
  const counts = `${breaking.length} breaking, ${dangerous.length} dangerous, ${safe.length} safe`;
  return `${[...lines, lines.length === 0 ? 'Nothing changed.' : `${counts}.`].join('\n')}\n`;
}

/** The schema that clients see, of a supergraph or of any SDL. @throws Error for what is no schema */
export function schemaOf(sdl: string): GraphQLSchema {
  const { definitions } = parse(sdl, { noLocation: true });
  const isSupergraph = definitions.some(
    (one) => one.kind === Kind.ENUM_TYPE_DEFINITION && one.name.value === 'join__Graph',
  );
  if (isSupergraph) return createEngine({ supergraph: sdl, subgraph: () => uncalled }).schema;
  // A subgraph leaves federation's directives to `@link`, and extends what others define.
  const defined = new Set(definitions.filter(isTypeDefinitionNode).map(({ name }) => name.value));
  const whole = definitions.map((one): DefinitionNode => {
    if (!isTypeExtensionNode(one) || defined.has(one.name.value)) return one;
    defined.add(one.name.value);
    return { ...one, kind: one.kind.replace('Extension', 'Definition') } as TypeDefinitionNode;
  });
  if (defined.size === 0) throw new Error('it defines no types');
  return buildASTSchema({ kind: Kind.DOCUMENT, definitions: whole }, { assumeValidSDL: true });
}

function toldOf({ message, criticality }: Change): Told {
  return { message: `${message.replace(/\.$/, '')}.`, reason: criticality.reason };
}

const never = (): never => {
  throw new Error('Comparing schemas calls no subgraph.');
};
const uncalled: Subgraph<never> = { execute: never, subscribe: never };
