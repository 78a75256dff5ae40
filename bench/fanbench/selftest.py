#!/usr/bin/env python3
"""Does fanbench see what it says it sees? A small server that loses, repeats, swaps and delays on purpose.

usage: selftest.py FANBENCH
"""
import base64, hashlib, json, socket, struct, subprocess, sys, threading, time

FAN = sys.argv[1]


def frame(p):
    n = len(p)
    return (bytes([0x81, n]) if n < 126 else bytes([0x81, 126]) + struct.pack('>H', n)) + p


class Server:
    """accepts raw WebSocket; hands every publisher message to `fault`, which says what to send"""
    def __init__(self, fault, chop=0):
        self.fault, self.chop, self.subs, self.lock = fault, chop, [], threading.Lock()
        self.s = socket.socket(); self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind(('127.0.0.1', 0)); self.s.listen(64); self.port = self.s.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try: c, _ = self.s.accept()
            except OSError: return
            threading.Thread(target=self.conn, args=(c,), daemon=True).start()

    def conn(self, c):
        b = b''
        while b'\r\n\r\n' not in b: b += c.recv(4096)
        head, b = b.split(b'\r\n\r\n', 1)
        key = [l.split(b': ')[1] for l in head.split(b'\r\n') if l.lower().startswith(b'sec-websocket-key')][0]
        acc = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())
        c.sendall(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' + acc + b'\r\n\r\n')
        if not head.startswith(b'GET /pub'):
            with self.lock: self.subs.append(c)
        n = 0
        while True:
            while len(b) >= 2:
                l, h = b[1] & 127, 2
                if l == 126:
                    if len(b) < 4: break
                    l, h = struct.unpack('>H', b[2:4])[0], 4
                if len(b) < h + 4 + l: break
                k, d = b[h:h + 4], b[h + 4:h + 4 + l]
                d = bytes(x ^ k[i & 3] for i, x in enumerate(d)); b = b[h + 4 + l:]
                for out in self.fault(n, d):
                    f = frame(out)
                    for s in self.subs:
                        if self.chop:
                            for i in range(0, len(f), self.chop): s.sendall(f[i:i + self.chop]); time.sleep(0.0005)
                        else: s.sendall(f)
                n += 1
            x = c.recv(65536)
            if not x: return
            b += x


def run(fault, *extra, chop=0):
    s = Server(fault, chop)
    r = subprocess.run([FAN, '--port', str(s.port), '--conns', '3', '--pub-path', '/pub', '--pub-msg', '{"seq":{seq},"t":{t},"p":"{pad}"}', '--pad', '200',
                        '--rate', '200', '--msgs', '100', '--drain', '0.5', '--settle', '0.1', *extra], capture_output=True, text=True, timeout=60)
    s.s.close()
    return json.loads(r.stdout), r.returncode


def check(name, cond, o):
    print(('ok   ' if cond else 'FAIL ') + name + ('' if cond else ' ' + json.dumps(o)))
    if not cond: sys.exit(1)


held = []
def swap(n, d):  # 10 and 11 change places
    if n == 10: held.append(d); return []
    if n == 11: return [d, held.pop()]
    return [d]
def late(n, d):
    if n == 50: time.sleep(0.3)
    return [d]

o, rc = run(lambda n, d: [d]);                          check('clean', rc == 0 and o['received'] == 300 and o['lost'] == 0 and o['duplicates'] == 0 and o['reordered'] == 0, o)
o, rc = run(lambda n, d: [] if n == 20 else [d]);       check('a hole is seen', rc == 1 and o['lost'] == 3, o)
o, rc = run(lambda n, d: [] if n >= 90 else [d]);       check('a missing tail is seen', rc == 1 and o['lost'] == 30 and o['incomplete_conns'] == 3, o)
o, rc = run(lambda n, d: [d, d] if n == 20 else [d]);   check('a repeat is seen', rc == 1 and o['duplicates'] == 3 and o['lost'] == 0, o)
o, rc = run(swap);                                      check('a swap is seen', rc == 1 and o['reordered'] == 3 and o['lost'] == 0 and o['duplicates'] == 0, o)
o, rc = run(late);                                      check('a stall is in the latency of what waited behind it', o['latency']['max_us'] > 250e3 and o['latency']['p90_us'] > 100e3, o)
o, rc = run(lambda n, d: [d], '--msgs', '10', '--drain', '20', chop=7); check('frames cut anywhere', o['received'] == 30 and o['lost'] == 0, o)
print('all well')
