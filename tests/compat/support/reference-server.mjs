// npm's socket.io as the echo server of tests/support/echo_server.cpp: same paths, namespaces, events and settings.
//
// usage: node reference-server.mjs --listen HOST:PORT [--patient|--steady]
import { createServer } from 'node:http';

import { Server as EngineServer } from 'engine.io';
import { Server } from 'socket.io';

const { hostname, port } = new URL(`http://${process.argv[3]}`);
const pace = process.argv[4];
const isPatient = pace !== undefined;
const heartbeat = { ...(pace !== '--patient' && { pingInterval: 300 }), ...(!isPatient && { pingTimeout: 200 }) };
const settings = { ...heartbeat, maxHttpBufferSize: 1_000_000, cors: { origin: '*' }, perMessageDeflate: { threshold: 0 } };

const http = createServer((_request, response) => response.writeHead(404).end());
const engine = new EngineServer(settings);
engine.attach(http, { path: '/engine.io/', destroyUpgrade: false });
engine.on('connection', (socket) => socket.on('message', (message) => socket.send(message)));

const io = new Server(http, { ...settings, connectTimeout: isPatient ? 4_000 : 1_000, destroyUpgrade: false });
for (const name of ['/', '/custom']) {
  io.of(name).on('connection', (socket) => {
    socket.emit('auth', socket.handshake.auth);
    socket.on('message', (...args) => socket.emit('message-back', ...args.filter((arg) => typeof arg !== 'function')));
    socket.on('message-with-ack', (...args) => {
      if (typeof args.at(-1) === 'function') args.pop()(...args);
    });
    socket.on('question', (...args) => socket.timeout(1_000).emit('question-back', ...args, (error, ...answer) => socket.emit('answer', ...(error ? ['there was none'] : answer))));
    socket.on('burst', (count, chars) => {
      for (let at = 0; at < count; ++at) socket.emit('burst', at, 'x'.repeat(chars));
    });
    socket.on('twice', (done) => {
      done('first');
      done('second');
    });
    socket.on('watch', (auth, done) => {
      socket.join(JSON.stringify(auth));
      done();
    });
    socket.on('disconnect', (reason) => io.of(name).to(JSON.stringify(socket.handshake.auth)).emit('gone', reason));
    socket.on('leave', () => socket.disconnect());
    socket.on('close', () => socket.conn.close());
  });
}

process.on('SIGTERM', () => {
  engine.close();
  void io.close().then(() => process.exit(0));
  http.closeAllConnections();
});
http.listen(Number(port || 0), hostname, () => console.log(`listening on ${hostname}:${http.address().port}`));
