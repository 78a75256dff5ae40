import type { PlatformBus } from './bus.js';
import type { ComponentStatus } from './events.js';

export const HEALTH_EVERY_MS = 5_000;

export interface Health {
  status: ComponentStatus;
  detail: string;
}

// Tells admins every few seconds how this component is. A report that does not get through is not
// repeated: silence says more, and the next one is due.
export function reportHealth(bus: PlatformBus, component: string, look: () => Promise<Health>): () => void {
  const report = async (): Promise<void> => {
    const health = await look();
    await bus.publish('system.health.update', { component, ...health, everyMs: HEALTH_EVERY_MS });
  };
  let underWay = false;
  const timer = setInterval(() => {
    if (underWay) return;
    underWay = true;
    report()
      .catch(() => undefined)
      .finally(() => (underWay = false));
  }, HEALTH_EVERY_MS);
  return () => clearInterval(timer);
}

export function ownMemory(): string {
  return `${Math.round(process.memoryUsage.rss() / 1_048_576)} MB`;
}
