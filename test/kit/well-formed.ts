// What every GraphQL response is, whatever was asked.
// https://spec.graphql.org/draft/#sec-Response-Format

/** What is wrong with a response; empty when nothing is. */
export function flawsOf(json: string): string[] {
  const response = JSON.parse(json) as Record<string, unknown>;
  if (!isObject(response)) return ['It is no object.'];
  const flaws: string[] = [];
  const { data, errors } = response;
  const others = Object.keys(response).filter((key) => !['data', 'errors', 'extensions'].includes(key));
  if (others.length > 0) flaws.push(`It has "${others.join('", "')}".`);
  if (data === undefined && errors === undefined) flaws.push('It has neither data nor errors.');
  if (data !== undefined && data !== null && !isObject(data)) flaws.push('Its data is no object.');
  if (errors === undefined) return flaws;
  if (!Array.isArray(errors) || errors.length === 0) return [...flaws, 'Its errors are no list, or empty.'];
  for (const error of errors) {
    if (!isObject(error)) {
      flaws.push('An error is no object.');
      continue;
    }
    const { message, locations, path, extensions } = error;
    if (typeof message !== 'string' || message === '') flaws.push('An error has no message.');
    if (locations !== undefined && !isListOf(locations, isLocation))
      flaws.push('An error has odd locations.');
    if (path !== undefined && !isListOf(path, isStep)) flaws.push('An error has an odd path.');
    if (path !== undefined && data === undefined) flaws.push('An error has a path without data.');
    const code = isObject(extensions) ? extensions.code : undefined;
    if (typeof code !== 'string') flaws.push(`An error has no code: ${message}`);
    if (code === 'INTERNAL' || code === 'PLANNING_FAILED')
      flaws.push(`An error is ours: ${code}, ${message}`);
  }
  return flaws;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isLocation(value: unknown): boolean {
  return isObject(value) && Number(value.line) > 0 && Number(value.column) > 0;
}

function isStep(value: unknown): boolean {
  return typeof value === 'string' || (Number.isInteger(value) && Number(value) >= 0);
}
