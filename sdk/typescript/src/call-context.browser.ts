// What bundlers take for pages in place of call-context.ts: browsers have none that knows it over awaits.
export { untilFirstAwait as callContext } from './until-first-await.js';
