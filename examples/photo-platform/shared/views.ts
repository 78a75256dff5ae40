import type { Announcement, PhotoProcessed, Thumbnail } from './events.js';

// What the API answers a page with.

export interface UserView {
  id: string;
  name: string;
  admin: boolean;
}

export type PhotoStatus = 'waiting' | 'processing' | 'completed' | 'failed';

export interface PhotoView {
  id: string;
  owner: UserView;
  filename: string;
  bytes: number;
  uploadedAt: string;
  status: PhotoStatus;
  error?: string;
  width?: number;
  height?: number;
  placeholder?: string;
  thumbnails: Thumbnail[];
  camera?: string;
  takenAt?: string;
  gps?: PhotoProcessed['gps']; // the owner's view only
  watchers: UserView[]; // the owner's view only
}

export interface LibraryView {
  photos: PhotoView[];
  announcement?: Announcement;
  offset?: string; // all that happened on the bus up to here is in this answer
}

export interface SessionView {
  user: UserView;
  session: string;
}

export interface BusView {
  url: string;
  token: string;
}

// Whether the bus has the events of a change: it has; it will, as soon as it is back; or it refused
// one for good, which is set aside until an admin sends it again.
export type Announced = 'now' | 'later' | 'refused';

export interface UploadView {
  announced: Announced;
  photoIds: string[];
}

// An event that is set aside. Not what it says: that is its user's.
export interface RefusedView {
  id: string;
  type: string;
  photoId: string;
  code: string;
  message: string;
  at: string;
}
