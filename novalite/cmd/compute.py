"""novalite-compute: one per hypervisor host; always on threads, because libvirt's calls block in C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    from novalite.daemon import Part


def parts(conf: Any, bus: Any, client: Any) -> Sequence[Part]:
    """One compute host."""
    from novalite.cmd.parts import RpcPart
    from novalite.compute.manager import ComputeManager

    manager = ComputeManager(conf, client)
    return [
        RpcPart("compute", conf, bus, manager, conf.compute.workers, beat=manager.heartbeat,
                end=manager.stop, before=[manager.start], after=[manager.announce])
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point."""
    _boot.leave(_boot.serve("novalite-compute", "Runs the guests of one hypervisor host.", parts, argv,
                            threads_only=True))


if __name__ == "__main__":
    main()
