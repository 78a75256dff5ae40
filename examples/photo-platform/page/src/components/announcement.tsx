import { useState } from 'preact/hooks';
import type { Desk } from '../desk.js';
import { clock } from '../format.js';

export function Announcement({ desk }: { desk: Desk }) {
  const [dismissed, setDismissed] = useState<string>();
  const announcement = desk.announcement.value;
  return (
    <div role="status">
      {announcement && announcement.at !== dismissed && (
        <div class="announcement">
          <p>
            <strong>{announcement.message}</strong>{' '}
            <span>
              {announcement.announcedBy}, {clock(announcement.at)}
            </span>
          </p>
          <button
            type="button"
            class="icon-button"
            aria-label="Dismiss the announcement"
            onClick={() => setDismissed(announcement.at)}
          >
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="m6 6 12 12M18 6 6 18" />
            </svg>
          </button>
        </div>
      )}
    </div>
  );
}
