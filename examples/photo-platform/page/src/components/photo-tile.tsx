import type { Api } from '../api.js';
import { stage } from '../format.js';
import type { Photo } from '../gallery.js';
import { Thumbnail } from './thumbnail.js';

const TILE_PX = 300;

interface Props {
  api: Api;
  photo: Photo;
  isMine: boolean;
  onOpen: () => void;
}

export function PhotoTile({ api, photo, isMine, onOpen }: Props) {
  return (
    <li class={`tile tile-${photo.status}`} data-photo-id={photo.id} data-status={photo.status}>
      <button type="button" class="tile-open" onClick={onOpen}>
        <span class="tile-frame">
          {photo.status === 'completed' ? (
            <Thumbnail api={api} photo={photo} width={TILE_PX} alt="" />
          ) : (
            <Developing photo={photo} />
          )}
        </span>
        <span class="tile-caption">
          <span class="tile-name">{photo.filename}</span>
          <Note photo={photo} isMine={isMine} />
        </span>
      </button>
    </li>
  );
}

export function Developing({ photo }: { photo: Photo }) {
  if (photo.status === 'failed') {
    return (
      <span class="developing developing-failed">
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M12 8v5m0 3.5v.01M10.3 4 2.6 17.3A2 2 0 0 0 4.3 20.3h15.4a2 2 0 0 0 1.7-3L13.7 4a2 2 0 0 0-3.4 0Z" />
        </svg>
        <span class="developing-text">{photo.error}</span>
      </span>
    );
  }
  const percent = Math.round(photo.progress);
  return (
    <span class="developing">
      <span class="developing-text">
        {photo.status === 'waiting' ? 'Waiting for the darkroom' : stage(photo.stage)}
      </span>
      <span
        class="bar"
        role="progressbar"
        aria-label={`${photo.filename} is being developed`}
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
      >
        <span class="bar-fill" style={{ inlineSize: `${percent}%` }} />
      </span>
    </span>
  );
}

function Note({ photo, isMine }: { photo: Photo; isMine: boolean }) {
  if (!isMine) return <span class="tile-note">from {photo.owner.name}</span>;
  const { length } = photo.watchers;
  return length > 0 ? (
    <span class="tile-note">shared with {length === 1 ? photo.watchers[0]!.name : `${length} people`}</span>
  ) : null;
}
