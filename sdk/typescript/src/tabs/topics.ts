const kSeparator = '\n'; // no id of a tab has one

interface Topic {
  readonly holders: Map<string, Holder>;
  isAtServer: boolean; // the server may hold it
}

interface Holder {
  pending: number;
  isConfirmed: boolean;
}

/**
 * Which tabs hold which topics of the one session: the server is told of the end of a topic by the last of them only.
 * A tab holds a topic from when it asks, so that nobody ends what it is about to be given.
 */
export class Topics {
  #topics = new Map<string, Topic>();

  /** The session is a new one: nothing is held. */
  clear(): void {
    this.#topics = new Map();
  }

  /** The server ended it. A tab that asks for it at the moment has an answer of its own. */
  ended(name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    topic.isAtServer = false;
    for (const [key, holder] of topic.holders) {
      holder.isConfirmed = false;
      if (holder.pending === 0) topic.holders.delete(key);
    }
    if (topic.holders.size === 0) this.#topics.delete(name);
  }

  /** `tab` asks for a topic. Returns what to call with the answer: true if it is now to be ended at the server. */
  ask(name: string, tab: string, group: unknown): (answer: 'ok' | 'refused' | 'unknown') => boolean {
    const topics = this.#topics;
    const topic = topics.get(name) ?? { holders: new Map<string, Holder>(), isAtServer: false };
    topics.set(name, topic);
    const key = keyOf(tab, group);
    const holder = topic.holders.get(key) ?? { pending: 0, isConfirmed: false };
    topic.holders.set(key, holder);
    ++holder.pending;
    return (answer) => {
      if (topics !== this.#topics) return false; // another session's
      --holder.pending;
      if (answer === 'ok') holder.isConfirmed = true;
      if (answer !== 'refused') topic.isAtServer = true;
      if (!holder.isConfirmed && holder.pending === 0 && topic.holders.get(key) === holder) topic.holders.delete(key);
      return answer === 'refused' && this.#endIfUnused(name, topic);
    };
  }

  /** `tab` holds it no longer. True: nor does anybody else, so the server is to be told. */
  release(name: string, tab: string, group: unknown): boolean {
    const topic = this.#topics.get(name);
    if (topic === undefined) return true;
    topic.holders.delete(keyOf(tab, group));
    if (topic.holders.size > 0) return false;
    this.#topics.delete(name);
    return true;
  }

  /** Takes a tab off. Returns the topics that nobody holds any more. */
  gone(tab: string): string[] {
    const ended: string[] = [];
    for (const [name, topic] of this.#topics) {
      for (const key of topic.holders.keys()) if (key.startsWith(tab + kSeparator)) topic.holders.delete(key);
      if (topic.holders.size > 0) continue;
      this.#topics.delete(name);
      ended.push(name);
    }
    return ended;
  }

  #endIfUnused(name: string, topic: Topic): boolean {
    if (topic.holders.size > 0 || this.#topics.get(name) !== topic) return false;
    this.#topics.delete(name);
    return topic.isAtServer;
  }
}

// A user's group is nothing to the server, but it is part of what the tab will unsubscribe from.
function keyOf(tab: string, group: unknown): string {
  return `${tab}${kSeparator}${JSON.stringify(group)}`;
}
