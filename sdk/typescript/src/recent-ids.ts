/** Takes an id in. False: it was there already. */
export type RecentIds = (id: string) => boolean;

/**
 * The last `idsMax` ids that were seen; the oldest is forgotten first. A resume repeats at most what
 * was under way when the connection broke, so the bound is far above what is ever asked. Histories are known by their
 * places.
 */
export function recentIds(idsMax: number, onRepeat: () => void): RecentIds {
  const ids = new Set<string>();
  return (id) => {
    if (ids.has(id)) {
      onRepeat();
      return false;
    }
    if (ids.size >= idsMax) ids.delete(ids.values().next().value!); // the oldest
    ids.add(id);
    return true;
  };
}
