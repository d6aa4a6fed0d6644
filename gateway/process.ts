import { createServer } from 'node:net';
import { type Logger, pino } from 'pino';
import { StartFailure } from '../subgraphs/start-failure.ts';
import { type Config, readConfig } from './config.ts';
import type { Metrics } from './metrics.ts';
import type { Tracing } from './tracing.ts';

// What every long-running command has in common: its configuration, its log, how it fails to start and how it ends.

/** A command's resources, closed in the opposite order of their opening. */
export class Closing {
  private readonly steps: (() => Promise<unknown>)[] = [];

  /** Remembers what ends a thing that was just opened. */
  add(step: () => Promise<unknown>): void {
    this.steps.push(step);
  }

  async close(): Promise<void> {
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) await step();
  }
}

/** The environment's configuration; prints every problem and exits with 1 when one is wrong. */
export function configOrExit(): Config {
  const read = readConfig(process.env);
  if ('config' in read) return read.config;
  for (const problem of read.problems) console.error(problem);
  process.exit(1);
}

/** JSON lines on standard error. Headers and secrets are never logged; a stray one is cut out here. */
export function openLog({ logLevel }: Config): Logger {
  return pino(
    { level: logLevel, redact: ['*.headers', '*.authorization', '*.secret', '*.token', '*["x-api-key"]'] },
    pino.destination({ dest: 2, sync: true }),
  );
}

/**
 * Runs a command that serves until it is told to end. SIGTERM and SIGINT close what it opened and exit with 0; a second
 * one exits at once. A StartFailure is one line and exit 1. A failure that nobody waited for is logged and ends nothing.
 */
export async function serveUntilTold(
  serve: (config: Config, log: Logger, closing: Closing) => Promise<void>,
): Promise<void> {
  const config = configOrExit();
  const log = openLog(config);
  const closing = new Closing();
  let ending = false;
  const end = () => {
    if (ending) process.exit(1);
    ending = true;
    closing.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, 'shutting down failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  // graphql-js forgets the items of a list that still work when another one throws; if they fail later, Node would end
  // the process for it.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'a failure that nobody waited for'));
  try {
    await serve(config, log, closing);
  } catch (error) {
    if (ending) return;
    ending = true;
    await closing.close().catch(() => {});
    exitWith(error, log);
  }
}

/** Runs a command that does one thing. */
export async function doAndExit(
  work: (config: Config, log: Logger, closing: Closing) => Promise<void>,
): Promise<void> {
  const config = configOrExit();
  const log = openLog(config);
  const closing = new Closing();
  try {
    await work(config, log, closing);
    await closing.close();
  } catch (error) {
    await closing.close().catch(() => {});
    exitWith(error, log);
  }
}

/** Listens, or says in one line why it can't. @throws StartFailure */
export async function listening(
  server: { listen(address: Address): Promise<{ port: number }> },
  address: Address,
  variable = 'PORT',
): Promise<number> {
  try {
    return (await server.listen(address)).port;
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    throw cannotListen(error, address, variable);
  }
}

/** Finds out early, before anything is started, that an address can't be listened on. @throws StartFailure */
export async function mustBeFree(address: Address): Promise<void> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen(address.port, address.host, resolve);
    });
  } catch (error) {
    throw cannotListen(error, address);
  } finally {
    probe.close();
  }
}

interface Address {
  host: string;
  port: number;
}

function cannotListen(error: unknown, address: Address, variable = 'PORT'): StartFailure {
  const { code, message } = error as { code?: string; message: string };
  const where = `${address.host}:${address.port}`;
  if (code === 'EADDRINUSE')
    return new StartFailure(`Something listens on ${where} already. Set ${variable} to a free port.`);
  if (code === 'EACCES')
    return new StartFailure(`This user may not listen on ${where}. Set ${variable} to 1024 or more.`);
  return new StartFailure(`Listening on ${where} failed: ${message}. HOST and ${variable} say where.`);
}

/**
 * The metrics that the configuration asks for, told at a port of their own if it asks for that; loaded only then.
 * @throws StartFailure
 */
export async function openMetrics(
  { host, metrics: shown, metricsPort }: Config,
  closing: Closing,
): Promise<Metrics | undefined> {
  if (!shown && metricsPort === undefined) return undefined;
  const { createMetrics, createMetricsServer } = await import('./metrics.ts');
  const metrics = createMetrics();
  if (metricsPort !== undefined) {
    const server = createMetricsServer(metrics);
    const port = await listening(server, { host, port: metricsPort }, 'LAUREL_METRICS_PORT');
    closing.add(() => server.close());
    process.stdout.write(`Metrics are at ${endpointOf(host, port).replace(/graphql$/, 'metrics')}\n`);
  }
  return metrics;
}

/** The traces that the configuration asks for, the last of them sent when the process ends; loaded only then. */
export async function openTracing(
  { traces }: Config,
  log: Logger,
  closing: Closing,
): Promise<Tracing | undefined> {
  if (traces === undefined) return undefined;
  const { createTracing } = await import('./tracing.ts');
  const tracing = await createTracing(traces, log);
  closing.add(() => tracing.close());
  return tracing;
}

/** Where clients on this machine reach a server that listens there. */
export function endpointOf(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}/graphql`;
}

function exitWith(error: unknown, log: Logger): never {
  if (error instanceof StartFailure) console.error(error.message);
  else log.fatal({ err: error }, 'failed');
  process.exit(1);
}
