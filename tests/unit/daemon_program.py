"""A small daemon for tests of the life of daemons: `python -m tests.unit.daemon_program --config-file F`.

It serves PostOffice on topic `post`. WORK=seconds gives it a message in hand that long; BEAT=no makes its
heartbeats fail.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from novalite.cmd import _boot


def wire(conf: Any, bus: Any, client: Any) -> list[Any]:
    from novalite.cmd.parts import RpcPart
    from novalite.context import Context, system
    from novalite.errors import Unavailable
    from novalite.periodic import Periodic
    from tests.unit.rpc.parts import Post, PostOffice

    class Office(PostOffice):
        def sleep(self, ctx: Context, seconds: float) -> None:
            print("work begun", flush=True)
            super().sleep(ctx, seconds)
            print("work done", flush=True)

    class Manager:
        def endpoints(self) -> list[Any]:
            return [Office(conf.host)]

        def periodics(self) -> list[Periodic]:
            return [Periodic("tick", lambda ctx: print("tick", flush=True), lambda: conf.report_interval)]

        def start(self) -> None:
            seconds = float(os.environ.get("WORK", "0"))
            if seconds:
                threading.Thread(target=self.work, args=(seconds,), daemon=True).start()

        def work(self, seconds: float) -> None:
            client.of(Post, timeout=60).sleep(system(), seconds)

        def beat(self) -> None:
            if os.environ.get("BEAT") == "no":
                raise Unavailable()

    manager = Manager()
    return [RpcPart("post", conf, bus, manager, 4, beat=manager.beat, end=lambda grace: None,
                    after=[manager.start])]


def main() -> None:
    files = _boot.parser("novalite-test", "A daemon for tests.").parse_args().config_files
    overrides = _boot.choose_concurrency(files)
    code = _boot.run("novalite-test", files, wire, overrides,
                     lambda: print("ready", flush=True))
    _boot.leave(code)


if __name__ == "__main__":
    sys.exit(main())
