"""novalite-api: listens to users; holds no state; asks the conductor."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    import socket

    from novalite.cmd.http import HttpPart
    from novalite.daemon import Part


def part(conf: Any, bus: Any, client: Any, listening: socket.socket | None = None) -> HttpPart:
    """The API in this process, on `listening` or a socket of its own."""
    from novalite.cmd.http import HttpPart

    def make() -> Any:
        from novalite.api.app import create_app

        return create_app(conf, client)

    def hear(app: Any) -> Any:
        from novalite.identity.embedded import IdentityNewsEndpoint
        from novalite.images.embedded import ImageNewsEndpoint

        # A name of its own for each process: workers of one machine all want to hear.
        name = f"{conf.host}:{os.getpid()}"
        runtime = app.extensions["novalite"]
        news = [IdentityNewsEndpoint(runtime.identity), ImageNewsEndpoint(runtime.images)]
        return bus.serve("api", name, news, workers=1)

    return HttpPart(conf, make, hear, listening)


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; with [api] workers above 1 this is the parent of that many processes."""
    words = list(sys.argv[1:] if argv is None else argv)

    def parts(conf: Any, bus: Any, client: Any) -> Sequence[Part]:
        from novalite.cmd import workers
        from novalite.cmd.http import listen

        if (shared := workers.inherited()) is not None:
            return [part(conf, bus, client, shared)]
        if conf.api.workers > 1:
            return [workers.WorkersPart(conf, listen(conf.api.listen, conf.api.port), words)]
        return [part(conf, bus, client)]

    _boot.leave(_boot.serve("novalite-api", "Answers the public APIs over HTTP.", parts, words,
                            overrides=_worker_overrides()))


def _worker_overrides() -> dict[str, Any]:
    """A worker leaves the pid file and the health port to its parent."""
    return {"pid_file": "", "health_port": 0} if "NOVALITE_LISTEN_FD" in os.environ else {}


if __name__ == "__main__":
    main()
