"""The client and the server of the tests of docs/wire.md."""
import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVENTBUS = os.environ.get("EVENTBUS_BIN", ROOT / "build/release/bin/eventbus")
CATALOG = ROOT / "examples/photo-platform/catalog.yaml"
PAGE = ROOT / "docs/wire.md"
TIMEOUT_S = 20

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = bytes.fromhex("37fa213d")
SECRET = "a secret of this test, of 32 bytes or more"
FIELD = re.compile(r"([A-Z][A-Za-z-]*): (.*)")
CLOSED = "[closed]"


def token(exp=None, **claims):
    def encoded(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    if exp is not None:
        claims["exp"] = int(time.time()) + exp
    signed = encoded(b'{"alg":"HS256"}') + b"." + encoded(json.dumps(claims).encode())
    return (signed + b"." + encoded(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


def visible(text):
    return text.replace("\x1e", "␞")


class Channel:
    """A TCP connection of a conversation: requests, one after the other, or a WebSocket."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.reader = self.socket.makefile("rb")
        self.is_websocket = False
        self.is_joined = False  # the main namespace
        self.is_over = False

    def close(self):
        self.is_over = True
        self.reader.close()
        self.socket.close()

    def ask(self, request):
        """`request`: the request line without its version, fields, and a body of one line at most."""
        line, *rest = request
        fields = dict(FIELD.fullmatch(field).groups() for field in rest if FIELD.fullmatch(field))
        body = "".join(field for field in rest if not FIELD.fullmatch(field)).replace("␞", "\x1e").encode()
        fields = {"Host": "localhost", **fields}
        if fields.get("Upgrade") == "websocket":
            key = base64.b64encode(os.urandom(16)).decode()
            fields = {"Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, **fields}
        if body:
            fields = {"Content-Type": "text/plain;charset=UTF-8", "Content-Length": str(len(body)), **fields}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.socket.sendall(f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def answer(self):
        """(status and content type, fields, body)"""
        status = self.reader.readline().decode().split(" ")[1:2]
        fields = {}
        while (line := self.reader.readline().decode().strip()):
            name, value = line.split(": ", 1)
            fields[name] = value
        self.is_websocket = status == ["101"]
        body = self.reader.read(int(fields.get("Content-Length", 0))).decode()
        if "Content-Type" in fields:
            status.append(fields["Content-Type"])
        return " ".join(status), fields, visible(body)

    def open_websocket(self):
        """Gives the open packet."""
        self.ask(["GET /socket.io/?EIO=4&transport=websocket", "Upgrade: websocket"])
        self.answer()
        return self.receive()

    def send(self, text):
        """`text`: a frame as the page writes it."""
        if text == "41":
            self.is_joined = False
        opcode, payload = frame(text)
        if len(payload) < 126:
            size = bytes([0x80 | len(payload)])
        elif len(payload) < 1 << 16:
            size = b"\xfe" + struct.pack(">H", len(payload))
        else:
            size = b"\xff" + struct.pack(">Q", len(payload))
        masked = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
        self.socket.sendall(bytes([0x80 | opcode]) + size + MASK + masked)

    def receive(self):
        """The next frame as the page writes it."""
        try:
            head = self.reader.read(2)
        except ConnectionError:
            head = b""
        if len(head) < 2:
            return CLOSED
        opcode, size = head[0] & 0xF, head[1]
        if head[0] & 0xF0 != 0x80 or size > 126:
            return f"a frame that begins with {head.hex(' ')}"
        if size == 126:
            size = struct.unpack(">H", self.reader.read(2))[0]
        payload = self.reader.read(size)
        if opcode == CLOSE:
            return f"close {struct.unpack('>H', payload[:2])[0]} {payload[2:].decode()}".strip()
        if opcode == BINARY:
            return f"<{payload.hex(' ')}>"
        if payload.startswith(b"40{"):
            self.is_joined = True
        names = {TEXT: "", PING: "ping ", PONG: "pong "}
        return names.get(opcode, f"opcode {opcode} ") + payload.decode()


def frame(text):
    """(opcode, payload) of a line that is sent."""
    if text.startswith("<"):
        return BINARY, bytes.fromhex(text[1:-1])
    if text.startswith("close"):
        _, code, *reason = text.split(" ", 2)
        return CLOSE, struct.pack(">H", int(code)) + "".join(reason).encode()
    if text.startswith("ping "):
        return PING, text[5:].encode()
    return TEXT, text.encode()


class Server:
    def __init__(self, settings):
        self.settings = settings

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        environment = {f"EVENTBUS_{name.upper()}": value for name, value in self.settings.items()}
        self.process = subprocess.Popen(
            [EVENTBUS, "serve", "--catalog", CATALOG, "--data", f"{self.folder.name}/data", "--listen", "127.0.0.1:0",
             "--admin-listen", "off"], env={"EVENTBUS_JWT_SECRET": SECRET, **environment}, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        ready = self.process.stdout.readline()
        if "127.0.0.1:" not in ready:
            sys.exit(f"wire.md: the server does not start with {self.settings}")
        self.port = int(ready.split("127.0.0.1:")[1].split()[0])
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(TIMEOUT_S)
        self.folder.cleanup()
