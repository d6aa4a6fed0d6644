import { type ConstDirectiveNode, type ConstValueNode, type DocumentNode, Kind, parse } from 'graphql';

// What a supergraph says of costs: `@cost` and `@listSize` as composition took them over from the subgraphs, where it
// kept the largest weight of those that disagree.

/** `@listSize` of a field. */
export interface ListSize {
  /** Items when no slicing argument says it. */
  readonly assumedSize: number | undefined;
  /** Arguments that hold the number of items. */
  readonly slicingArguments: readonly string[];
  /** The fields of the result that hold the items; undefined: every list of it. */
  readonly sizedFields: readonly string[] | undefined;
}

export interface Costs {
  /** By schema coordinate: `User`, `User.badges`, `User.badges(first:)`, `BadgeFilter.title`. */
  readonly weights: ReadonlyMap<string, number>;
  /** By schema coordinate of a field. */
  readonly lists: ReadonlyMap<string, ListSize>;
}

type Directed = { readonly directives?: readonly ConstDirectiveNode[] };

/**
 * Reads the costs of a supergraph. Directives of these names count only where the supergraph links their specification.
 * @throws Error for a weight or size below 0, at which the planner would end the process.
 */
export function readCosts(sdl: string): Costs {
  const document = parse(sdl, { noLocation: true });
  const names = namesIn(document);
  const weights = new Map<string, number>();
  const lists = new Map<string, ListSize>();
  if (names === undefined) return { weights, lists };

  const note = (coordinate: string, { directives = [] }: Directed) => {
    for (const directive of directives) {
      if (names.cost.includes(directive.name.value)) {
        const weight = countIn(coordinate, directive, 'weight');
        if (weight !== undefined) weights.set(coordinate, weight);
      } else if (names.listSize.includes(directive.name.value)) {
        lists.set(coordinate, {
          assumedSize: countIn(coordinate, directive, 'assumedSize'),
          slicingArguments: textsIn(directive, 'slicingArguments') ?? [],
          sizedFields: textsIn(directive, 'sizedFields'),
        });
      }
    }
  };
  for (const definition of document.definitions) {
    if (!('name' in definition) || definition.name === undefined || !('directives' in definition)) continue;
    const type = definition.name.value;
    note(type, definition as Directed);
    if (!('fields' in definition)) continue;
    for (const field of definition.fields ?? []) {
      const coordinate = `${type}.${field.name.value}`;
      note(coordinate, field);
      if (!('arguments' in field)) continue;
      for (const argument of field.arguments ?? []) note(`${coordinate}(${argument.name.value}:)`, argument);
    }
  }
  return { weights, lists };
}

/** What the two directives are called; undefined where their specification isn't linked. */
function namesIn(document: DocumentNode): Record<'cost' | 'listSize', string[]> | undefined {
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.SCHEMA_DEFINITION) continue;
    for (const link of definition.directives ?? []) {
      const url = argumentOf(link, 'url');
      if (link.name.value !== 'link' || url?.kind !== Kind.STRING) continue;
      if (!url.value.startsWith('https://specs.apollo.dev/cost/')) continue;
      // Composition imports only one of the two by name and uses both, so the plain names are always known.
      const called = (name: string) => [name, `cost__${name}`, ...renamed(argumentOf(link, 'import'), name)];
      return { cost: called('cost'), listSize: called('listSize') };
    }
  }
  return undefined;
}

/** The other name in `import: [{ name: "@cost", as: "@price" }]`. */
function renamed(imports: ConstValueNode | undefined, name: string): string[] {
  if (imports?.kind !== Kind.LIST) return [];
  return imports.values.flatMap((item) => {
    if (item.kind !== Kind.OBJECT) return [];
    const textOf = (key: string) => {
      const value = item.fields.find((field) => field.name.value === key)?.value;
      return value?.kind === Kind.STRING ? value.value : undefined;
    };
    const as = textOf('as');
    return textOf('name') === `@${name}` && as !== undefined ? [as.slice(1)] : [];
  });
}

function argumentOf(directive: ConstDirectiveNode, name: string): ConstValueNode | undefined {
  return directive.arguments?.find((argument) => argument.name.value === name)?.value;
}

function countIn(coordinate: string, directive: ConstDirectiveNode, name: string): number | undefined {
  const value = argumentOf(directive, name);
  if (value === undefined || value.kind === Kind.NULL) return undefined;
  if (value.kind === Kind.INT && Number(value.value) >= 0) return Number(value.value);
  throw new Error(
    `${coordinate} has @${directive.name.value} with a ${name} that is no whole number from 0 on`,
  );
}

function textsIn(directive: ConstDirectiveNode, name: string): string[] | undefined {
  const value = argumentOf(directive, name);
  if (value?.kind !== Kind.LIST) return undefined;
  return value.values.flatMap((item) => (item.kind === Kind.STRING ? [item.value] : []));
}
