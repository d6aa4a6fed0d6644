// Where a value stands in the response, kept as a chain from the leaf up: it costs one small object for each object or
// list walked, and is unrolled only when something went wrong.

export interface Place {
  readonly up: Place | undefined;
  readonly key: string | number;
}

export type Path = (string | number)[];

export function pathOf(place: Place | undefined): Path {
  const path: Path = [];
  for (let at = place; at; at = at.up) path.push(at.key);
  return path.reverse();
}
