"""novalite-conductor: decides, remembers, and alone opens the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    from novalite.daemon import Part


def parts(conf: Any, bus: Any, client: Any) -> Sequence[Part]:
    """One conductor."""
    from novalite.cmd.parts import RpcPart
    from novalite.conductor.manager import ConductorManager

    manager = ConductorManager(conf, client)
    return [
        RpcPart("conductor", conf, bus, manager, conf.conductor.workers, beat=manager.heartbeat,
                end=manager.stop, before=[manager.wait_for_database], after=[manager.start])
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point."""
    _boot.leave(_boot.serve("novalite-conductor", "Decides, remembers, and alone opens the database.",
                            parts, argv))


if __name__ == "__main__":
    main()
