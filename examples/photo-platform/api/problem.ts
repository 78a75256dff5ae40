// What a route throws: becomes the answer { error: { code, message } }, with the bus's words for codes.
export class Problem extends Error {
  constructor(
    readonly statusCode: number,
    readonly code: string,
    message: string,
    readonly retryAfterS?: number,
  ) {
    super(message);
  }
}

export const badRequest = (message: string): Problem => new Problem(400, 'bad_request', message);
export const forbidden = (message: string): Problem => new Problem(403, 'forbidden', message);
export const tooSlow = (message: string): Problem => new Problem(408, 'timeout', message);
export const tooLarge = (message: string): Problem => new Problem(413, 'too_large', message);
export const tooMany = (message: string): Problem => new Problem(429, 'too_many', message, 5);
export const refusedByBus = (message: string): Problem => new Problem(500, 'internal', message);
export const unavailable = (message: string): Problem => new Problem(503, 'unavailable', message, 2);

export const noSuchEvent = (): Problem =>
  new Problem(404, 'not_found', 'There is no such event set aside: it has been sent again or dismissed');

// The same words for a photo that is not there and one that is not the asker's.
export const noSuchPhoto = (): Problem =>
  new Problem(404, 'not_found', 'There is no such photo, or it is not shared with you');
