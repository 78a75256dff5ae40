/** Where in the log an offset or a place lies (docs/wire.md, Offsets); one of no known form: before all. */
export function positionOf(offset: string): number {
  const position = Number(offset.slice(offset.lastIndexOf('.') + 1));
  return Number.isInteger(position) ? position : -1;
}
