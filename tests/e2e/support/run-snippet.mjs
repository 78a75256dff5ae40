// Runs one snippet of the mission as it stands, in a process of its own: gives it the names that it
// takes for granted, and tells the parent what it calls.
//   node run-snippet.mjs SNIPPET    (EVENT_BUS_URL and EVENT_BUS_TOKEN say where and who)
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

import { eventBus } from '@shared-infra/event-bus';
import { io } from 'socket.io-client';

const tell = (call, ...args) => process.send({ call, args });

for (const name of ['showProgressBar', 'showThumbnails', 'showError', 'updateProgressBar', 'startPhotoProcessing', 'processPhoto']) {
  globalThis[name] = (...args) => tell(name, ...args);
}
globalThis.eventBus = eventBus;
globalThis.photoId = '123';
globalThis.processUpload = async (file) => ({ id: file.id, originalName: file.originalname });

// As much of Express as the API's snippet uses.
globalThis.app = {
  post(path, handler) {
    const server = createServer(async (request, response) => {
      if (request.method !== 'POST' || request.url !== path) return response.writeHead(404).end();
      let body = '';
      for await (const chunk of request) body += chunk;
      const { file, user } = JSON.parse(body);
      const json = (value) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      await handler({ file, user }, { json });
    });
    server.listen(0, '127.0.0.1', () => tell('listening', server.address().port));
  },
};

// A browser's page of another origin: polling without a cookie, since the snippet does not ask for
// credentials; the WebSocket with it.
globalThis.io = (url) => {
  tell('io', url);
  const origin = 'https://photo-platform.com';
  const cookie = `eventbus_token=${process.env.PAGE_COOKIE}`;
  return io(process.env.EVENT_BUS_URL, {
    transportOptions: { polling: { extraHeaders: { origin } }, websocket: { extraHeaders: { origin, cookie } } },
  }).on('connect', () => tell('connect'));
};

eventBus.onState(({ status }) => tell('state', status));
await import(pathToFileURL(process.argv[2]).href);
tell('ran');
