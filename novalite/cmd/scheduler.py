"""novalite-scheduler: proposes hosts, never writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    from novalite.daemon import Part


def parts(conf: Any, bus: Any, client: Any) -> Sequence[Part]:
    """One scheduler."""
    from novalite.cmd.parts import RpcPart, heartbeat_of
    from novalite.scheduler.manager import SchedulerManager

    manager = SchedulerManager(conf, client)
    return [
        RpcPart("scheduler", conf, bus, manager, conf.scheduler.workers,
                beat=heartbeat_of("nova-scheduler", conf, client),
                end=lambda grace: manager.stop(), after=[manager.start])
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point."""
    _boot.leave(_boot.serve("novalite-scheduler", "Proposes hosts for servers; writes nothing.", parts, argv))


if __name__ == "__main__":
    main()
