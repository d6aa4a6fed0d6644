import type { Command } from 'commander';
import { onDatabase, table } from './database.ts';
import { duration, durationText } from './duration.ts';

// `laurel community`: communities beside the demo, and their system keys. A secret is all that goes to standard output,
// so that `KEY=$(laurel community key acme)` gets it; words go to standard error.

export function addCommunityCommands(program: Command): void {
  const community = program
    .command('community')
    .description('make communities, list them, renew their system keys');

  community
    .command('create')
    .description(
      'make a community that holds nothing yet, and print its system key, which is shown this once',
    )
    .requiredOption('--slug <slug>', 'its name in URLs and in x-community: small letters, digits, hyphens')
    .requiredOption('--name <name>', 'its name for people, in English')
    .option('--time-zone <zone>', 'the IANA time zone that its days are counted in', 'UTC')
    .option('--events-add-members', 'events of people whom nobody knows make them members', false)
    .addHelpText(
      'after',
      '\nWhere no Laurel runs and DATABASE_URL is unset, it starts the embedded database.',
    )
    .action((wish: { slug: string; name: string; timeZone: string; eventsAddMembers: boolean }) =>
      onDatabase(async ({ sql }) => {
        const { foundCommunity } = await import('../subgraphs/community/community.ts');
        const { renewSystemKey } = await import('../subgraphs/identity/system-key.ts');
        const now = new Date();
        const { id, slug } = await foundCommunity(sql, wish, now);
        const { secret } = await renewSystemKey(sql, id, 0, now);
        process.stderr.write(`The community "${slug}" is made: ${id}. Its system key, shown this once:\n`);
        process.stdout.write(`${secret}\n`);
      }, true),
    );

  community
    .command('list')
    .description('list the communities, with the part of their system keys that may be shown')
    .action(() =>
      onDatabase(async ({ sql }) => {
        const { allCommunities } = await import('../subgraphs/community/community.ts');
        const { systemKeyOf } = await import('../subgraphs/identity/system-key.ts');
        const rows = [['SLUG', 'ID', 'TIME ZONE', 'SYSTEM KEY', 'LAST USED', 'NAME']];
        for (const { id, slug, timeZone, name } of await allCommunities(sql)) {
          const key = await systemKeyOf(sql, id);
          const shown = key === undefined ? 'none' : `laurel_sys_${key.prefix}_…`;
          const used = key?.lastUsedAt?.toISOString() ?? '-';
          rows.push([slug, id, timeZone, shown, used, name.en ?? Object.values(name)[0] ?? '']);
        }
        process.stdout.write(table(rows));
      }),
    );

  community
    .command('key')
    .description('give a community a new system key and print it; the one of before stops working')
    .argument('<community>', 'its slug or id')
    .option(
      '--overlap <duration>',
      'how long the one of before works on, up to 7d: 90s, 15m, 1h',
      duration(7),
      0,
    )
    .addHelpText('after', "\nThe community's audit says that it was done, and when.")
    .action((named: string, { overlap }: { overlap: number }) =>
      onDatabase(async ({ sql }) => {
        const { communityNamed } = await import('../subgraphs/community/community.ts');
        const { renewSystemKey } = await import('../subgraphs/identity/system-key.ts');
        const { id, slug } = await communityNamed(sql, named);
        const { secret, renewed } = await renewSystemKey(sql, id, overlap, new Date());
        const before = overlap > 0 ? `works on for ${durationText(overlap)}` : 'has stopped working';
        const told = renewed ? `new system key; the one of before ${before}` : 'first system key';
        process.stderr.write(`The community "${slug}" has its ${told}. It is shown this once:\n`);
        process.stdout.write(`${secret}\n`);
      }),
    );
}
