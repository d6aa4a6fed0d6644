import {
  type Attributes,
  type Context,
  DiagLogLevel,
  defaultTextMapSetter,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Logger } from 'pino';
import type { Access, Caller, CredentialHeaders } from './access.ts';
import type { Config } from './config.ts';
import type { Answer, Engine, Operation, Subgraph } from './engine/index.ts';
import type { Live } from './live.ts';

// What OpenTelemetry is told: a span for each operation, below the client's own; below it one for a plan that had to be
// made and one for each call to a subgraph, which gets the trace in its headers. Names and attributes are those of the
// semantic conventions for GraphQL servers and HTTP clients. A span's place is known by the caller that work is done for.

export interface Tracing {
  /** Access whose callers bring along the trace that their headers name. */
  access(access: Access): Access;
  /** The engine, each operation that it executes and each event that it answers a span. */
  engine(engine: Engine<Caller>): Engine<Caller>;
  /** The streams, each opening of one a span; a stream may last for days, a span is told when it ends. */
  live(live: Live): Live;
  /**
   * The subgraph, each query and mutation a span.
   * @param url  where it answers; undefined in this process.
   */
  subgraph(name: string, url: string | undefined, subgraph: Subgraph<Caller>): Subgraph<Caller>;
  /** A subgraph answered the call of this caller with this HTTP status. */
  status(caller: Caller, status: number): void;
  /** A plan was made from then, by `performance.now()`, until now. */
  planned(caller: Caller, started: number): void;
  /** An operation is not executed. */
  refused(caller: Caller, answer: Answer): void;
  /** Sends what is not sent yet. */
  close(): Promise<void>;
}

/** How long the last spans may take to be sent when the process ends. */
const lastSendingMs = 5_000;

/** Traces sent by OTLP over HTTP, to where and how the environment says it to OpenTelemetry's SDK. */
export async function createTracing(
  { protocol, documents }: NonNullable<Config['traces']>,
  log: Logger,
): Promise<Tracing> {
  const { OTLPTraceExporter } = await (protocol === 'http/json'
    ? import('@opentelemetry/exporter-trace-otlp-http')
    : import('@opentelemetry/exporter-trace-otlp-proto'));
  tellFailures(log);
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'laurel' }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer('laurel');
  const propagator = new W3CTraceContextPropagator();

  const aboutOperation = ({ kind, name, text }: Operation): Attributes => ({
    'graphql.operation.type': kind,
    'graphql.operation.name': name,
    ...(documents && { 'graphql.document': text }),
  });
  const beginOperation = (operation: Operation, { trace: parent = ROOT_CONTEXT }: Caller) =>
    tracer.startSpan(
      operation.kind,
      { kind: SpanKind.SERVER, attributes: aboutOperation(operation) },
      parent,
    );

  return {
    access: (access) => ({
      async callerOf(headers, address) {
        const caller = await access.callerOf(headers, address);
        return { ...caller, trace: propagator.extract(ROOT_CONTEXT, headers, headerGetter) };
      },
      watch: (...watched) => access.watch(...watched),
      classOf: (caller) => access.classOf(caller),
    }),

    engine: (engine) => ({
      ...engine,
      execute(operation, request) {
        const span = beginOperation(operation, request.caller);
        return ending(span, () =>
          engine.execute(operation, { ...request, caller: below(span, request.caller) }),
        );
      },
      async subscribe(operation, request) {
        const stream = await engine.subscribe(operation, request);
        if (!('events' in stream)) return stream;
        return {
          ...stream,
          answer(event, caller = request.caller) {
            // Many clients may get it, so it is below none of them.
            const span = tracer.startSpan(
              'subscription event',
              { attributes: aboutOperation(operation) },
              ROOT_CONTEXT,
            );
            return ending(span, () => stream.answer(event, below(span, caller)));
          },
        };
      },
    }),

    live: (live) => ({
      get groups() {
        return live.groups;
      },
      subscribe(request) {
        const span = beginOperation(request.operation, request.caller);
        return ending(span, () => live.subscribe({ ...request, caller: below(span, request.caller) }));
      },
    }),

    subgraph(name, url, subgraph) {
      const about = aboutSubgraph(name, url);
      return {
        execute(call) {
          const { caller, kind, text } = call;
          // What no client asked for is in no trace: who is calling, whether a subgraph answers.
          if (caller.trace === undefined) return subgraph.execute(call);
          const attributes = {
            ...about.attributes,
            'graphql.operation.type': kind,
            ...(documents && { 'graphql.document': text }),
          };
          const span = tracer.startSpan(about.name, { kind: about.kind, attributes }, caller.trace);
          const called = below(span, caller);
          const headers = { ...caller.headers };
          propagator.inject(called.trace, headers, defaultTextMapSetter);
          return ending(span, async () => subgraph.execute({ ...call, caller: { ...called, headers } }));
        },
        subscribe: (call) => subgraph.subscribe(call),
        dispose: async () => subgraph.dispose?.(),
      };
    },

    status(caller, status) {
      if (caller.trace) trace.getSpan(caller.trace)?.setAttribute('http.response.status_code', status);
    },

    planned({ trace: parent }, started) {
      if (parent) tracer.startSpan('plan', { startTime: started }, parent).end(performance.now());
    },

    refused(caller, answer) {
      const kind = SpanKind.SERVER;
      const span = tracer.startSpan('GraphQL Operation', { kind }, caller.trace ?? ROOT_CONTEXT);
      mark(span, answer.errors[0]);
      span.end();
    },

    async close() {
      const late = new Promise<'late'>((resolve) => setTimeout(resolve, lastSendingMs, 'late').unref());
      const end = await Promise.race([provider.shutdown(), late]);
      if (end === 'late') log.warn('OpenTelemetry: the last spans could not be sent in time');
    },
  };
}

/** The caller, for whom all work from here on is below the span. */
function below(span: Span, caller: Caller): Caller & { trace: Context } {
  return { ...caller, trace: trace.setSpan(caller.trace ?? ROOT_CONTEXT, span) };
}

/** Ends the span with the work, marked by the first error that it comes to. */
async function ending<Result extends object>(span: Span, work: () => Promise<Result>): Promise<Result> {
  try {
    const result = await work();
    mark(span, 'errors' in result ? (result as Partial<Answer>).errors?.[0] : undefined);
    return result;
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    mark(span, { message, extensions: { code } });
    throw error;
  } finally {
    span.end();
  }
}

function mark(
  span: Span,
  error: { message: string; extensions?: Readonly<Record<string, unknown>> } | undefined,
): void {
  if (error === undefined) return;
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  span.setAttribute('error.type', String(error.extensions?.code ?? '_OTHER'));
}

/** What is the same for all calls to a subgraph. */
function aboutSubgraph(
  name: string,
  url: string | undefined,
): { name: string; kind: SpanKind; attributes: Attributes } {
  const subgraph = { 'laurel.subgraph.name': name };
  if (url === undefined) return { name: `subgraph ${name}`, kind: SpanKind.INTERNAL, attributes: subgraph };
  const { protocol, hostname, port, origin, pathname } = new URL(url);
  return {
    name: `POST ${pathname}`,
    kind: SpanKind.CLIENT,
    attributes: {
      ...subgraph,
      'http.request.method': 'POST',
      'server.address': hostname,
      'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
      // Neither a password nor a key of the query.
      'url.full': origin + pathname,
      'url.template': pathname,
    },
  };
}

/** Over WebSocket the names of headers stand in the payload of `connection_init`, where anything may come. */
const headerGetter = {
  get(headers: CredentialHeaders, name: string) {
    const value = headers[name];
    return typeof value === 'string' ? value : undefined;
  },
  keys: (headers: CredentialHeaders) => Object.keys(headers),
};

/** Spans that can't be sent cost nobody an answer, but somebody should know. */
function tellFailures(log: Logger): void {
  const tell = (...words: unknown[]) => log.warn(`OpenTelemetry: ${words.join(': ')}`);
  const quiet = () => {};
  const logger = { error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
