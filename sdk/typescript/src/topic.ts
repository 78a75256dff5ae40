/** Whether `topic` names a thing (`photo:123`) and not types of events (`photo.uploaded`, `photo.*`). */
export function isSubject(topic: string): boolean {
  return topic.includes(':');
}

/** Whether a type pattern covers `type`: `*` is one segment, `**` any number of them, none included. */
export function coversType(pattern: string, type: string): boolean {
  if (pattern === type || pattern === '**') return true;
  return pattern.includes('*') && coversSegments(pattern.split('.'), type.split('.'));
}

/** Whether an event is one of `topic`'s. */
export function coversEvent(topic: string, event: { readonly type: string; readonly subject?: string }): boolean {
  return isSubject(topic) ? topic === event.subject : coversType(topic, event.type);
}

function coversSegments(pattern: readonly string[], type: readonly string[]): boolean {
  const [first, ...others] = pattern;
  const [segment, ...rest] = type;
  if (first === '**' && coversSegments(others, type)) return true;
  if (segment === undefined || first === undefined) return segment === first;
  return first === '**' ? coversSegments(pattern, rest) : (first === '*' || first === segment) && coversSegments(others, rest);
}

/** As `coversType`, for the type checker. */
export type Covers<Pattern extends string, Type extends string> = Pattern extends '**' | Type
  ? true
  : string extends Pattern
  ? true // known at run time only: `photo.${kind}` may be any that begins so
  : Pattern extends `${infer P}.${infer PatternRest}`
    ? string extends P
      ? true
      : P extends '**'
      ? true // a `**` before the end is rare: the checker then promises no less than arrives
      : Type extends `${infer T}.${infer TypeRest}`
        ? P extends '*' | T
          ? Covers<PatternRest, TypeRest>
          : false
        : PatternRest extends '**'
          ? P extends '*' | Type
            ? true
            : false
          : false
    : Pattern extends '*'
      ? Type extends `${string}.${string}`
        ? false
        : true
      : false;
