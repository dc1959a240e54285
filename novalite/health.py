"""GET /health and GET /metrics of a daemon, on a TCP port or a UNIX socket of its own.

The modules behind it (http.server) are imported only when a port or socket is configured.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import orjson
from oslo_config import cfg

from novalite import metrics
from novalite.errors import ConfigError

Report = Callable[[], dict[str, Any]]


class HealthServer:
    """Answers until closed."""

    def __init__(self, server: Any, path: str | None) -> None:
        self._server, self._path = server, path
        self.port: int = 0 if path else server.server_address[1]
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        if self._path and os.path.exists(self._path):
            os.unlink(self._path)


def serve(conf: cfg.ConfigOpts, prog: str, report: Report) -> HealthServer | None:
    """A server as [DEFAULT] health_listen and health_port say; None when off. ConfigError when taken."""
    address = conf.health_listen
    path = address[5:].format(prog=prog, host=conf.host) if address.startswith("unix:") else None
    if path is None and not conf.health_port:
        return None
    try:
        if path is not None and os.path.exists(path):
            os.unlink(path)
        return HealthServer(_server(path, address, conf.health_port, report), path)
    except (OSError, KeyError) as error:
        where = address if path else f"{address}:{conf.health_port}"
        raise ConfigError(reason=f"[DEFAULT] health_listen: cannot listen on {where}: {error}") from error


def answer(path: str, report: Report) -> tuple[int, str, bytes]:
    """Status, content type and body for a GET of `path`."""
    if path == "/metrics":
        return 200, "text/plain; version=0.0.4", metrics.text().encode()
    if path == "/health":
        facts = report()
        return (200 if facts["status"] == "ok" else 503), "application/json", orjson.dumps(facts, default=str)
    return 404, "text/plain", b"/health and /metrics are here\n"


def _server(path: str | None, address: str, port: int, report: Report) -> Any:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from socketserver import TCPServer

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            status, kind, body = answer(self.path.partition("?")[0], report)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "local"

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in address else socket.AF_INET

        def server_bind(self) -> None:
            # HTTPServer's own looks up its name in DNS, which may hang.
            self.allow_reuse_address = path is None
            TCPServer.server_bind(self)
            self.server_name, self.server_port = "health", port

    return Server(path or (address, port), Handler)  # type: ignore[arg-type]
