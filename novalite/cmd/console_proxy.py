"""novalite-novncproxy: takes users from their browsers to the consoles of their servers.

It runs on eventlet unless told otherwise: thousands of consoles that are open and idle cost a greenthread each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    import socket

    from novalite.api.console_proxy.server import ConsoleProxy
    from novalite.daemon import Part


def part(conf: Any, client: Any, listening: socket.socket | None = None) -> ConsoleProxy:
    """The proxy in this process, on `listening` or a socket of its own."""
    from novalite.api.console_proxy.server import ConsoleProxy

    return ConsoleProxy(conf, client, listening)


def parts(conf: Any, bus: Any, client: Any) -> Sequence[Part]:
    """One proxy."""
    return [part(conf, client)]


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point."""
    _boot.leave(_boot.serve("novalite-novncproxy", "Shows consoles of servers in browsers and terminals.", parts,
                            argv, otherwise="eventlet"))


if __name__ == "__main__":
    main()
