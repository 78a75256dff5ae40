import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { messageOf } from '../api.js';
import type { Desk } from '../desk.js';
import { bytes, initial, place, when } from '../format.js';
import type { Photo } from '../gallery.js';
import { writeWatchLink } from '../watch-link.js';
import { Developing } from './photo-tile.js';
import { Thumbnail } from './thumbnail.js';

const VIEW_PX = 960;

export function PhotoDialog({ desk, photo, onClose }: { desk: Desk; photo: Photo; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const isMine = photo.owner.id === desk.user.id;

  return (
    <dialog
      ref={dialog}
      class="viewer"
      aria-label={photo.filename}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="viewer-body">
        <div
          class="viewer-picture"
          style={photo.width && photo.height ? { aspectRatio: `${photo.width} / ${photo.height}` } : undefined}
        >
          {photo.status === 'completed' ? (
            <Thumbnail api={desk.api} photo={photo} width={VIEW_PX} alt={photo.filename} />
          ) : (
            <Developing photo={photo} />
          )}
        </div>
        <div class="viewer-side">
          <header class="viewer-head">
            <h2>{photo.filename}</h2>
            <button type="button" class="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
              <svg viewBox="0 0 24 24" aria-hidden="true">
                <path d="m6 6 12 12M18 6 6 18" />
              </svg>
            </button>
          </header>
          <Facts photo={photo} isMine={isMine} />
          {isMine ? (
            <OwnersTools desk={desk} photo={photo} />
          ) : (
            <p class="muted">{photo.owner.name} shares this photo with you. Where it was taken stays with them.</p>
          )}
        </div>
      </div>
    </dialog>
  );
}

function Facts({ photo, isMine }: { photo: Photo; isMine: boolean }) {
  return (
    <dl class="facts">
      {!isMine && <Fact name="From">{photo.owner.name}</Fact>}
      <Fact name="Uploaded">{when(photo.uploadedAt)}</Fact>
      {photo.takenAt && <Fact name="Taken">{when(photo.takenAt)}</Fact>}
      {photo.camera && <Fact name="Camera">{photo.camera}</Fact>}
      {photo.gps && <Fact name="Where">{place(photo.gps)}</Fact>}
      {photo.width && (
        <Fact name="Size">
          {photo.width} × {photo.height}, {bytes(photo.bytes)}
        </Fact>
      )}
      {photo.thumbnails.length > 0 && (
        <Fact name="Prints">
          {photo.thumbnails.map(({ width, height }) => `${width}\u00a0×\u00a0${height}`).join(', ')}
        </Fact>
      )}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function OwnersTools({ desk, photo }: { desk: Desk; photo: Photo }) {
  const [isSure, setSure] = useState(false);
  return (
    <>
      <Sharing desk={desk} photo={photo} />
      <button
        type="button"
        class="quiet-button delete"
        onClick={() => (isSure ? void desk.remove(photo.id) : setSure(true))}
        onBlur={() => setSure(false)}
      >
        {isSure ? 'Delete it for everyone?' : 'Delete'}
      </button>
    </>
  );
}

function Sharing({ desk, photo }: { desk: Desk; photo: Photo }) {
  const [link, setLink] = useState<string>();
  const [copied, setCopied] = useState(false);
  const makeLink = async (): Promise<void> => {
    try {
      const { key } = await desk.api.link(photo.id);
      setLink(writeWatchLink({ photoId: photo.id, key }));
    } catch (error) {
      desk.notify('bad', messageOf(error));
    }
  };
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(link ?? '');
    setCopied(true);
  };
  const showOut = (user: string): void => {
    setLink(undefined); // its key changes
    setCopied(false);
    void desk.unshare(photo.id, user);
  };

  return (
    <section class="sharing" aria-label="Sharing">
      <h3>Let others watch</h3>
      {link ? (
        <div class="link-row">
          <input
            type="text"
            readOnly
            value={link}
            aria-label="Link to watch this photo"
            onFocus={(event) => event.currentTarget.select()}
          />
          <button type="button" class="button" onClick={copy}>
            {copied ? 'Copied' : 'Copy'}
          </button>
        </div>
      ) : (
        <button type="button" class="button" onClick={makeLink}>
          Get a link
        </button>
      )}
      <p class="muted">Who opens it while signed in sees the photo, live. Never where it was taken.</p>
      {photo.watchers.length > 0 && (
        <ul class="watchers">
          {photo.watchers.map(({ id, name }) => (
            <li key={id}>
              <span class={`avatar avatar-${id}`} aria-hidden="true">
                {initial(name)}
              </span>
              {name}
              <button type="button" class="quiet-button" onClick={() => showOut(id)}>
                Stop sharing
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
