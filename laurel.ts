import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Logger } from 'pino';
import { addCommunityCommands } from './commands/community.ts';
import { addSecretsCommands } from './commands/secrets.ts';
import type { Config } from './gateway/config.ts';
import {
  type Closing,
  doAndExit,
  endpointOf,
  listening,
  openMetrics,
  openTracing,
  serveUntilTold,
} from './gateway/process.ts';
import { subgraphNames, subgraphUrls } from './subgraphs/names.ts';
import { StartFailure } from './subgraphs/start-failure.ts';

// The command line: which process is started, and of what it is made. A command loads its parts when it runs, so that
// help is quick.

const program = new Command('laurel')
  .description('One GraphQL graph over a community and its game.')
  .version('0.1.0')
  .showHelpAfterError('(add --help for help)')
  .addHelpText(
    'after',
    '\nVariables: PORT, HOST, LAUREL_DATA, DATABASE_URL and more; README.md has the table.',
  );

program
  .command('start')
  .description('serve gateway, four subgraphs and, unless DATABASE_URL is set, the database from one process')
  .action(() =>
    serveUntilTold(async (...parts) => {
      const { start } = await import('./gateway/index.ts');
      await start(...parts);
    }),
  );

program
  .command('db')
  .description(
    'run the embedded PostgreSQL alone, for subgraphs and gateways that are processes of their own',
  )
  .action(() =>
    serveUntilTold(async (config, _log, closing) => {
      if (config.databaseUrl !== undefined)
        throw new StartFailure('DATABASE_URL is set, so there is no database to run.');
      const { startDatabase } = await import('./gateway/index.ts');
      const { migrated, reach } = await import('./subgraphs/store.ts');
      const url = await startDatabase(config, closing);
      const sql = await reach(url);
      await migrated(sql);
      await sql.end();
      process.stdout.write(
        `The database is ready. Its URL is in ${join(config.dataFolder, 'database.url')}\n`,
      );
    }),
  );

program
  .command('gateway')
  .description(
    'serve a composed supergraph, ours or any other, whose subgraphs answer at its join__Graph URLs',
  )
  .requiredOption('--supergraph <file>', 'the supergraph SDL')
  .option('--port <number>', 'the port to listen on; PORT when absent', port)
  .addOption(
    new Option('--auth <kind>', "who may call: the holders of Laurel's keys, or everybody")
      .choices(['laurel', 'none'])
      .default('laurel'),
  )
  .action((options: { supergraph: string; port?: number; auth: 'laurel' | 'none' }) =>
    serveUntilTold(async (config, log, closing) => {
      const { openApollo } = await import('./gateway/apollo.ts');
      const { createGateway } = await import('./gateway/gateway.ts');
      const { openPast } = await import('./gateway/past.ts');
      const { documentsOf } = await import('./gateway/persisted.ts');
      const { keepReloaded } = await import('./gateway/reload.ts');
      const supergraph = await readText(options.supergraph);
      const documents = await documentsOf(config);
      const apollo = await openApollo(config, log);
      const metrics = await openMetrics(config, closing);
      const tracing = await openTracing(config, log, closing);
      const sign = options.auth === 'none' ? undefined : await signer(config, log, closing);
      const { auth } = options;
      const build = {
        supergraph,
        auth,
        config,
        documents,
        apollo,
        metrics,
        tracing,
        past: openPast(log, join(config.dataFolder, 'supergraphs')),
        log,
        ...(sign === undefined ? {} : { sign }),
      };
      const gateway = orStartFailure(
        () => createGateway(build),
        `The supergraph ${options.supergraph} can't be served`,
      );
      closing.add(() => gateway.close());
      const bound = await listening(gateway, { host: config.host, port: options.port ?? config.port });
      process.stdout.write(`Laurel's gateway is ready at ${endpointOf(config.host, bound)}\n`);
      const reload = keepReloaded({
        file: options.supergraph,
        text: supergraph,
        replace: (text) => gateway.replace(text),
        log,
        replaced: () => process.stdout.write(`The new supergraph ${options.supergraph} is served\n`),
      });
      closing.add(async () => reload.stop());
      process.on('SIGHUP', () => void reload.now());
    }),
  );

program
  .command('subgraph')
  .description('serve one subgraph by itself')
  .addArgument(program.createArgument('<name>', 'which one').choices(subgraphNames))
  .option('--port <number>', 'the port to listen on; the one of `laurel compose` when absent', port)
  .option(
    '--standalone <community>',
    'believe every caller to hold the system key of this community (an id); for development',
  )
  .action((name: string, options: { port?: number; standalone?: string }) =>
    serveUntilTold(async (config, log, closing) => {
      const { subgraphs } = await import('./subgraphs/index.ts');
      const { databaseUrlFor, openStore, reach } = await import('./subgraphs/store.ts');
      const { createSubgraphServer } = await import('./subgraphs/serve.ts');
      const subgraph = subgraphs.find((one) => one.name === name);
      if (subgraph === undefined) throw new StartFailure(`There is no subgraph "${name}".`);
      const sql = await reach(await databaseUrlFor(config));
      closing.add(() => sql.end({ timeout: 5 }));
      const store = await openStore(sql, config, (error) =>
        log.error({ err: error }, 'the log could not be read'),
      );
      closing.add(store.close);
      const alone = options.standalone !== undefined;
      const server = await createSubgraphServer({
        subgraph,
        resources: store.resources,
        log,
        keys: alone ? undefined : store.secrets.of('principal'),
        communityId: options.standalone,
      });
      closing.add(() => server.close());
      const usual = Number(new URL(subgraphUrls[name] ?? '').port);
      const bound = await listening(server, { host: config.host, port: options.port ?? usual });
      store.resources.files.servedAt(new URL(endpointOf(config.host, bound)).origin);
      process.stdout.write(`Laurel's subgraph ${name} is ready at ${endpointOf(config.host, bound)}\n`);
    }),
  );

addCommunityCommands(program);
addSecretsCommands(program);

program
  .command('compose')
  .description("compose the four subgraphs and the gateway's own into a supergraph")
  .option('--out <file>', 'where to write the supergraph SDL')
  .option('--url <name=url>', 'where a subgraph answers; once for each', subgraphUrl, { ...subgraphUrls })
  .option(
    '--schema <folder>',
    'write every printed schema to a folder: subgraphs, supergraph and what clients see',
  )
  .option('--readme <file>', 'print the tables of a README anew')
  .action((options: { out?: string; url: Record<string, string>; schema?: string; readme?: string }) =>
    doAndExit(async () => {
      if (options.out === undefined && options.schema === undefined && options.readme === undefined) {
        throw new StartFailure('Say where to write: `laurel compose --out supergraph.graphql`.');
      }
      if (options.out !== undefined) {
        const { laurelSupergraph } = await import('./gateway/schema.ts');
        await writeWhole(options.out, laurelSupergraph(options.url));
      }
      if (options.schema !== undefined) {
        const { schemaFiles } = await import('./gateway/schema.ts');
        const { schema } = options;
        for (const [file, text] of Object.entries(schemaFiles())) await writeWhole(join(schema, file), text);
      }
      if (options.readme !== undefined) {
        const { withTables } = await import('./gateway/docs.ts');
        await writeWhole(options.readme, withTables(await readText(options.readme)));
      }
    }),
  );

program
  .command('check')
  .description(
    'list what a new schema breaks for clients of an old one; exits with 1 when it breaks something',
  )
  .argument('<old>', 'a supergraph, or any SDL')
  .argument('<new>', 'the one that would replace it')
  .action((older: string, newer: string) =>
    doAndExit(async () => {
      const { changesBetween, changesText, schemaOf } = await import('./gateway/check.ts');
      const [before, after] = await Promise.all(
        [older, newer].map(async (file) => {
          const sdl = await readText(file);
          return orStartFailure(() => schemaOf(sdl), `The file ${file} is no schema`);
        }),
      );
      if (before === undefined || after === undefined) return;
      const changes = await changesBetween(before, after);
      process.stdout.write(changesText(changes));
      if (changes.breaking.length > 0) process.exitCode = 1;
    }),
  );

program
  .command('migrate')
  .description('bring the database to the schema of this version')
  .action(() =>
    doAndExit(async (config, _log, closing) => {
      const { databaseUrlFor, migrated, reach } = await import('./subgraphs/store.ts');
      const sql = await reach(await databaseUrlFor(config));
      closing.add(() => sql.end({ timeout: 5 }));
      const ran = await migrated(sql);
      process.stdout.write(ran.length === 0 ? 'Nothing to migrate.\n' : `Migrated: ${ran.join(', ')}\n`);
    }),
  );

program
  .command('demo')
  .description('load the demo community, or what of it is missing, and write demo.json')
  .option('--new-keys', 'give it new keys; those of before stop working')
  .action((options: { newKeys?: true }) =>
    doAndExit(async (config, log, closing) => {
      const { readDemo, writeDemo } = await import('./gateway/index.ts');
      const { keysWork, loadDemo } = await import('./subgraphs/index.ts');
      const { databaseUrlFor, openStore, reach } = await import('./subgraphs/store.ts');
      const sql = await reach(await databaseUrlFor(config));
      closing.add(() => sql.end({ timeout: 5 }));
      const store = await openStore(sql, config, (error) =>
        log.error({ err: error }, 'the log could not be read'),
      );
      closing.add(store.close);
      const known = await readDemo(config.dataFolder);
      const kept = known !== undefined && options.newKeys !== true && (await keysWork(sql, known));
      const demo = await loadDemo(store.resources, kept ? known : undefined);
      await writeDemo(config.dataFolder, endpointOf(config.host, config.port), demo);
      const keys = kept ? 'Its keys are those it had' : 'It has new keys; any of before stopped working';
      process.stdout.write(
        `The demo is loaded. ${keys}: ids and keys are in ${join(config.dataFolder, 'demo.json')}\n`,
      );
    }),
  );

program
  .command('verify')
  .description(
    'prove that balances, counts, days and levels are what entries and events sum up to; exits with 1 when not',
  )
  .action(() =>
    doAndExit(async (config, _log, closing) => {
      const { verifiable } = await import('./subgraphs/index.ts');
      const { databaseUrlFor, reach } = await import('./subgraphs/store.ts');
      const { verify } = await import('./subgraphs/verify.ts');
      const { schemaProblem } = await import('./subgraphs/db.ts');
      const sql = await reach(await databaseUrlFor(config));
      closing.add(() => sql.end({ timeout: 5 }));
      const problem = await schemaProblem(sql);
      if (problem !== undefined) throw new StartFailure(problem);
      let shown = Date.now();
      const { communities, discrepancies } = await verify(sql, verifiable, {
        onProgress: (done, all) => {
          if (Date.now() - shown < 5_000 || done === all) return;
          shown = Date.now();
          process.stderr.write(`${done} of ${all} communities verified\n`);
        },
      });
      for (const { communityId, check, where, kept, counted } of discrepancies)
        process.stdout.write(`${communityId}: ${check}: ${where}: kept ${kept}, counted ${counted}\n`);
      const said = discrepancies.length === 0 ? 'everything adds up' : 'not everything adds up';
      process.stdout.write(`${communities} communities verified: ${said}.\n`);
      if (discrepancies.length > 0) process.exitCode = 1;
    }),
  );

/** Signs principals with the secret that all processes on one database share. */
async function signer(config: Config, log: Logger, closing: Closing) {
  const { databaseUrlFor, reach } = await import('./subgraphs/store.ts');
  const { openSecrets } = await import('./subgraphs/secret.ts');
  const { principalSigner } = await import('./subgraphs/principal.ts');
  const sql = await reach(await databaseUrlFor(config));
  closing.add(() => sql.end({ timeout: 5 }));
  const secrets = await openSecrets(sql, (error) => log.error({ err: error }, 'secrets could not be read'));
  closing.add(() => secrets.close());
  return principalSigner(secrets.of('principal'));
}

function port(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) return number;
  throw new InvalidArgumentError('It is a whole number from 0 to 65535.');
}

function subgraphUrl(text: string, urls: Record<string, string>): Record<string, string> {
  const [name = '', ...rest] = text.split('=');
  const url = rest.join('=');
  if ((subgraphNames as readonly string[]).includes(name) && URL.canParse(url))
    return { ...urls, [name]: url };
  throw new InvalidArgumentError(`It is <name>=<url>, with one of the names ${subgraphNames.join(', ')}.`);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new StartFailure(`The file ${file} can't be read: ${(error as Error).message}.`);
  }
}

/** Writes beside the file and renames, so that whoever reads it meanwhile reads all of it. */
async function writeWhole(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.part`, text);
    await rename(`${file}.part`, file);
  } catch (error) {
    throw new StartFailure(`The file ${file} can't be written: ${(error as Error).message}.`);
  }
}

function orStartFailure<T>(make: () => T, what: string): T {
  try {
    return make();
  } catch (error) {
    throw new StartFailure(`${what}: ${(error as Error).message}`);
  }
}

await program.parseAsync();
