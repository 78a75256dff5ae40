import { createEventBus, type ConnectionState } from '@shared-infra/event-bus';

// A page as bare as can be: what it heard is kept over its reloads.
const query = new URLSearchParams(location.search);
const heard: number[] = JSON.parse(sessionStorage.getItem('heard') ?? '[]');
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

export interface TabPage {
  heard: number[];
  states: ConnectionState[];
  bus: typeof bus;
}
Object.assign(globalThis, { heard, states, bus } satisfies TabPage);
