import { createEventBus, type ConnectionState } from '@shared-infra/event-bus';

// A page as bare as can be: what it heard is kept over its reloads.
const query = new URLSearchParams(location.search);
const heard = kept('heard');
const watched = [kept('first'), kept('second')];
const states: ConnectionState[] = [];

const bus = createEventBus({
  url: query.get('bus')!,
  token: query.get('token')!,
  shareTabs: query.has('share'),
  socketOptions: query.has('polling') ? { transports: ['polling'] } : {},
});
bus.onState((state) => states.push(state));
bus.onGap((gap) => heard.push(-1, Number(gap.to.split('.')[1])));
bus.on('photo.uploaded', (event) => {
  heard.push(Number(event.photoId));
  sessionStorage.setItem('heard', JSON.stringify(heard));
});
const watching = query.has('watch') ? watch() : undefined;

// By two handlers, the second of which comes when the first is confirmed.
async function watch(): Promise<void> {
  for (const [at, name] of ['first', 'second'].entries()) {
    await bus.subscribe(`photo:${query.get('watch')!}`, (event) => {
      watched[at]!.push(Number(event.data['n']));
      sessionStorage.setItem(name, JSON.stringify(watched[at]));
    });
  }
}

function kept(name: string): number[] {
  return JSON.parse(sessionStorage.getItem(name) ?? '[]');
}

export interface TabPage {
  heard: number[];
  watched: number[][];
  watching: Promise<void> | undefined;
  states: ConnectionState[];
  bus: typeof bus;
}
Object.assign(globalThis, { heard, watched, watching, states, bus } satisfies TabPage);
