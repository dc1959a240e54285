"""novalite-metadata: tells guests about themselves; holds no state; asks the conductor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    from novalite.cmd.http import HttpServer
    from novalite.daemon import Life, Part
    from novalite.periodic import Periodic

LOG = logging.getLogger(__name__)
LONGEST_BODY = 1 << 16
"""Bytes of a body that are read at all; guests leave a password and nothing else."""


class MetadataPart:
    """The metadata service in this process, on a port of its own."""

    name = "metadata"

    def __init__(self, conf: Any, client: Any) -> None:
        from novalite.cmd.http import listen

        self.conf, self._client = conf, client
        self._socket = listen(conf.metadata.listen, conf.metadata.port, "metadata")
        self.port: int = self._socket.getsockname()[1]
        self._server: HttpServer | None = None

    def start(self, life: Life) -> None:
        """Answer guests."""
        from novalite.api.metadata_service import MetadataService
        from novalite.cmd.http import EventletServer, WaitressServer

        app, threads = MetadataService(self.conf, self._client), self.conf.metadata.threads
        kind = EventletServer if self.conf.concurrency == "eventlet" else WaitressServer
        self._server = kind(app, self._socket, threads, LONGEST_BODY, LONGEST_BODY)
        self._server.start()
        LOG.info("Metadata service on %s port %d", self.conf.metadata.listen, self.port)

    def stop(self, grace: float) -> bool:
        """Finish requests in hand."""
        server, self._server = self._server, None
        if server is None:
            self._socket.close()
            return True
        return server.stop(grace)

    def reload(self) -> None:
        """Options are read as it goes."""

    def periodics(self) -> Sequence[Periodic]:
        """None."""
        return ()

    def health(self) -> dict[str, Any]:
        """Where it listens."""
        return {"port": self.port}


def parts(conf: Any, bus: Any, client: Any) -> Sequence[Part]:
    """One metadata service."""
    if not conf.metadata.secret and not conf.metadata.proxy_secret:
        LOG.warning("Neither [metadata] secret nor proxy_secret is set: no request will be believed")
    return [MetadataPart(conf, client)]


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point."""
    _boot.leave(_boot.serve("novalite-metadata", "Tells guests about themselves.", parts, argv))


if __name__ == "__main__":
    main()
