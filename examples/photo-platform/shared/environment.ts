// A setting that the service cannot do without; the message names who sets it otherwise.
export function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; start.mjs sets it, or set it yourself`);
  return value;
}

export function numberFrom(name: string, otherwise: number): number {
  const text = process.env[name];
  if (!text) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name}=${text} is not a whole number`);
  return value;
}

// Runs `stop` once at SIGINT or SIGTERM, then leaves.
export function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false;
  const leave = (): void => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error('could not stop cleanly:', error);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', leave);
  process.on('SIGTERM', leave);
}
