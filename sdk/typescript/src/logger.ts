/** Where the client says what no listener hears: `console`, or another log, such as pino's or winston's. */
export interface Logger {
  warn(message: string, ...details: unknown[]): void;
  error(message: string, ...details: unknown[]): void;
  /** Each change of the connection. */
  debug?(message: string, ...details: unknown[]): void;
}

/** Looked up at each line, as tests and tools put another `console` in its place. */
export const consoleLogger: Logger = {
  warn: (...said) => console.warn(...said),
  error: (...said) => console.error(...said),
};

export const silentLogger: Logger = { warn: () => {}, error: () => {} };
