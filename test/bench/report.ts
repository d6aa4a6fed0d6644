// Measurements -> the table.

/** One gateway in one scenario, by the medians of its rounds. */
export interface Measured {
  scenario: string;
  gateway: string;
  bytes: number;
  /** Requests a second over one connection, and over ten. */
  single: number;
  many: number;
  /** Of the gateway's process for one request, over ten connections. */
  cpuMs: number;
}

export interface Roles {
  /** What others are compared with. */
  base: string;
  ceiling: string;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A Markdown table. */
export function tableOf(measured: readonly Measured[], { base, ceiling }: Roles): string {
  const lines = [
    '| scenario | gateway | req/s, 1 conn. | req/s, 10 conn. | CPU ms/req | × Apollo: 1, 10, CPU | of the ceiling: 1, 10, CPU |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: |',
  ];
  for (const row of measured) {
    const of = (gateway: string) =>
      measured.find((other) => other.scenario === row.scenario && other.gateway === gateway);
    const label = row === measured.find(({ scenario }) => scenario === row.scenario);
    lines.push(
      `| ${label ? `${row.scenario} (${size(row.bytes)})` : ''} | ${row.gateway} | ${number(row.single)} | ${number(row.many)} | ${row.cpuMs.toFixed(2)} | ${ratios(row, of(base))} | ${ratios(row, of(ceiling))} |`,
    );
  }
  return lines.join('\n');
}

function ratios(row: Measured, other: Measured | undefined): string {
  if (other === undefined) return '';
  // More is better everywhere: CPU as requests for the same time.
  const parts = [row.single / other.single, row.many / other.many, other.cpuMs / row.cpuMs];
  return parts.map((ratio) => ratio.toFixed(ratio < 10 ? 2 : 1)).join(', ');
}

function size(bytes: number): string {
  return bytes < 1_000 ? `${bytes} B` : `${(bytes / 1_000).toFixed(bytes < 10_000 ? 1 : 0)} KB`;
}

function number(value: number): string {
  return value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en-US');
}
