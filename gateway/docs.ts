import { errorCatalogue } from '../subgraphs/errors.ts';
import { personScopes, type Scope, scopes } from '../subgraphs/scopes.ts';
import { describedVariables } from './config.ts';

// The README's tables, printed from what the program itself reads: between `<!-- name -->` and `<!-- /name -->`.

/** The README with its tables as they are now. */
export function withTables(readme: string): string {
  let text = readme;
  for (const [name, rows] of Object.entries(tables())) {
    text = text.replace(
      new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`),
      (_all, begin: string, end: string) => `${begin}${table(rows)}${end}`,
    );
  }
  return text;
}

function tables(): Record<string, string[][]> {
  return {
    configuration: [
      ['variable', 'default', 'meaning'],
      ...describedVariables().map(({ name, default: value, meaning }) => [
        code(name),
        value && code(value),
        meaning,
      ]),
    ],
    scopes: [
      ['scope', 'what it allows', 'in a session unless it says otherwise'],
      ...Object.entries(scopes).map(([scope, meaning]) => [
        code(scope),
        meaning,
        personScopes.includes(scope as Scope) ? 'yes' : '',
      ]),
    ],
    errors: [
      ['code', 'where', 'meaning'],
      ...Object.entries(errorCatalogue).map(([name, { meaning, place }]) => [
        code(name),
        place === 'payload' ? '`userErrors`, or `errors` of a query' : '`errors`',
        meaning,
      ]),
    ],
  };
}

function table([head = [], ...rows]: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |\n`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('');
}

function code(text: string): string {
  return `\`${text}\``;
}
