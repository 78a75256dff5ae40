/** Where in the log an offset or a place lies (docs/wire.md, Offsets); none: before all. */
export function positionOf(offset: string): number {
  const position = Number(offset.slice(offset.lastIndexOf('.') + 1));
  return Number.isInteger(position) ? position : -1;
}
