// What bundlers take for pages in place of runtime.ts: a page has no environment, nobody starts it again, and the system tells it nothing.
export function environment(): undefined {}

export function plainly(said: string | undefined): string | undefined {
  return said;
}

export function waitNotFor(): void {}

export function endBy(): void {}
