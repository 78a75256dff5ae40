import { createServer } from 'node:net';

// A port for each wish: the wanted one if it is free, any other free one if nobody asked for just it.
export async function choosePorts(wishes) {
  const chosen = [];
  for (const wish of wishes) chosen.push(await choose(wish, chosen));
  return chosen;
}

async function choose({ wanted, isGiven }, taken) {
  if (wanted !== 0 && !taken.includes(wanted) && (await listens(wanted)) !== undefined) return wanted;
  if (wanted !== 0 && isGiven) throw new Error(`Port ${wanted} is taken: end who has it, or choose another`);
  const free = await listens(0);
  if (free === undefined) throw new Error('There is no free port on 127.0.0.1');
  return taken.includes(free) ? choose({ wanted: 0 }, taken) : free;
}

// The port on which one can listen, or undefined.
function listens(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const { port: bound } = probe.address();
      probe.close(() => resolve(bound));
    });
  });
}
