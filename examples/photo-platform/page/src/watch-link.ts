// Links to watch a photo, as #/watch/PHOTO/KEY: what follows the # is sent to no server on the way.
export interface WatchLink {
  photoId: string;
  key: string;
}

export function readWatchLink(hash: string): WatchLink | undefined {
  const [, photoId, key] = /^#\/watch\/([0-9a-f]{24})\/([\w-]{1,64})$/.exec(hash) ?? [];
  return photoId && key ? { photoId, key } : undefined;
}

export function writeWatchLink({ photoId, key }: WatchLink): string {
  return `${location.origin}${location.pathname}#/watch/${photoId}/${key}`;
}
