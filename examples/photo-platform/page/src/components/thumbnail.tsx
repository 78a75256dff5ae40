import { useEffect, useState } from 'preact/hooks';
import { ApiError, type Api } from '../api.js';
import type { Photo } from '../gallery.js';

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10_000;

// The photo at about `width` pixels; its placeholder until that has arrived.
export function Thumbnail({ api, photo, width, alt }: { api: Api; photo: Photo; width: number; alt: string }) {
  const url = bestOf(photo, width * devicePixelRatio);
  const source = useImage(api, url);
  return (
    <span class="thumbnail" style={photo.placeholder ? { backgroundImage: `url(${photo.placeholder})` } : undefined}>
      {source && <img src={source} alt={alt} data-photo={photo.id} />}
    </span>
  );
}

function bestOf({ thumbnails }: Photo, pixels: number): string | undefined {
  const bySize = [...thumbnails].sort((a, b) => a.size - b.size);
  return (bySize.find(({ size }) => size >= pixels) ?? bySize.at(-1))?.url;
}

// An object URL for an image of the API; given back when it is no longer shown.
function useImage(api: Api, url: string | undefined): string | undefined {
  const [source, setSource] = useState<string>();
  useEffect(() => {
    if (!url) return;
    const leaving = new AbortController();
    let made: string | undefined;
    void load(api, url, leaving.signal).then((blob) => {
      if (!blob || leaving.signal.aborted) return;
      made = URL.createObjectURL(blob);
      setSource(made);
    });
    return () => {
      leaving.abort();
      if (made) URL.revokeObjectURL(made);
      setSource(undefined);
    };
  }, [api, url]);
  return source;
}

// Asks until the API answers. Undefined when the image is not to be had, or is not wanted any more.
async function load(api: Api, url: string, signal: AbortSignal): Promise<Blob | undefined> {
  for (let restMs = RETRY_FIRST_MS; !signal.aborted; restMs = Math.min(2 * restMs, RETRY_MAX_MS)) {
    try {
      return await api.image(url, signal);
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) return undefined;
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }
  return undefined;
}
