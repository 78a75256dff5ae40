import { useEffect, useState } from 'preact/hooks';
import type { Api } from '../api.js';
import type { Photo } from '../gallery.js';

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
    api.image(url, leaving.signal).then(
      (blob) => {
        if (leaving.signal.aborted) return;
        made = URL.createObjectURL(blob);
        setSource(made);
      },
      () => undefined, // the placeholder stays
    );
    return () => {
      leaving.abort();
      if (made) URL.revokeObjectURL(made);
      setSource(undefined);
    };
  }, [api, url]);
  return source;
}
