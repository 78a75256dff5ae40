import multipart from '@fastify/multipart';
import fastifyStatic from '@fastify/static';
import { EventBusError } from '@shared-infra/event-bus';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { isRefused } from '../shared/bus.js';
import { FILE_BYTES_MAX, FILES_MAX } from '../shared/limits.js';
import { Problem } from './problem.js';
import { routes, type Platform } from './routes.js';

type Failure = FastifyError | EventBusError | Problem;

const BODY_BYTES_MAX = 16 * 1024; // of what is no upload

export interface Timeouts {
  idleMs: number; // a connection on which nothing moves
  requestMs: number; // until a request has arrived, an upload too
}

const TIMEOUTS: Timeouts = { idleMs: 30_000, requestMs: 15 * 60_000 };

export interface ServerOptions {
  platform: Platform;
  pageDir: string;
  busPublicUrl: string; // the page may connect to it and to nothing else
  timeouts?: Timeouts;
}

export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const { platform, pageDir, busPublicUrl, timeouts = TIMEOUTS } = options;
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: timeouts.idleMs, // fastify's own default is none
    requestTimeout: timeouts.requestMs, // likewise
    forceCloseConnections: true,
  });
  const policy = contentSecurityPolicy(busPublicUrl);

  app.addHook('onSend', async (_request, reply) => {
    reply.headers({
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  });
  app.setErrorHandler((error: Failure, request, reply) => {
    const { status, code, message } = describe(error);
    const hasLeft = request.raw.readableAborted; // whoever asked
    if (status === 500 && !hasLeft && !(error instanceof Problem)) console.error(error);
    if (status === 408) reply.raw.once('finish', () => request.raw.destroy()); // with the work on what still comes
    if (error instanceof Problem && error.retryAfterS) reply.header('retry-after', error.retryAfterS);
    return reply.status(status).send({ error: { code, message } });
  });

  await app.register(multipart, {
    limits: { files: FILES_MAX, fileSize: FILE_BYTES_MAX, fields: 0, parts: FILES_MAX },
  });
  await app.register(fastifyStatic, { root: pageDir, cacheControl: false, setHeaders: cacheHeaders });
  await app.register(routes, { prefix: '/api', platform });
  return app;
}

function describe(error: Failure): { status: number; code: string; message: string } {
  if (error instanceof Problem) return { status: error.statusCode, code: error.code, message: error.message };
  if (error instanceof EventBusError && !isRefused(error)) {
    return {
      status: 503,
      code: 'unavailable',
      message: 'The event bus is away for the moment; try again in a few seconds',
    };
  }
  const statusCode = 'statusCode' in error ? error.statusCode : undefined;
  if (statusCode === 413) {
    return {
      status: 413,
      code: 'too_large',
      message: `At most ${FILES_MAX} files of ${FILE_BYTES_MAX / 1_048_576} MB each can be sent at once`,
    };
  }
  if (statusCode && statusCode < 500) return { status: statusCode, code: 'bad_request', message: error.message };
  return { status: 500, code: 'internal', message: 'Something went wrong here; the log of the API says what' };
}

// Vite names its assets by their content; the page that names them is asked for every time.
function cacheHeaders(reply: FastifyReply, path: string): void {
  const isAsset = /[\\/]assets[\\/]/.test(path);
  reply.header('cache-control', isAsset ? 'public, max-age=31536000, immutable' : 'no-cache');
}

function contentSecurityPolicy(busPublicUrl: string): string {
  const bus = new URL(busPublicUrl).origin;
  return [
    "default-src 'self'",
    `connect-src 'self' ${bus} ${bus.replace(/^http/, 'ws')}`,
    "img-src 'self' blob: data:",
    "style-src 'self' 'unsafe-inline'", // progress and placeholders are set as styles of elements
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}
