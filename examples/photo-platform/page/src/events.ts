import type { PlatformEvents } from '../../shared/events.js';

// An event as the page looks at it.
export type PlatformEvent = {
  [Type in keyof PlatformEvents]: {
    readonly id: string;
    readonly type: Type;
    readonly subject?: string;
    readonly time: string;
    readonly data: PlatformEvents[Type];
  };
}[keyof PlatformEvents];
