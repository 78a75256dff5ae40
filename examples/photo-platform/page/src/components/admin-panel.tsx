import { useEffect, useState } from 'preact/hooks';
import type { RefusedView } from '../../../shared/views.js';
import { messageOf } from '../api.js';
import type { Desk, HealthReport } from '../desk.js';

const MESSAGE_MAX = 280;
const SILENT_AFTER_REPORTS = 3;

// What admins alone are told and may do.
export function AdminPanel({ desk }: { desk: Desk }) {
  const now = useNow();
  const reports = [...desk.health.value.values()].sort((a, b) => a.component.localeCompare(b.component));
  return (
    <section class="admin" aria-label="System">
      <div class="admin-health">
        <h2>System</h2>
        {reports.length === 0 && (
          <p class="muted">Waiting for the first report; each service sends one every few seconds.</p>
        )}
        <ul class="health-list">
          {reports.map((report) => (
            <HealthItem key={report.component} report={report} now={now} />
          ))}
        </ul>
        <RefusedEvents desk={desk} />
      </div>
      <AnnouncementForm desk={desk} />
    </section>
  );
}

function HealthItem({ report, now }: { report: HealthReport; now: number }) {
  const silentMs = now - report.heardAt;
  const isSilent = silentMs > SILENT_AFTER_REPORTS * report.everyMs;
  const status = isSilent ? 'silent' : report.status;
  const seconds = Math.max(0, Math.round(silentMs / 1000));
  return (
    <li class={`health health-${status}`} data-component={report.component}>
      <strong>
        <span class="badge-dot" aria-hidden="true" />
        {report.component} <span class="health-status">{status}</span>
      </strong>
      <span>{report.detail}</span>
      <span class="muted">{seconds < 2 ? 'heard just now' : `heard ${seconds} s ago`}</span>
    </li>
  );
}

// What the bus refused for good. Asked for anew with each report of the API, which says how many there are.
function RefusedEvents({ desk }: { desk: Desk }) {
  const [events, setEvents] = useState<RefusedView[]>([]);
  const report = desk.health.value.get('api');
  const load = (): Promise<void> => desk.api.refused().then(setEvents, () => undefined);
  useEffect(() => void load(), [report]);
  const act = (what: Promise<unknown>): Promise<void> =>
    what.catch((error: unknown) => desk.notify('bad', messageOf(error))).then(load);
  const resend = async (id: string): Promise<void> => {
    const { announced } = await desk.api.resend(id);
    if (announced !== 'now') desk.notify('bad', announced === 'later' ? 'It waits for the bus.' : 'Refused again.');
  };

  if (events.length === 0) return null;
  return (
    <section aria-label="Refused events">
      <h3>Refused by the event bus</h3>
      <ul class="refused">
        {events.map(({ id, type, message, at }) => (
          <li key={id} title={`${id}, ${at}`}>
            <strong>{type}</strong>
            <span class="muted">{message}</span>
            <button type="button" class="quiet-button" onClick={() => void act(resend(id))}>
              Send again
            </button>
            <button type="button" class="quiet-button" onClick={() => void act(desk.api.dismiss(id))}>
              Dismiss
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function AnnouncementForm({ desk }: { desk: Desk }) {
  const [message, setMessage] = useState('');
  const [isSending, setSending] = useState(false);
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setSending(true);
    try {
      await desk.api.announce(message);
      setMessage('');
    } catch (error) {
      desk.notify('bad', messageOf(error));
    } finally {
      setSending(false);
    }
  };
  return (
    <form class="announce" onSubmit={send}>
      <label for="announcement">Tell everyone who is here</label>
      <div class="link-row">
        <input
          id="announcement"
          type="text"
          required
          maxLength={MESSAGE_MAX}
          placeholder="The darkroom closes at ten tonight"
          value={message}
          onInput={(event) => setMessage(event.currentTarget.value)}
        />
        <button type="submit" class="button" disabled={isSending}>
          Announce
        </button>
      </div>
    </form>
  );
}

function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
