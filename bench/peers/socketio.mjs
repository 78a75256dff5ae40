// The peer: Socket.IO's own server with rooms, and nothing more than the loads need.
//   emit('subscribe', room, ack)           joins a room
//   emit('pub', room, name, data, meta)    io.to(room).emit(name, data, meta)
//   auth: { user }                         joins user:<user>
//   POST /pub/<room>                       [name, data, meta], or a list of such
// usage: node socketio.mjs PORT [--recovery]
import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, ...flags] = process.argv.slice(2);

const http = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part)).on("end", () => {
    const body = JSON.parse(Buffer.concat(parts));
    const room = decodeURIComponent(request.url.slice("/pub/".length));
    for (const [name, data, meta] of Array.isArray(body[0]) ? body : [body]) io.to(room).emit(name, data, meta);
    response.writeHead(202, { "content-type": "application/json", "content-length": 2 }).end("{}");
  });
});
const io = new Server(http, {
  serveClient: false,
  ...(flags.includes("--recovery")
    ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true } }
    : {}),
});
io.on("connection", (socket) => {
  const { user } = socket.handshake.auth;
  if (user) socket.join(`user:${user}`);
  socket.on("subscribe", (room, ack) => {
    socket.join(room);
    ack({ ok: true });
  });
  socket.on("pub", (room, name, data, meta) => io.to(room).emit(name, data, meta));
});
http.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
