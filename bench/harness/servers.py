"""The servers that are measured, and how a load speaks to each. A load's kind is `fanout`, `unicast` or `http`."""
import base64
import hashlib
import hmac
import json
import socket
import time
import urllib.request
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
SECRET = "a secret of the bench, 32 bytes or more"
USERS = 20_000

# About 300 bytes on the wire with what the server adds. The peers' publisher sends the meta itself.
DATA = ('{"photoId":"123","progress":50,"stage":"thumbnails","message":"Creating thumbnails{pad}",'
        '"seq":{seq},"t":{t}}')
META = ('{"id":"01J0000000000000000000{n}","type":"photo.processing.progress","source":"service:worker",'
        '"subject":"photo:123","time":"2025-01-01T00:00:00.000Z"}')
WHOLE = f'42["photo:processing.update",{DATA},{META},"a1b2.{{n}}"]'
NOTE = '{"type":"photo.note","data":{"userId":"{user}","note":"Creating thumbnails","seq":{seq},"t":{t}}}'
PROGRESS = '{"type":"photo.processing.progress","data":' + DATA + "}"
SUBSCRIBE = ["--init", '420["subscribe","photo:123"]', "--match", '42["photo']


def token(**claims):
    """A JSON Web Token, HS256."""
    def encoded(raw):
        return base64.urlsafe_b64encode(raw).rstrip(b"=")
    claims = {"iat": int(time.time()), "exp": int(time.time()) + 86_400, **claims}
    signed = encoded(b'{"alg":"HS256","typ":"JWT"}') + b"." + encoded(json.dumps(claims).encode())
    return (signed + b"." + encoded(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Floor:
    """What the machine allows: the same bytes to all, by a bare loop of `mode` (see floor/floor.cpp)."""

    def __init__(self, mode):
        self.name, self.mode = f"floor {mode}", mode

    def command(self, build, port, _folder):
        return [build / "floor", port, self.mode]

    def arguments(self, kind, port, _folder):
        return {"fanout": ["--pub-path", "/pub", "--pub-msg", "P" + WHOLE],
                "unicast": ["--init", "I{i}", "--pub-path", "/pub", "--pub-msg", "U{i} " + WHOLE],
                "http": ["--url", f"http://127.0.0.1:{port}/pub", "--body", WHOLE]}[kind]


class SocketIo:
    """npm's server; with `recovery` it keeps what it needs for clients that come back."""

    def __init__(self, recovery=False):
        self.name, self.flags = ("socket.io csr", ["--recovery"]) if recovery else ("socket.io", [])

    def command(self, _build, port, _folder):
        return ["node", BENCH / "peers/socketio.mjs", port, *self.flags]

    def arguments(self, kind, port, _folder):
        room = ["--dialect", "sio", *SUBSCRIBE, "--await", "430["]
        emit = f'"photo:processing.update",{DATA},{META}]'
        return {"fanout": [*room, "--pub-msg", '42["pub","photo:123",' + emit],
                "unicast": ["--dialect", "sio", "--auth", '{"user":"u{i}"}', "--match", '42["photo',
                            "--pub-msg", '42["pub","user:u{i}",' + emit],
                "http": [*room, "--url", f"http://127.0.0.1:{port}/pub/photo:123", "--body", "[" + emit]}[kind]


class Eventbus:
    def __init__(self, reactors=1):
        self.reactors = reactors
        self.name = "eventbus" if reactors == 1 else f"eventbus, {reactors} reactors"
        self.environment = {"EVENTBUS_JWT_SECRET": SECRET}
        self.admin_port = None
        service = token(sub="service:worker", service="worker", permissions=["publish:**"])
        users = [token(sub=f"u{i}", permissions=["watch:photo:*"]) for i in range(USERS)]
        self.tokens = {"service.txt": service + "\n", "tokens.txt": "\n".join(users) + "\n"}

    def command(self, build, port, folder):
        for name, text in self.tokens.items():
            (folder / name).write_text(text)
        self.admin_port = free_port()
        return [build / "eventbus", "serve", "--catalog", BENCH / "catalog.yaml", "--listen", f"127.0.0.1:{port}",
                "--admin-listen", f"127.0.0.1:{self.admin_port}", "--data", folder / "data", "--reactors", self.reactors]

    def arguments(self, kind, port, folder):
        user = ["--dialect", "sio", "--token-file", folder / "tokens.txt"]
        room = [*user, *SUBSCRIBE, "--await", '430[{"ok":true']
        service = ["--pub-token-file", folder / "service.txt"]
        return {"fanout": [*room, *service, "--pub-msg", f'42["publish",{PROGRESS}]'],
                "unicast": [*user, "--match", '42["photo', *service, "--pub-msg", f'42["publish",{NOTE}]'],
                "http": [*room, *service, "--url", f"http://127.0.0.1:{port}/v1/events",
                         "--body", PROGRESS]}[kind]

    def longest_turn_ms(self):
        """Of a reactor since the start, as the server itself saw it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        return 1000 * max(float(line.split()[1]) for line in lines
                          if line.startswith("eventbus_reactor_stall_seconds"))
