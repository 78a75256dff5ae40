// The catalogs of the run, and what the model knows of them: it does not read the YAML back.

export type Receiver = 'owner' | 'watchers' | 'user' | 'role' | 'everyone';

export interface TypeRule {
  /** Top to bottom; a receiver gets the form of the first that names it. */
  readonly audience: readonly Receiver[];
  readonly transient?: true;
  readonly latest?: true;
  /** Only who gets it as a watcher lacks `data.secret`. */
  readonly hidesSecret?: true;
  readonly owns?: 'first' | 'transfer';
  readonly grants?: 'user' | 'role';
  readonly revokes?: 'user' | 'role';
  readonly yaml: string;
}

const photo = 'subject: "photo:{data.photo}"';
const hiding = '{ to: watchers, transform: { omit: [secret] } }';

export const kTypes: Readonly<Record<string, TypeRule>> = {
  'photo.uploaded': { audience: ['owner'], owns: 'first', yaml: `${photo}, owner: "user:{data.user}", audience: [owner]` },
  'photo.moved': { audience: ['owner', 'watchers'], owns: 'transfer', yaml: `${photo}, owner: "user:{data.user}", transfer: true, audience: [owner, watchers]` },
  'photo.shared': { audience: ['watchers'], grants: 'user', yaml: `${photo}, grant: { watch: "user:{data.user}" }, audience: [watchers]` },
  'photo.unshared': { audience: ['watchers'], revokes: 'user', yaml: `${photo}, revoke: { watch: "user:{data.user}" }, audience: [watchers]` },
  'photo.opened': { audience: ['watchers'], grants: 'role', yaml: `${photo}, grant: { watch: "role:{data.role}" }, audience: [watchers]` },
  'photo.closed': { audience: ['watchers'], revokes: 'role', yaml: `${photo}, revoke: { watch: "role:{data.role}" }, audience: [watchers]` },
  'photo.note': { audience: ['owner', 'watchers'], hidesSecret: true, yaml: `${photo}, audience: [owner, ${hiding}]` },
  'photo.draft': { audience: ['watchers', 'owner'], hidesSecret: true, yaml: `${photo}, audience: [${hiding}, owner]` },
  'photo.pulse': { audience: ['owner', 'watchers'], transient: true, yaml: `${photo}, audience: [owner, watchers], durability: transient` },
  'photo.tick': { audience: ['owner', 'watchers'], transient: true, latest: true, yaml: `${photo}, audience: [owner, watchers], durability: transient, latest: true` },
  'note.personal': { audience: ['user'], yaml: 'audience: ["user:{data.user}"]' },
  'note.team': { audience: ['role'], yaml: 'audience: ["role:{data.role}"]' },
  'job.todo': { audience: [], yaml: 'audience: ["role:nobody"]' },
  'job.tick': { audience: [], transient: true, yaml: 'audience: ["role:nobody"], durability: transient' },
  'brief.lived': { audience: [], yaml: 'audience: ["role:nobody"], retain: 2s' },
  'fence.raised': { audience: ['everyone'], yaml: 'audience: [everyone]' },
};

/** `narrow` takes the watchers by permission away, and photos and jobs from every service but `worker`. */
export type CatalogName = 'full' | 'narrow';

export function catalogText(name: CatalogName): string {
  const consume = (type: string): string => (name === 'narrow' && narrowed(type) ? ', consume: [service:worker]' : '');
  const events = Object.entries(kTypes).map(([type, { yaml }]) => `  ${type}: { ${yaml}${consume(type)} }`);
  const watch = name === 'full' ? '[owner, permission, "role:admin"]' : '[owner, "role:admin"]';
  return ['events:', ...events, 'rooms:', `  photo: { watch: ${watch} }`, ''].join('\n');
}

/** Whether the narrow catalog keeps services but `worker` from this type. */
export const narrowed = (type: string): boolean => type.startsWith('photo.') || type.startsWith('job.');

/** Whether a topic that is a type pattern covers a type: `*` is one name, `**` any number of them. */
export function covers(pattern: string, type: string): boolean {
  const source = pattern.split('.').map((part) => (part === '**' ? '.*' : part === '*' ? '[^.]+' : part)).join('\\.');
  return new RegExp(`^${source}$`).test(type);
}

export const isSubject = (topic: string): boolean => topic.includes(':');
