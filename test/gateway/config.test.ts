import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describedVariables, readConfig } from '../../gateway/config.ts';

describe('configuration', () => {
  it('has a default for everything', () => {
    expect(readConfig({})).toEqual({
      config: {
        port: 4_000,
        host: '127.0.0.1',
        dataFolder: resolve('.laurel'),
        databaseUrl: undefined,
        logLevel: 'warn',
        origins: [],
        trustProxy: false,
        trustedDocuments: undefined,
        trustedOnly: false,
        front: 'plain',
        apolloPlugins: [],
        metrics: false,
        metricsPort: undefined,
        traces: undefined,
        budgets: { known: { points: 40_000, restored: 2_000 }, anonymous: 'unset' },
        forwardHeaders: [],
        timeouts: {},
        overrides: [],
      },
    });
  });

  it('takes an empty variable as one that is not set', () => {
    expect(readConfig({ PORT: '', HOST: '', DATABASE_URL: '' })).toEqual(readConfig({}));
  });

  it.each(['x', '-1', '65536', '4000.5', ' ', '0x10', '1e3', '100000'])('refuses the port "%s"', (PORT) => {
    expect(readConfig({ PORT })).toEqual({
      problems: [`PORT is a whole number from 0 to 65535, got "${PORT}".`],
    });
  });

  it.each(['0', '1', '65535'])('takes the port %s', (PORT) => {
    expect(readConfig({ PORT })).toMatchObject({ config: { port: Number(PORT) } });
  });

  it('tells every problem at once, and never the URL of a database', () => {
    expect(readConfig({ PORT: 'x', DATABASE_URL: 'mysql://root:secret@x', LAUREL_LOG: 'loud' })).toEqual({
      problems: [
        'PORT is a whole number from 0 to 65535, got "x".',
        'DATABASE_URL begins with postgres:// or postgresql://.',
        'LAUREL_LOG is silent, fatal, error, warn, info or debug, got "loud".',
      ],
    });
  });

  it('reads a list of origins', () => {
    expect(readConfig({ LAUREL_ORIGINS: 'https://a.example, https://b.example,' })).toMatchObject({
      config: { origins: ['https://a.example', 'https://b.example'] },
    });
  });

  it('trusts documents only where there are some', () => {
    expect(readConfig({ LAUREL_TRUSTED_ONLY: 'true' })).toEqual({
      problems: ['LAUREL_TRUSTED_ONLY needs the documents: set LAUREL_TRUSTED_DOCUMENTS too.'],
    });
  });

  it('has plugins only where there is a server for them', () => {
    const LAUREL_APOLLO_PLUGINS = './log.js, plugin-of-others';
    expect(readConfig({ LAUREL_FRONT: 'apollo', LAUREL_APOLLO_PLUGINS })).toMatchObject({
      config: { front: 'apollo', apolloPlugins: ['./log.js', 'plugin-of-others'] },
    });
    expect(readConfig({ LAUREL_APOLLO_PLUGINS })).toEqual({
      problems: ['LAUREL_APOLLO_PLUGINS needs Apollo Server: set LAUREL_FRONT=apollo too.'],
    });
  });

  it('makes traces where there is somebody to send them to', () => {
    const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:4318';
    expect(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT })).toMatchObject({
      config: { traces: { protocol: 'http/protobuf', documents: false } },
    });
    for (const off of [{ OTEL_TRACES_EXPORTER: 'none' }, { OTEL_SDK_DISABLED: 'TRUE' }])
      expect(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT, ...off })).toMatchObject({
        config: { traces: undefined },
      });
    const OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = 'localhost:4318';
    expect(readConfig({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toEqual({
      problems: [
        'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is a URL that begins with http:// or https://, got "localhost:4318".',
        'OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf or http/json, got "grpc".',
      ],
    });
  });

  it('reads headers to forward, but none of our own calls', () => {
    expect(readConfig({ LAUREL_FORWARD_HEADERS: 'X-Tenant, traceparent' })).toMatchObject({
      config: { forwardHeaders: ['x-tenant', 'traceparent'] },
    });
    for (const [value, problem] of [
      ['a b', 'is a list of headers'],
      ['Host', 'may not name a header of our own calls'],
      ['x-laurel-principal', 'may not name a header of our own calls'],
    ]) {
      expect(readConfig({ LAUREL_FORWARD_HEADERS: value })).toEqual({
        problems: [`LAUREL_FORWARD_HEADERS ${problem}, got "${value}".`],
      });
    }
  });

  it('reads timeouts', () => {
    expect(readConfig({ LAUREL_TIMEOUTS: 'users=500, games=2000' })).toMatchObject({
      config: { timeouts: { users: 500, games: 2_000 } },
    });
    for (const value of ['users', 'users=0', 'users=fast', '=500'])
      expect(readConfig({ LAUREL_TIMEOUTS: value })).toEqual({
        problems: [`LAUREL_TIMEOUTS is name=milliseconds,…, got "${value}".`],
      });
  });

  it('reads budgets', () => {
    expect(readConfig({ LAUREL_BUDGET: 'off', LAUREL_BUDGET_ANONYMOUS: '50/5' })).toMatchObject({
      config: { budgets: { known: undefined, anonymous: { points: 50, restored: 5 } } },
    });
    for (const value of ['0/5', '50', '50/0', '-1/5', '5/1.5', 'on'])
      expect(readConfig({ LAUREL_BUDGET: value })).toEqual({
        problems: [
          `LAUREL_BUDGET is points at once / points a second, \`40000/2000\`, or off, got "${value}".`,
        ],
      });
  });

  it('describes each variable with its default', () => {
    expect(describedVariables().map(({ name, default: value }) => [name, value])).toEqual([
      ['PORT', '4000'],
      ['HOST', '127.0.0.1'],
      ['LAUREL_DATA', './.laurel'],
      ['LAUREL_FILES_URL', ''],
      ['DATABASE_URL', ''],
      ['LAUREL_LOG', 'warn'],
      ['LAUREL_ORIGINS', ''],
      ['LAUREL_TRUST_PROXY', 'false'],
      ['LAUREL_TRUSTED_DOCUMENTS', ''],
      ['LAUREL_TRUSTED_ONLY', 'false'],
      ['LAUREL_FRONT', 'plain'],
      ['LAUREL_APOLLO_PLUGINS', ''],
      ['LAUREL_METRICS', 'false'],
      ['LAUREL_METRICS_PORT', ''],
      ['LAUREL_FORWARD_HEADERS', ''],
      ['LAUREL_TIMEOUTS', ''],
      ['LAUREL_OVERRIDES', ''],
      ['LAUREL_BUDGET', '40000/2000'],
      ['LAUREL_BUDGET_ANONYMOUS', ''],
      ['LAUREL_TRACE_DOCUMENTS', 'false'],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', ''],
      ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', ''],
      ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf'],
      ['OTEL_TRACES_EXPORTER', 'otlp'],
      ['OTEL_SDK_DISABLED', 'false'],
    ]);
  });
});
