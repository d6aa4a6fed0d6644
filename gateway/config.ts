import { resolve } from 'node:path';
import { z } from 'zod';
import type { BudgetSize } from './bucket.ts';

// Every variable Laurel reads from its environment, with its default and unit. Nothing else reads the environment.

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'is a whole number from 0 to 65535')
  .transform(Number)
  .refine((number) => number <= 65_535, 'is a whole number from 0 to 65535');

const endpoint = z
  .string()
  .refine(
    (text) => /^https?:\/\//.test(text) && URL.canParse(text),
    'is a URL that begins with http:// or https://',
  );

/** Calls to subgraphs have their own. */
const ownHeaders = new Set([
  ...[
    'accept',
    'accept-encoding',
    'connection',
    'content-encoding',
    'content-length',
    'content-type',
    'expect',
  ],
  ...['host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
]);

/** What signs a principal must not come from a client. */
const isOwnHeader = (name: string) => ownHeaders.has(name) || name.startsWith('x-laurel-');

const listed = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

const budgetForm = /^(off|[1-9]\d{0,7}\/[1-9]\d{0,7})$/;
const budgetRule = 'is points at once / points a second, `40000/2000`, or off';

const variables = z.object({
  PORT: port.default(4_000).describe('The port of the gateway; 0 takes a free one.'),
  HOST: z
    .string()
    .min(1, 'is an address to listen on')
    .default('127.0.0.1')
    .describe('The address to listen on; `0.0.0.0` for all.'),
  LAUREL_DATA: z
    .string()
    .min(1, 'is a folder')
    .default('./.laurel')
    .describe('The folder of the embedded database and of what belongs to it.'),
  LAUREL_FILES_URL: z
    .string()
    .refine(
      (url) => /^https?:\/\/[^/]+$/.test(url) && URL.canParse(url),
      'is an origin, `https://files.example.org`',
    )
    .optional()
    .describe(
      'Where clients reach `/files/` of the process that serves messaging; its own address when unset.',
    ),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'begins with postgres:// or postgresql://')
    .refine((url) => URL.canParse(url), 'is a URL, its user and password percent-encoded')
    .optional()
    .describe('A PostgreSQL (15 or newer) to use instead of the embedded one.'),
  LAUREL_LOG: z
    .enum(
      ['silent', 'fatal', 'error', 'warn', 'info', 'debug'],
      'is silent, fatal, error, warn, info or debug',
    )
    .default('warn')
    .describe('How much to log, as JSON lines on standard error.'),
  LAUREL_ORIGINS: z
    .string()
    .refine(
      (text) => text.split(',').every((one) => one.trim() === '' || isOrigin(one.trim())),
      'lists origins, `https://app.example.org`, separated by commas',
    )
    .default('')
    .describe('Origins of web pages that may call, separated by commas; none but its own when empty.'),
  LAUREL_TRUST_PROXY: z
    .enum(['true', 'false'], 'is true or false')
    .default('false')
    .describe('Whether X-Forwarded-* of whoever connects is believed.'),
  LAUREL_TRUSTED_DOCUMENTS: z
    .string()
    .optional()
    .describe('A JSON file of documents that clients may name by their SHA-256.'),
  LAUREL_TRUSTED_ONLY: z
    .enum(['true', 'false'], 'is true or false')
    .default('false')
    .describe('Whether nothing but those documents is run.'),
  LAUREL_FRONT: z
    .enum(['plain', 'apollo'], 'is plain or apollo')
    .default('plain')
    .describe('What answers over HTTP: Laurel alone, or Apollo Server over its engine, for its plugins.'),
  LAUREL_APOLLO_PLUGINS: z
    .string()
    .default('')
    .transform(listed)
    .describe('Modules that export Apollo Server plugins by default: files (`./plugin.js`) or packages.'),
  LAUREL_METRICS: z
    .enum(['true', 'false'], 'is true or false')
    .default('false')
    .describe('Whether `GET /metrics` beside the graph tells Prometheus, and whoever else gets there.'),
  LAUREL_METRICS_PORT: port
    .optional()
    .describe('A port of its own for `GET /metrics`, at the same address; 0 takes a free one.'),
  LAUREL_FORWARD_HEADERS: z
    .string()
    .default('')
    .transform((text) => listed(text).map((name) => name.toLowerCase()))
    .refine((names) => names.every((name) => /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)), 'is a list of headers')
    .refine((names) => !names.some(isOwnHeader), 'may not name a header of our own calls')
    .describe('Headers of clients that subgraphs in other processes get too, separated by commas.'),
  LAUREL_TIMEOUTS: z
    .string()
    .default('')
    .transform(listed)
    .refine((pairs) => pairs.every((pair) => /^[^=\s]+=[1-9]\d{0,6}$/.test(pair)), 'is name=milliseconds,…')
    .transform((pairs) =>
      Object.fromEntries(pairs.map((pair) => [pair.split('=')[0], Number(pair.split('=')[1])])),
    )
    .describe('How long subgraphs in other processes may take, `name=milliseconds,…`; 30000 where unsaid.'),
  LAUREL_OVERRIDES: z
    .string()
    .default('')
    .transform(listed)
    .refine((labels) => labels.every((label) => /^[a-z][\w\-:./]*$/i.test(label)), 'is a list of labels')
    .describe('Labels of `@override(label:)` that are on, separated by commas; `percent(x)` needs none.'),
  LAUREL_BUDGET: z
    .string()
    .regex(budgetForm, budgetRule)
    .default('40000/2000')
    .describe(
      'What a person or an integration key may spend: points at once / points a second, or `off`. A system key: ten times that.',
    ),
  LAUREL_BUDGET_ANONYMOUS: z
    .string()
    .regex(budgetForm, budgetRule)
    .optional()
    .describe(
      'The same for each address that sends no credential; 2000/100 when unset, with `--auth none` `off`.',
    ),
  LAUREL_TRACE_DOCUMENTS: z
    .enum(['true', 'false'], 'is true or false')
    .default('false')
    .describe('Whether spans hold the texts of operations, with the values that are written in them.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint
    .optional()
    .describe('Where traces are sent by OTLP over HTTP, below `/v1/traces`; none are made when it is empty.'),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint
    .optional()
    .describe('The same for traces alone: all of the URL.'),
  OTEL_EXPORTER_OTLP_PROTOCOL: z
    .enum(['http/protobuf', 'http/json'], 'is http/protobuf or http/json')
    .default('http/protobuf')
    .describe('How traces are written.'),
  OTEL_TRACES_EXPORTER: z
    .enum(['otlp', 'none'], 'is otlp or none')
    .default('otlp')
    .describe('`none` makes no traces, whatever the others say.'),
  OTEL_SDK_DISABLED: z
    .string()
    .default('false')
    .describe('`true` makes none either. OpenTelemetry reads its other variables itself.'),
});

function wantsTraces(data: z.infer<typeof variables>): boolean {
  const target = data.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? data.OTEL_EXPORTER_OTLP_ENDPOINT;
  const off = data.OTEL_TRACES_EXPORTER === 'none' || data.OTEL_SDK_DISABLED.toLowerCase() === 'true';
  return target !== undefined && !off;
}

function budgetIn(text: string): BudgetSize | undefined {
  const [points, restored] = text.split('/').map(Number);
  return points === undefined || restored === undefined ? undefined : { points, restored };
}

/** Scheme, host and port, as a browser sends it. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

export interface BudgetConfig {
  /** Undefined: without bounds. */
  known: BudgetSize | undefined;
  /** `unset`: as it suits how callers are known. */
  anonymous: BudgetSize | undefined | 'unset';
}

export interface Config {
  port: number;
  host: string;
  dataFolder: string;
  filesUrl: string | undefined;
  databaseUrl: string | undefined;
  logLevel: string;
  origins: readonly string[];
  trustProxy: boolean;
  /** The file of documents that clients may name. */
  trustedDocuments: string | undefined;
  trustedOnly: boolean;
  front: 'plain' | 'apollo';
  /** Files and packages. */
  apolloPlugins: readonly string[];
  /** Whether metrics are told at the graph's port. */
  metrics: boolean;
  metricsPort: number | undefined;
  /** How spans are sent, and whether with the texts of operations; undefined when none are made. */
  traces: { protocol: 'http/protobuf' | 'http/json'; documents: boolean } | undefined;
  /** What callers with and without a credential may spend. */
  budgets: BudgetConfig;
  /** In lower case. */
  forwardHeaders: readonly string[];
  /** By subgraph, in milliseconds. */
  timeouts: Readonly<Record<string, number>>;
  /** Labels of progressive overrides that are on. */
  overrides: readonly string[];
}

/** The table of the README: name, default, meaning. */
export function describedVariables(): { name: string; default: string; meaning: string }[] {
  return Object.entries(variables.shape).map(([name, type]) => {
    const fallback = type.safeParse(undefined).data;
    return {
      name,
      default: fallback === undefined || typeof fallback === 'object' ? '' : String(fallback),
      meaning: type.description ?? '',
    };
  });
}

/**
 * Reads the configuration.
 * @returns it, or every problem at once: `PORT is a whole number from 0 to 65535, got "x".`
 */
export function readConfig(environment: NodeJS.ProcessEnv): { config: Config } | { problems: string[] } {
  // An empty variable is one that isn't set.
  const given = Object.fromEntries(
    Object.keys(variables.shape).map((name) => [
      name,
      environment[name] === '' ? undefined : environment[name],
    ]),
  );
  const { data, error } = variables.safeParse(given);
  if (error !== undefined) {
    return {
      problems: error.issues.map(({ path: [name], message }) => {
        const value = name === 'DATABASE_URL' ? '' : `, got "${given[String(name)]}"`;
        return `${String(name)} ${message}${value}.`;
      }),
    };
  }
  if (data.LAUREL_TRUSTED_ONLY === 'true' && data.LAUREL_TRUSTED_DOCUMENTS === undefined) {
    return { problems: ['LAUREL_TRUSTED_ONLY needs the documents: set LAUREL_TRUSTED_DOCUMENTS too.'] };
  }
  if (data.LAUREL_APOLLO_PLUGINS.length > 0 && data.LAUREL_FRONT !== 'apollo') {
    return { problems: ['LAUREL_APOLLO_PLUGINS needs Apollo Server: set LAUREL_FRONT=apollo too.'] };
  }
  return {
    config: {
      port: data.PORT,
      host: data.HOST,
      dataFolder: resolve(data.LAUREL_DATA),
      filesUrl: data.LAUREL_FILES_URL,
      databaseUrl: data.DATABASE_URL,
      logLevel: data.LAUREL_LOG,
      origins: listed(data.LAUREL_ORIGINS),
      trustProxy: data.LAUREL_TRUST_PROXY === 'true',
      trustedDocuments: data.LAUREL_TRUSTED_DOCUMENTS,
      trustedOnly: data.LAUREL_TRUSTED_ONLY === 'true',
      front: data.LAUREL_FRONT,
      apolloPlugins: data.LAUREL_APOLLO_PLUGINS,
      metrics: data.LAUREL_METRICS === 'true',
      metricsPort: data.LAUREL_METRICS_PORT,
      traces: wantsTraces(data)
        ? { protocol: data.OTEL_EXPORTER_OTLP_PROTOCOL, documents: data.LAUREL_TRACE_DOCUMENTS === 'true' }
        : undefined,
      budgets: {
        known: budgetIn(data.LAUREL_BUDGET),
        anonymous:
          data.LAUREL_BUDGET_ANONYMOUS === undefined ? 'unset' : budgetIn(data.LAUREL_BUDGET_ANONYMOUS),
      },
      forwardHeaders: data.LAUREL_FORWARD_HEADERS,
      overrides: data.LAUREL_OVERRIDES,
      timeouts: data.LAUREL_TIMEOUTS,
    },
  };
}
