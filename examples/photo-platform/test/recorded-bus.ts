import { EventBusError } from '@shared-infra/event-bus';
import type { PlatformBus } from '../shared/bus.js';

export interface Told {
  type: string;
  data: unknown;
  id: string | undefined;
}

// A bus that keeps what is published, knows repeats by their id, and can be away or refuse a type.
export class RecordedBus implements Pick<PlatformBus, 'publish'> {
  readonly told: Told[] = [];
  isAway = false;
  refuses: string | undefined; // a type

  publish = (async (type: string, data: unknown, options: { id?: string } = {}) => {
    if (this.isAway) throw new EventBusError('timeout', 'the bus is away');
    if (type === this.refuses) throw new EventBusError('forbidden', `${type} is refused`);
    const { id } = options;
    const duplicate = id !== undefined && this.told.some((other) => other.id === id);
    if (!duplicate) this.told.push({ type, data, id });
    return { id: id ?? '', offset: `1.${this.told.length}`, duplicate };
  }) as PlatformBus['publish'];

  types(): string[] {
    return this.told.map(({ type }) => type).filter((type) => type !== 'photo.processing.progress');
  }
}
