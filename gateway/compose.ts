import { composeServices, type ServiceDefinition } from '@theguild/federation-composition';
import { type GraphQLError, parse } from 'graphql';
import { StartFailure } from '../subgraphs/start-failure.ts';

// Subgraph SDLs -> supergraph SDL. Pure.

export interface ComposedFrom {
  name: string;
  sdl: string;
  /** Where the subgraph answers when it is a process of its own; stands in the supergraph. */
  url: string;
}

/**
 * Composes subgraphs.
 * @throws one StartFailure that lists everything that doesn't fit together: which subgraphs disagree, and how to mend it.
 */
export function compose(subgraphs: readonly ComposedFrom[]): string {
  const services: ServiceDefinition[] = [];
  const problems: string[] = [];
  for (const { name, url, sdl } of subgraphs) {
    try {
      services.push({ name, url, typeDefs: parse(sdl) });
    } catch (error) {
      const { message, locations } = error as GraphQLError;
      const [at] = locations ?? [];
      const where = at === undefined ? '' : ` (line ${at.line}, column ${at.column})`;
      problems.push(`- In subgraph "${name}": ${message}${where}`);
    }
  }
  if (problems.length > 0) throw unfit(problems);
  const { supergraphSdl, errors = [] } = composeServices(services);
  if (supergraphSdl === undefined) throw unfit(errors.map(problemOf));
  return supergraphSdl;
}

function unfit(problems: readonly string[]): StartFailure {
  // Some are found once for each place they can be seen from.
  return new StartFailure(['The subgraphs do not compose:', ...new Set(problems)].join('\n'));
}

function problemOf({ message, extensions }: GraphQLError): string {
  const code = String(extensions.code ?? '');
  const what = message.replace(/^\[([^\]]+)\] /, 'In subgraph "$1": ').replaceAll('\n', '\n  ');
  const mend = mending[code];
  return [`- ${what}`, ...(mend === undefined ? [] : [`  To mend it: ${mend}`])].join('\n');
}

/** How to mend what composition finds, by its code, where its message doesn't say. */
const mending: Record<string, string> = {
  FIELD_TYPE_MISMATCH: 'give the field the same type in all of them, or another name in one.',
  FIELD_ARGUMENT_TYPE_MISMATCH: 'give the argument the same type in all of them.',
  FIELD_ARGUMENT_DEFAULT_MISMATCH: 'give the argument the same default in all of them.',
  INPUT_FIELD_DEFAULT_MISMATCH: 'give the input field the same default in all of them.',
  EXTERNAL_TYPE_MISMATCH: 'copy the type of the field from the subgraph that resolves it.',
  EXTERNAL_ARGUMENT_MISSING: 'copy the arguments of the field from the subgraph that resolves it.',
  EXTERNAL_MISSING_ON_BASE:
    'drop @external where the field is resolved, or define it in a subgraph that resolves it.',
  EXTERNAL_UNUSED: 'drop the @external field: no @key, @requires or @provides of this subgraph names it.',
  INVALID_FIELD_SHARING:
    'mark the field @shareable in all of them if they resolve it alike, or leave it to one (@override moves it).',
  ENUM_VALUE_MISMATCH:
    'define the same values in all of them, or hide the one that differs by @inaccessible.',
  TYPE_KIND_MISMATCH: 'make it the same kind of type in all of them, or give one another name.',
  REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH:
    'add the argument to all of them, or let it be null or have a default.',
  REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH:
    'add the input field to all of them, or let it be null or have a default.',
  EMPTY_MERGED_INPUT_TYPE: 'give the input type at least one field that all of them have.',
  SATISFIABILITY_ERROR:
    'give the type a @key that both subgraphs resolve, or mark its fields @shareable and resolve them in both.',
  KEY_INVALID_FIELDS: 'name only fields in the @key that the type has in this subgraph.',
  REQUIRES_INVALID_FIELDS: 'define the required fields in this subgraph too, marked @external.',
  PROVIDES_INVALID_FIELDS: 'define the provided fields in this subgraph too, marked @external.',
  REQUIRES_FIELDS_MISSING_EXTERNAL: 'mark the required fields @external in this subgraph.',
  PROVIDES_FIELDS_MISSING_EXTERNAL: 'mark the provided fields @external in this subgraph.',
  INTERFACE_FIELD_NO_IMPLEM: 'add the field to every implementing type, in a subgraph that can resolve it.',
  ONLY_INACCESSIBLE_CHILDREN: 'leave something of the type visible, or mark the type itself @inaccessible.',
  REFERENCED_INACCESSIBLE: 'mark what refers to the hidden type @inaccessible too.',
  NO_QUERIES: 'give one of the subgraphs a type Query with a field.',
};
