import { type DocumentNode, Kind, parse, print, type StringValueNode, visit } from 'graphql';

// The planner reads subgraphs in the order of their names, and where one that knows an interface as an object comes before the
// interface's owner, it doesn't find what the implementers have. So those come last, by names that are the planner's alone.

export interface Ordered {
  readonly sdl: string;
  /** The planner's name of a subgraph -> its own. */
  readonly realNames: ReadonlyMap<string, string>;
}

/** Renames the subgraphs of a supergraph so that those with interface objects come last. */
export function withInterfaceObjectsLast(sdl: string): Ordered {
  if (!sdl.includes('isInterfaceObject: true')) return { sdl, realNames: new Map() };
  const document = parse(sdl, { noLocation: true });
  const late = graphsWithInterfaceObjects(document);
  const names = new Map<string, string>();
  visit(document, {
    EnumValueDefinition({ name: graph, directives = [] }) {
      for (const { name, arguments: given = [] } of directives) {
        const value = given.find((argument) => argument.name.value === 'name')?.value;
        if (name.value !== 'join__graph' || value?.kind !== Kind.STRING) continue;
        names.set(value.value, `${late.has(graph.value) ? 1 : 0} ${value.value}`);
      }
    },
  });
  const renamed = (value: StringValueNode) => ({ ...value, value: names.get(value.value) ?? value.value });
  const ordered = visit(document, {
    Directive({ name }) {
      return name.value === 'join__graph' || name.value === 'join__field' ? undefined : false;
    },
    Argument({ name, value, ...argument }) {
      const isName = name.value === 'name' || name.value === 'override';
      return isName && value.kind === Kind.STRING ? { ...argument, name, value: renamed(value) } : undefined;
    },
  });
  return { sdl: print(ordered), realNames: new Map([...names].map(([name, made]) => [made, name])) };
}

function graphsWithInterfaceObjects(document: DocumentNode): Set<string> {
  const graphs = new Set<string>();
  visit(document, {
    Directive({ name, arguments: given = [] }) {
      const argument = (key: string) => given.find((one) => one.name.value === key)?.value;
      const graph = argument('graph');
      const mark = argument('isInterfaceObject');
      if (name.value !== 'join__type' || mark?.kind !== Kind.BOOLEAN || !mark.value) return;
      if (graph?.kind === Kind.ENUM) graphs.add(graph.value);
    },
  });
  return graphs;
}
