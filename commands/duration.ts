import { InvalidArgumentError } from 'commander';

// How long something lasts, as it is written on a command line.

const seconds: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Reads `90s`, `15m`, `1h` or `8d`. @param mostDays  the longest that is taken. */
export function duration(mostDays: number): (text: string) => number {
  return (text) => {
    const [, number, unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
    const length = number === undefined ? Number.NaN : Number(number) * (seconds[unit] ?? 0);
    if (length <= mostDays * 86_400) return length;
    throw new InvalidArgumentError(`It is a number with s, m, h or d, up to ${mostDays}d: 90s, 15m, 1h.`);
  };
}

/** Writes seconds the way they are read. */
export function durationText(length: number): string {
  const [unit, size] = Object.entries(seconds).findLast(([, one]) => length >= one && length % one === 0) ?? [
    's',
    1,
  ];
  return `${length / size}${unit}`;
}
