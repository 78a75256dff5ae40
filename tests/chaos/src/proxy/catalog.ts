// The catalog of the run: everybody may watch everything, so that what a subscription is owed is what its topic covers.

export const kCatalog = `events:
  thing.counted: { subject: "thing:{data.thing}", audience: [watchers] }
  thing.noted: { subject: "thing:{data.thing}", audience: [watchers] }
  note.sent: { audience: ["user:{data.user}"] }
  news.told: { audience: [everyone] }
  job.todo: { audience: ["role:nobody"] }
  job.urgent: { audience: ["role:nobody"] }
  fence.raised: { audience: [everyone] }
defaults:
  consume: [service, permission]
rooms:
  thing: { watch: [everyone] }
`;

export const kThings = Array.from({ length: 6 }, (_, at) => `thing:${at}`);
export const kUserPatterns = ['thing.*', 'thing.counted', 'thing.**'];
export const kServicePatterns = [...kUserPatterns, 'job.*', 'job.urgent'];
export const kConsume = ['consume:thing.*'];
