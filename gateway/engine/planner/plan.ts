import {
  type EntityBatchAlias,
  type FetchNode,
  type FetchNodePathSegment,
  type FetchRewrite,
  type FlattenNodePathSegment,
  type PlanNode,
  QueryPlanner,
  type RequiresSelection,
} from '@graphql-hive/router-query-planner';
import { type DocumentNode, parse, print } from 'graphql';
import { LRUCache } from 'lru-cache';
import { askedIn, keyOf, operationIn } from '../asked.ts';
import {
  prefixOf,
  type Requirement,
  type Rewrite,
  type RewriteSegment,
  representation,
  type Segment,
  type Types,
  walkTo,
} from '../entity.ts';
import {
  type Batch,
  condition,
  fetchEntities,
  fetchRoot,
  parallel,
  type Step,
  sequence,
} from '../execute.ts';
import type { Fetch } from '../run.ts';
import { groupsOfAskers } from './askers.ts';
import { type Apart, withComputedApart } from './computed.ts';
import { withInterfaceObjectsLast } from './order.ts';
import { byPlace } from './places.ts';
import { type Required, requiredIn, requirement, withRealFields } from './required.ts';
import { type Entities, entityFields, separated, unambiguous } from './separate.ts';

// Operation -> Plan, compiled to steps; the only import of the planner. Plans don't depend on who asks, so callers of
// different views share them.

export interface Plan {
  /** For a subscription: where its events come from. */
  readonly source: Fetch | undefined;
  /** All that is to be fetched; for a subscription: what each event still lacks. */
  readonly step: Step | undefined;
  /** Whether it is nothing but root fetches, one after the other. */
  readonly isSerial: boolean;
}

export interface PlannerOptions {
  /** The names of progressive `@override` labels that are on. */
  labels?: ReadonlySet<string>;
  cacheSize: number;
}

/** A planner, and how its plans are to be read. */
interface Asking {
  planner: QueryPlanner;
  required: Required;
  /** Names of subgraphs in its plans that others answer for. */
  realNames: Apart['realNames'];
}

function askingOf(required: Required, { sdl, realNames }: Apart): Asking {
  const ordered = withInterfaceObjectsLast(sdl);
  const names = [...ordered.realNames].map(([name, made]) => [name, realNames.get(made) ?? made] as const);
  return {
    planner: new QueryPlanner(ordered.sdl),
    required,
    realNames: new Map([...realNames, ...names]),
  };
}

export class Planner {
  /** The SDL clients see, in the planner's words; `supergraphSdl` is what it was made of. */
  readonly consumerSdl: string;
  readonly supergraphSdl: string;
  /** Names in both that stand for required fields and are nobody's to see. */
  readonly required: Required;
  private readonly composedSdl: string;
  private readonly first: Asking;
  /** For operations that the first can't plan; made when it is first needed. */
  private second: Asking | undefined;
  private readonly labels: Set<string>;
  private readonly thresholds: readonly number[];
  private readonly plans: LRUCache<string, Plan>;
  hits = 0;
  misses = 0;

  constructor(supergraphSdl: string, { labels, cacheSize }: PlannerOptions) {
    this.composedSdl = supergraphSdl;
    this.required = requiredIn(supergraphSdl);
    this.supergraphSdl = this.required.sdl;
    this.first = askingOf(this.required, { sdl: this.supergraphSdl, realNames: new Map() });
    const { planner } = this.first;
    this.consumerSdl = planner.consumerSchema;
    this.labels = new Set(labels);
    // Asking the planner itself is a call out of JavaScript, and an array made anew.
    this.thresholds = planner.overridePercentages;
    this.plans = new LRUCache({ max: cacheSize });
  }

  /**
   * Plans an operation.
   * @param text        one valid operation without introspection fields.
   * @param percentage  0 to 100: which side of `@override(label: "percent(x)")` this request is on.
   * @throws what the planner throws.
   */
  plan(text: string, percentage: number, types: Types): Plan {
    const side = this.thresholds.filter((threshold) => percentage >= threshold).length;
    const key = `${side} ${text}`;
    let plan = this.plans.get(key);
    if (plan) this.hits += 1;
    else {
      this.misses += 1;
      const operation = parse(text, { noLocation: true });
      const ask = ({ planner, ...source }: Asking) => {
        const { node } = planner.plan(text, undefined, this.labels, percentage);
        return new Compiler({ ...source, operation, types }).plan(node);
      };
      try {
        plan = ask(this.first);
      } catch {
        plan = ask(this.secondAsking());
      }
      this.plans.set(key, plan);
    }
    return plan;
  }

  private secondAsking(): Asking {
    if (!this.second) {
      const required = requiredIn(this.composedSdl, true);
      this.second = askingOf(required, withComputedApart(required.sdl));
    }
    return this.second;
  }

  /** Whether `plan` depends on its percentage at all. */
  get isProgressive(): boolean {
    return this.thresholds.length > 0;
  }
}

type PlannedFetch = Omit<FetchNode, 'kind' | 'requires' | 'inputRewrites'>;

interface CompilerSource extends Omit<Asking, 'planner'> {
  /** What was planned. */
  operation: DocumentNode;
  types: Types;
}

class Compiler {
  private readonly source: CompilerSource;
  private readonly types: Types;
  private readonly required: Required;

  constructor(source: CompilerSource) {
    this.source = source;
    this.types = source.types;
    this.required = source.required;
  }

  plan(node: PlanNode | undefined): Plan {
    const [first, ...rest] = node?.kind === 'Sequence' ? node.nodes : node ? [node] : [];
    if (first?.kind === 'Subscription') {
      const step = rest.length > 0 ? sequence(rest.map((later) => this.step(later))) : undefined;
      return { source: this.fetch(first.primary), step, isSerial: false };
    }
    const isSerial = [first, ...rest].every((one) => one?.kind === 'Fetch');
    return { source: undefined, step: node && this.step(node), isSerial };
  }

  private step(node: PlanNode): Step {
    switch (node.kind) {
      case 'Sequence':
        return sequence(node.nodes.map((inner) => this.step(inner)));
      case 'Parallel':
        return parallel(node.nodes.map((inner) => this.step(inner)));
      case 'Condition':
        return condition(
          node.condition,
          node.ifClause && this.step(node.ifClause),
          node.elseClause && this.step(node.elseClause),
        );
      case 'Fetch':
        return fetchRoot(this.fetch(node), this.types);
      case 'Flatten': {
        if (node.node.kind !== 'Fetch') throw new Error(`A plan flattens a ${node.node.kind}.`);
        const { requires = [], ...fetch } = node.node;
        const only = {
          alias: '_entities',
          representationsVariableName: 'representations',
          paths: [node.path],
        };
        return this.entityStep(fetch, [{ ...fetch, ...only, requires }]);
      }
      case 'BatchFetch':
        return this.entityStep(node, node.entityBatch.aliases);
      default:
        throw new Error(`A plan has a ${node.kind}.`);
    }
  }

  private entityStep(node: PlannedFetch, aliases: readonly EntityBatchAlias[]): Step {
    const document = parse(node.operation, { noLocation: true });
    const entities = aliases.map((alias) => this.entities(alias));
    const subgraph = this.subgraphOf(node);
    const fetch = separated({ document, entities }, (one, fields) =>
      byPlace(one, fields, this.source.operation, this.required)
        .flatMap((part) => groupsOfAskers(subgraph, part.entities, part.fields, this.source))
        .flatMap((group) => unambiguous(group, this.required)),
    );
    if (fetch.entities.length === 0) return () => undefined;
    const outputRewrites = aliases.flatMap((alias) => alias.outputRewrites ?? []);
    const operation = fetch.document === document ? node.operation : print(fetch.document);
    const batches = fetch.entities.map((one) => this.batch(one, fetch.document));
    return fetchEntities(this.fetch({ ...node, operation, outputRewrites }), batches, this.types);
  }

  private entities(alias: EntityBatchAlias): Entities {
    return {
      key: alias.alias,
      variable: alias.representationsVariableName,
      paths: alias.paths.map((path) => path.map(segmentOf)),
      requires: alias.requires.map((one) => this.requirement(one)),
      inputRewrites: (alias.inputRewrites ?? []).map(rewriteOf),
      outputRewrites: (alias.outputRewrites ?? []).map(rewriteOf),
    };
  }

  private batch({ requires, paths, ...entities }: Entities, document: DocumentNode): Batch {
    const asksType = (name: string | undefined) =>
      entityFields(document, entities.key).some(
        ({ node, of }) => node.name.value === '__typename' && of === name,
      );
    const { isOf } = this.types;
    return {
      ...entities,
      identifies: entities.inputRewrites.find(({ set }) => set !== undefined && asksType(set))?.set,
      paths: paths.map((path) => ({ walk: walkTo(path, isOf), prefix: prefixOf(path) })),
      representation: representation(requires, this.types),
    };
  }

  private fetch(node: PlannedFetch): Fetch {
    const rewrites = (node.outputRewrites ?? []).map(rewriteOf);
    const renamed = new Map<string, string>();
    for (const { path, rename } of rewrites) {
      const last = path.at(-1);
      if (rename !== undefined && last?.key !== undefined) renamed.set(last.key, rename);
    }
    const document = parse(node.operation, { noLocation: true });
    const { fields } = this.required;
    return {
      subgraph: this.subgraphOf(node),
      kind: node.operationKind ?? 'query',
      text: fields.size > 0 ? print(withRealFields(document, this.required)) : node.operation,
      variables: node.variableUsages ?? [],
      renamed,
      rewrites,
      rootKeys: askedIn(operationIn(document).selectionSet).map(({ node }) => keyOf(node)),
    };
  }

  private subgraphOf({ serviceName }: PlannedFetch): string {
    return this.source.realNames.get(serviceName) ?? serviceName;
  }

  private requirement(selection: RequiresSelection): Requirement {
    switch (selection.kind) {
      case 'Field': {
        const inner = selection.selections?.map((one) => this.requirement(one));
        return requirement(selection.name, selection.alias ?? selection.name, inner, this.required.fields);
      }
      case 'InlineFragment': {
        const inner = selection.selections.map((one) => this.requirement(one));
        return { on: selection.typeCondition, inner };
      }
      default:
        throw new Error(`A plan requires a ${selection.kind}.`);
    }
  }
}

function segmentOf(segment: FlattenNodePathSegment): Segment {
  if (segment === '@') return 'items';
  if ('Field' in segment) return { field: segment.Field };
  return { types: segment.TypeCondition };
}

function rewriteOf(change: FetchRewrite): Rewrite {
  if ('KeyRenamer' in change) {
    return { path: change.KeyRenamer.path.map(rewriteSegmentOf), rename: change.KeyRenamer.renameKeyTo };
  }
  const setter = 'ValueSetter' in change ? change.ValueSetter : change;
  return { path: setter.path.map(rewriteSegmentOf), set: setter.setValueTo };
}

function rewriteSegmentOf(segment: FetchNodePathSegment): RewriteSegment {
  return 'Key' in segment ? { key: segment.Key } : { types: segment.TypenameEquals };
}
