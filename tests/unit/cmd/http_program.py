"""Serves a small WSGI application until told to end: `http_program.py threads|eventlet PORT LIMIT`."""

import sys

mode, port, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if mode == "eventlet":
    import eventlet

    eventlet.monkey_patch()

import select  # noqa: E402
import time  # noqa: E402

from werkzeug.wsgi import get_input_stream  # noqa: E402

from novalite.cmd.http import EventletServer, WaitressServer, listen  # noqa: E402


def app(environ, respond):
    """/slow takes half a second; everything else answers how many bytes of the body Flask would see."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.5)
    body = get_input_stream(environ)
    size = 0
    while piece := body.read(1 << 20):
        size += len(piece)
    text = str(size).encode()
    respond("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


kind = EventletServer if mode == "eventlet" else WaitressServer
server = kind(app, listen("127.0.0.1", port), 4, limit)
server.start()
print("ready", flush=True)
select.select([sys.stdin], [], [])
print("done" if server.stop(float(sys.stdin.readline())) else "left", flush=True)
