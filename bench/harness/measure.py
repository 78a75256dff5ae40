"""One run: a server is started afresh, loaded, and ended."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.servers import free_port


def wait_until_listening(port, process, log):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"bench: the server ended with status {process.returncode}:\n{log.read_text()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"bench: the server does not listen:\n{log.read_text()[-2000:]}")


def on_core(number, all_of_them=False):
    """Server and client each have a core of their own, where there are two."""
    if all_of_them:
        return None
    cores = sorted(os.sched_getaffinity(0))
    return (lambda: os.sched_setaffinity(0, {cores[number]})) if len(cores) > 1 else None


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def measure(server, load, build, flags=()):
    """Returns what fanbench printed, as a dictionary, with `longest_turn_ms` of our server."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        log = folder / "server.log"
        command = [str(word) for word in server.command(build, port, folder)]
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=on_core(0, getattr(server, "reactors", 1) > 1),
                                       env={**os.environ, **getattr(server, "environment", {})})
        try:
            wait_until_listening(port, process, log)
            time.sleep(0.3)
            client = [build / "fanbench", "--json", "--quiet", "--port", port, "--pid", process.pid,
                      *server.arguments(load.kind, port, folder), *load.flags.split(), *flags]
            if load.name == "batch":
                client += ["--item", client[client.index("--body") + 1]]
            run = subprocess.run([str(word) for word in client], capture_output=True, text=True, timeout=300,
                                 preexec_fn=on_core(-1))
            turn = server.longest_turn_ms() if hasattr(server, "longest_turn_ms") else None
        finally:
            stop(process)
        if not run.stdout.strip():
            sys.exit(f"bench: {load.name} on {server.name} failed: {run.stderr.strip()[-1000:]}\n"
                     f"Its server said:\n{log.read_text()[-2000:]}")
        figures = json.loads(run.stdout)
        figures["longest_turn_ms"] = turn
        figures["complaints"] = run.stderr.strip()[-500:]
        return figures
