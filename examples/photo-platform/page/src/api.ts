import type {
  Announced,
  BusView,
  LibraryView,
  PhotoView,
  RefusedView,
  SessionView,
  UploadView,
  UserView,
} from '../../shared/views.js';
import type { Announcement } from '../../shared/events.js';

// What the API refuses, in its own words.
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export async function listUsers(): Promise<UserView[]> {
  return ask('GET', '/api/users');
}

export async function signIn(user: string): Promise<SessionView> {
  return ask('POST', '/api/sign-in', { body: { user } });
}

// The API as a signed-in user sees it. The answers are our own API's: their types are shared with it.
// `onSignedOut` hears of each answer 401, whatever was asked: the session has ended.
export class Api {
  constructor(
    readonly session: string,
    readonly onSignedOut: () => void,
  ) {}

  bus = (): Promise<BusView> => this.#ask('GET', '/api/bus');
  library = (): Promise<LibraryView> => this.#ask('GET', '/api/library');
  photo = (id: string): Promise<PhotoView> => this.#ask('GET', `/api/photos/${id}`);
  link = (id: string): Promise<{ key: string }> => this.#ask('POST', `/api/photos/${id}/link`);
  watch = (id: string, key: string): Promise<PhotoView> => this.#ask('POST', `/api/photos/${id}/watch`, { key });
  unshare = (id: string, user: string): Promise<PhotoView> => this.#ask('DELETE', `/api/photos/${id}/watchers/${user}`);
  remove = (id: string): Promise<void> => this.#ask('DELETE', `/api/photos/${id}`);
  announce = (message: string): Promise<Announcement> => this.#ask('POST', '/api/announcements', { message });

  refused = (): Promise<RefusedView[]> => this.#ask('GET', '/api/refused');
  resend = (id: string): Promise<{ announced: Announced }> => this.#ask('POST', `/api/refused/${id}`);
  dismiss = (id: string): Promise<void> => this.#ask('DELETE', `/api/refused/${id}`);

  // An image needs the session too, and an <img> cannot send it.
  async image(url: string, signal: AbortSignal): Promise<Blob> {
    const answer = await fetch(url, { headers: this.#headers(), signal });
    if (!answer.ok) throw this.#heed(await readError(answer));
    return answer.blob();
  }

  // XMLHttpRequest, because fetch does not tell how much has been sent.
  upload(files: readonly File[], onSent: (share: number) => void): Promise<UploadView> {
    return new Promise((resolve, reject) => {
      const form = new FormData();
      for (const file of files) form.append('photos', file);
      const request = new XMLHttpRequest();
      request.open('POST', '/api/photos');
      for (const [name, value] of Object.entries(this.#headers())) request.setRequestHeader(name, value);
      request.responseType = 'json';
      request.upload.onprogress = ({ loaded, total }) => onSent(total > 0 ? loaded / total : 0);
      request.onerror = () => reject(new ApiError(0, 'unavailable', 'The connection to the API broke'));
      request.onload = () => {
        if (request.status < 300) resolve(request.response);
        else reject(this.#heed(errorFrom(request.status, request.response)));
      };
      request.send(form);
    });
  }

  async #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    try {
      return await ask(method, path, { body, headers: this.#headers() });
    } catch (error) {
      throw this.#heed(error);
    }
  }

  #heed<Thrown>(error: Thrown): Thrown {
    if (error instanceof ApiError && error.status === 401) this.onSignedOut();
    return error;
  }

  #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.session}` };
  }
}

interface Request {
  body?: unknown;
  headers?: Record<string, string>;
}

async function ask<T>(method: string, path: string, { body, headers }: Request = {}): Promise<T> {
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const sent = new Headers(headers);
  if (body !== undefined) sent.set('content-type', 'application/json');
  const answer = await fetch(path, { method, ...json, headers: sent });
  if (!answer.ok) throw await readError(answer);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

async function readError(answer: Response): Promise<ApiError> {
  return errorFrom(answer.status, await answer.json().catch(() => undefined));
}

function errorFrom(status: number, body: unknown): ApiError {
  const { code, message } = (body as { error?: { code?: string; message?: string } } | undefined)?.error ?? {};
  return new ApiError(status, code ?? 'internal', message ?? `The API answered ${status}`);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
