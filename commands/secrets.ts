import type { Command } from 'commander';
import type { SecretPurpose, StoredSecret } from '../subgraphs/secret.ts';
import { onDatabase, table } from './database.ts';
import { duration, durationText } from './duration.ts';

// `laurel secrets`: what the processes of one Laurel sign with, and how it is replaced while they run. Values are never
// shown.

const purposes = {
  principal: 'who a subgraph is asked for',
  session: 'access tokens of people',
  cursor: 'cursors of streams',
  file: 'links to files',
} satisfies Record<SecretPurpose, string>;

/** Adds `laurel secrets …`. */
export function addSecretsCommands(program: Command): void {
  const secrets = program
    .command('secrets')
    .description('list what the processes on one database sign with, and replace it while they run');

  secrets
    .command('list')
    .description('list the secrets and what each is doing; their values are never shown')
    .action(() =>
      onDatabase(async ({ sql }) => {
        const { storedSecrets } = await import('../subgraphs/secret.ts');
        process.stdout.write(listed(await storedSecrets(sql)));
      }),
    );

  secrets
    .command('rotate')
    .description('make a new secret; it signs in five seconds, when every process knows it')
    .addArgument(
      program
        .createArgument(
          '<purpose>',
          Object.entries(purposes)
            .map(([name, what]) => `${name} (${what})`)
            .join(', '),
        )
        .choices(Object.keys(purposes)),
    )
    .option(
      '--overlap <duration>',
      'how long what those of before signed is still believed then, up to 30d: 0s, 15m, 8d (default: principal 5m, session 30m, cursor 8d, which nobody notices)',
      duration(30),
    )
    .addHelpText(
      'after',
      `
Shorter overlaps are for secrets that became known. With less than a minute for \`principal\` requests that are
under way may fail, with less than 15m for \`session\` people have to refresh their sessions before it is time, and
with less than 7d for \`cursor\` a stream that is resumed begins with a StreamGap.`,
    )
    .action((purpose: SecretPurpose, { overlap }: { overlap?: number }) =>
      onDatabase(async ({ sql }) => {
        const { rotateSecret, usualOverlapSeconds } = await import('../subgraphs/secret.ts');
        const seconds = overlap ?? usualOverlapSeconds[purpose];
        const stored = await rotateSecret(sql, purpose, seconds);
        process.stderr.write(
          `There is a new secret for ${purposes[purpose]}; those of before are believed for ${durationText(seconds)} once it signs.\n`,
        );
        process.stdout.write(listed(stored));
      }),
    );
}

function listed(stored: readonly StoredSecret[]): string {
  const rows = stored.map((one) => [one.purpose, one.id, one.createdAt.toISOString(), doing(one)]);
  return table([['PURPOSE', 'ID', 'MADE', 'DOES'], ...rows]);
}

function doing({ signs, signsAt, endsAt }: StoredSecret): string {
  const until = endsAt === null ? '' : `, is believed until ${endsAt.toISOString()}`;
  if (signs) return `signs${until}`;
  return signsAt > new Date() ? `signs from ${signsAt.toISOString()}${until}` : until.slice(2);
}
