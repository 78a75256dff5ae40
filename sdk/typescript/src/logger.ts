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

/** `logger`; what it throws or rejects with, and what it should have said then, goes to the console. */
export function harmless(logger: Logger): Logger {
  const say = (level: keyof Logger) => async (...said: [string, ...unknown[]]): Promise<void> => {
    try {
      await logger[level]!(...said);
    } catch (thrown) {
      consoleLogger.error('eventbus: the logger failed', thrown, ...said);
    }
  };
  return { warn: say('warn'), error: say('error'), ...(logger.debug && { debug: say('debug') }) };
}
