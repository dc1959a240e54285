"""What consoles cost novalite-novncproxy: memory of those that are idle, processor time of those that are not.

    python -m benchmarks.consoles [--count 500] [--concurrency eventlet|threads]

The proxy runs in a process of its own, over the in-process bus, whose conductor lets everybody in to an echo server.
The last line is one JSON object: kB per idle console, seconds of processor time for a MB that comes and goes, and
milliseconds from a key to its echo with all of them open.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PIECE = 16 * 1024


def proxy(echo: int) -> None:
    """The other process: says its port, and then only serves."""
    from novalite.cmd import _boot

    _boot.choose_concurrency([])
    from novalite.api.console_proxy.server import ConsoleProxy
    from novalite.conf import load
    from novalite.objects.consoles import ConsoleAddress, ConsoleEntrance
    from novalite.rpc.client import Client
    from novalite.rpc.contracts.consoles import Consoles
    from novalite.rpc.local import LocalBus

    class Everybody(Consoles):
        def enter(self, ctx: Any, digest: str) -> ConsoleEntrance:
            address = ConsoleAddress(host="127.0.0.1", port=echo)
            return ConsoleEntrance(server_id=digest[:36], kind="serial", address=address)

    bus = LocalBus()
    bus.serve("conductor", "here", [Everybody()]).start()
    conf = load.for_tests({"consoles.port": 0, "consoles.max_connections": 100_000})
    made = ConsoleProxy(conf, Client(bus))
    made.start()
    print(made.port, flush=True)
    import select

    while select.select([sys.stdin], [], []) and sys.stdin.readline():  # readline alone would stop greenthreads
        use = resource.getrusage(resource.RUSAGE_SELF)
        rss = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
        print(json.dumps({"cpu": use.ru_utime + use.ru_stime, "rss": int(rss.split()[1])}), flush=True)


def echo_server() -> int:
    """The port of a server that says back what it hears, in threads of this process."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)

    def serve(sock: socket.socket) -> None:
        while data := sock.recv(65536):
            sock.sendall(data)

    def accept() -> None:
        while True:
            sock, _ = listening.accept()
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listening.getsockname()[1])


def connect(port: int, number: int) -> Any:
    """One console."""
    import websocket

    url = f"ws://127.0.0.1:{port}/?token={number:043d}"
    made = websocket.create_connection(url, subprotocols=["binary"], timeout=60)
    made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def returned(console: Any, data: bytes) -> None:
    """Send it and wait until all of it is back."""
    console.send_binary(data)
    left = len(data)
    while left:
        left -= len(console.recv())


def measure(count: int, concurrency: str) -> dict[str, Any]:
    """See the module."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    words = [sys.executable, "-m", "benchmarks.consoles", "--proxy", str(echo_server())]
    env = {**os.environ, "NOVALITE_CONCURRENCY": concurrency}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as other:
        assert other.stdin is not None and other.stdout is not None

        def used() -> dict[str, float]:
            assert other.stdin is not None and other.stdout is not None
            other.stdin.write("\n")
            other.stdin.flush()
            found: dict[str, float] = json.loads(other.stdout.readline())
            return found

        port = int(other.stdout.readline())
        first = [connect(port, 0)]
        returned(first[0], b"x")
        empty = used()
        began = time.monotonic()
        idle = [connect(port, number) for number in range(1, count + 1)]
        opened = time.monotonic() - began
        full = used()
        delays = []
        for _ in range(100):
            began = time.monotonic()
            returned(first[0], b"x")
            delays.append(time.monotonic() - began)
        before = used()
        for _ in range(256):
            returned(first[0], b"x" * PIECE)
        after = used()
        time.sleep(5)
        rested = used()
        for console in (*idle, *first):
            console.shutdown()
        other.stdin.close()
    return {
        "concurrency": concurrency,
        "consoles": count,
        "kB_each": round((full["rss"] - empty["rss"]) / count, 1),
        "ms_to_open": round(opened / count * 1000, 2),
        "ms_to_echo": round(sorted(delays)[50] * 1000, 2),
        "cpu_s_per_MB_both_ways": round((after["cpu"] - before["cpu"]) / (256 * PIECE / 2**20), 4),
        "cpu_percent_idle": round((rested["cpu"] - after["cpu"]) / 5 * 100, 2),
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consoles", description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--concurrency", choices=["eventlet", "threads"], default="eventlet")
    parser.add_argument("--proxy", type=int, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.proxy:
        proxy(words.proxy)
        return 0
    print(json.dumps(measure(words.count, words.concurrency)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
