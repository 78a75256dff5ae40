/** What tells when there is a reason to try now. */
export interface Stirs {
  listen(): void;
  end(): void;
}

/** Calls `onStir` while it listens: the network is back, or somebody looks at the page again. In Node there is neither. */
export function stirsOf(onStir: () => void): Stirs {
  const onVisible = () => {
    if (globalThis.document.visibilityState === 'visible') onStir();
  };
  return {
    listen() {
      globalThis.addEventListener?.('online', onStir);
      globalThis.document?.addEventListener('visibilitychange', onVisible);
    },
    end() {
      globalThis.removeEventListener?.('online', onStir);
      globalThis.document?.removeEventListener('visibilitychange', onVisible);
    },
  };
}
