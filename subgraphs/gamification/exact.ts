// Decimal numbers that stay exact: `Decimal` is text, here it is counted in its smallest step.

const places = 10;
const one = 10n ** BigInt(places);

/** `"12.5"` in steps of 10^-10. */
export function stepsOf(decimal: string): bigint {
  const [, sign = '', whole = '0', part = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(decimal) ?? [];
  const steps = BigInt(whole) * one + BigInt(part.padEnd(places, '0').slice(0, places));
  return sign === '-' ? -steps : steps;
}

const whole = /^-?\d+$/;

/** The product of two decimals as a whole number; what is less than one is dropped. */
export function wholeProduct(decimal: string, times: string): bigint {
  if (whole.test(decimal) && whole.test(times)) return BigInt(decimal) * BigInt(times);
  return (stepsOf(decimal) * stepsOf(times)) / (one * one);
}

/** Whether two decimals, each of which may be absent, are the same number: `"12.5"` is `"12.50"`. */
export function sameDecimal(a: string | null, b: string | null): boolean {
  return a === null || b === null ? a === b : stepsOf(a) === stepsOf(b);
}

/** JSON with amounts as text, which has all their digits. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? String(inner) : inner));
}
