import { useEffect, useState } from 'preact/hooks';
import type { Desk } from '../desk.js';
import { initial } from '../format.js';
import { newestFirst, type Photo } from '../gallery.js';
import type { WatchLink } from '../watch-link.js';
import { Activity } from './activity.js';
import { AdminPanel } from './admin-panel.js';
import { Announcement } from './announcement.js';
import { ConnectionBadge } from './connection-badge.js';
import { DropZone } from './drop-zone.js';
import { Mark } from './mark.js';
import { Notices } from './notices.js';
import { PhotoDialog } from './photo-dialog.js';
import { PhotoTile } from './photo-tile.js';

export function DeskPage({
  desk,
  link,
  onSignOut,
}: {
  desk: Desk;
  link: WatchLink | undefined;
  onSignOut: () => void;
}) {
  const [openId, setOpenId] = useState<string>();
  useLink(desk, link, setOpenId);
  const photos = newestFirst(desk.photos.value);
  const mine = photos.filter(({ owner }) => owner.id === desk.user.id);
  const shared = photos.filter(({ owner }) => owner.id !== desk.user.id);
  const open = openId === undefined ? undefined : desk.photos.value.get(openId);

  return (
    <>
      <header class="top">
        <h1 class="brand">
          <Mark />
          Darkroom
        </h1>
        <ConnectionBadge state={desk.connection.value} />
        <div class="who">
          <span class={`avatar avatar-${desk.user.id}`} aria-hidden="true">
            {initial(desk.user.name)}
          </span>
          <span class="who-name">{desk.user.name}</span>
          <button type="button" class="quiet-button" onClick={onSignOut}>
            Sign out
          </button>
        </div>
      </header>
      <Announcement desk={desk} />
      <main>
        {desk.user.admin && <AdminPanel desk={desk} />}
        <DropZone
          isFirst={desk.isLoaded.value && mine.length === 0}
          uploads={desk.uploads.value}
          onFiles={(files) => void desk.upload(files)}
        />
        <PhotoGrid desk={desk} title="Your photos" photos={mine} onOpen={setOpenId} />
        <PhotoGrid desk={desk} title="Shared with you" photos={shared} onOpen={setOpenId} />
        <Activity events={desk.activity.value} />
      </main>
      {open && <PhotoDialog desk={desk} photo={open} onClose={() => setOpenId(undefined)} />}
      <Notices desk={desk} />
    </>
  );
}

function PhotoGrid({
  desk,
  title,
  photos,
  onOpen,
}: {
  desk: Desk;
  title: string;
  photos: Photo[];
  onOpen: (id: string) => void;
}) {
  if (photos.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2>
        {title} <span class="count">{photos.length}</span>
      </h2>
      <ul class="grid">
        {photos.map((photo) => (
          <PhotoTile
            key={photo.id}
            api={desk.api}
            photo={photo}
            isMine={photo.owner.id === desk.user.id}
            onOpen={() => onOpen(photo.id)}
          />
        ))}
      </ul>
    </section>
  );
}

// Takes up the link in the address once, then cleans the address.
function useLink(desk: Desk, link: WatchLink | undefined, open: (id: string) => void): void {
  useEffect(() => {
    if (!link) return;
    location.replace('#/'); // a reload, or the next to sign in, need not take it up again
    void desk.openLink(link).then((photo) => photo && open(photo.id));
  }, [desk, link?.photoId, link?.key]);
}
