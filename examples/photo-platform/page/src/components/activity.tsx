import type { PlatformEvent } from '../events.js';
import { clock } from '../format.js';

// The last events as they came over the bus: what everything else on this page is made of.
export function Activity({ events }: { events: readonly PlatformEvent[] }) {
  return (
    <details class="activity">
      <summary>
        On the bus <span class="muted">{events.length === 0 ? 'nothing yet' : events[0]!.type}</span>
      </summary>
      <ol class="activity-list">
        {events.map((event) => (
          <li key={event.id}>
            <time dateTime={event.time}>{clock(event.time)}</time>
            <span class="activity-type">{event.type}</span>
            <span class="activity-detail">{detailOf(event)}</span>
          </li>
        ))}
      </ol>
    </details>
  );
}

function detailOf(event: PlatformEvent): string {
  switch (event.type) {
    case 'photo.uploaded':
      return event.data.filename;
    case 'photo.processing.progress':
      return `${event.data.progress} % ${event.data.currentStage}`;
    case 'photo.processing.completed':
      return `${event.data.thumbnails.length} thumbnails`;
    case 'photo.processing.failed':
      return event.data.error;
    case 'photo.shared':
    case 'photo.unshared':
      return `${event.data.filename}, ${event.data.sharedWith}`;
    case 'batch.processing.completed':
      return `${event.data.completed} of ${event.data.total}`;
    case 'system.health.update':
      return `${event.data.component}: ${event.data.status}`;
    case 'system.announcement':
      return event.data.message;
    default:
      return event.subject ?? '';
  }
}
