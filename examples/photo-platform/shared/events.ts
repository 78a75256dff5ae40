// What the platform's events carry. The catalog says who gets them.

export interface Thumbnail {
  size: number; // the longer side, at most
  width: number;
  height: number;
  url: string; // a path of the API, which asks who wants it
}

export interface Place {
  latitude: number;
  longitude: number;
}

export interface PhotoUploaded {
  photoId: string;
  userId: string;
  filename: string;
  bytes: number;
  uploadedAt: string;
  batchId?: string;
}

export interface PhotoProcessed {
  photoId: string;
  width: number;
  height: number;
  placeholder: string; // a data: URL of a few hundred bytes, to be shown until a thumbnail is there
  thumbnails: Thumbnail[];
  camera?: string;
  takenAt?: string;
  gps?: Place; // the owner's copy only
}

export interface PhotoFailed {
  photoId: string;
  error: string;
}

export interface PhotoSharing {
  photoId: string;
  userId: string;
  filename: string;
  sharedWith: string;
}

export interface PhotoDeleted {
  photoId: string;
  userId: string;
}

export interface BatchCompleted {
  batchId: string;
  userId: string;
  total: number;
  completed: number;
  failed: number;
}

export type ComponentStatus = 'ok' | 'degraded';

export interface HealthUpdate {
  component: string;
  status: ComponentStatus;
  detail: string; // one line for people
  everyMs: number; // silence longer than some of these is bad news too
}

export interface Announcement {
  message: string;
  announcedBy: string;
  at: string;
}

// From type to data: what createEventBus<PlatformEvents>() checks publish and subscribe with.
export type PlatformEvents = {
  'photo.uploaded': PhotoUploaded;
  'photo.processing.started': { photoId: string };
  'photo.processing.progress': { photoId: string; progress: number; currentStage: string };
  'photo.processing.completed': PhotoProcessed;
  'photo.processing.failed': PhotoFailed;
  'photo.shared': PhotoSharing;
  'photo.unshared': PhotoSharing;
  'photo.deleted': PhotoDeleted;
  'batch.processing.completed': BatchCompleted;
  'system.health.update': HealthUpdate;
  'system.announcement': Announcement;
};
