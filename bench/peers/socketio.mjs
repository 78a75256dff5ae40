// The peer: Socket.IO's own server with rooms, and nothing more than the load needs.
//   emit('subscribe', room, ack)              joins a room
//   emit('publish', room, name, data, meta)   io.to(room).emit(name, data, meta)
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });
io.on("connection", (socket) => {
  socket.on("subscribe", (room, ack) => {
    socket.join(room);
    ack({ ok: true });
  });
  socket.on("publish", (room, name, data, meta) => io.to(room).emit(name, data, meta));
});
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
