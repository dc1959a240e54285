"""`novalite up`: api, conductor, scheduler, compute and consoles in one process, over SQLite and the in-process bus.

The same parts as the daemons, wired to one bus. The first start makes the database, the first
administrator and the credentials; all of it lives in one folder.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    from novalite.daemon import Part

PROG = "novalite-up"
LIBVIRT_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
GRACE = 10.0
"""Seconds to end; what is unfinished goes on at the next start."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to end. Exit code 0 ended, 1 broken, 2 bad arguments or configuration."""
    args = _parser().parse_args(argv)
    _boot.leave(run(args))
    return 0


def _parser() -> argparse.ArgumentParser:
    made = _boot.parser("novalite up", "A whole cloud in one process.")
    made.add_argument("--state-dir", default="./novalite-state", metavar="DIR",
                      help="folder for database, images, guests and credentials (default: %(default)s)")
    made.add_argument("--driver", default=None, metavar="NAME",
                      help="hypervisor: libvirt, fake or an installed one (default: libvirt when its daemon "
                      "runs here, else fake)")
    made.add_argument("--libvirt-uri", default=None, metavar="URI", help="such as qemu:///system")
    made.add_argument("--host", default=None, metavar="ADDR",
                      help="address to listen on (default: as configured; 127.0.0.1 without a configuration file)")
    made.add_argument("--port", default=None, type=int, help="port to listen on (default: 8774)")
    made.add_argument("--debug", action="store_true", help="log at DEBUG")
    return made


def run(args: argparse.Namespace, say: Callable[[str], None] = lambda line: print(line, flush=True)) -> int:
    """The all-in-one for these arguments; `say` is given the line that it is ready."""
    state = Path(args.state_dir).resolve()
    try:
        (state / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"novalite up: the state folder cannot be made: {error}", file=sys.stderr)
        return 2
    forced = _boot.choose_concurrency(args.config_files)
    _import_ahead()
    url: list[str] = []

    def wire(conf: Any, bus: Any, client: Any) -> Sequence[Part]:
        made = parts(conf, bus, client)
        url.append(conf.api.public_url)
        return made

    def ready() -> None:
        say(f"ready {url[0]}")

    overrides = {**settings(args, state), **forced}
    return _boot.run(PROG, args.config_files, wire, overrides, ready)


def settings(args: argparse.Namespace, state: Path) -> Mapping[str, Any]:
    """What the arguments, or their defaults, say about the configuration; `section.option` to value."""
    chosen: dict[str, Any] = {
        "state_path": str(state),
        "transport_url": "local://",
        "images.store_path": str(state / "images"),
        "graceful_shutdown_timeout": GRACE,
        "pid_file": str(state / "novalite.pid"),
    }
    alone = not args.config_files
    if args.driver or alone:
        chosen["compute.driver"] = args.driver or default_driver()
    if args.host or alone:
        chosen["api.listen"] = args.host or "127.0.0.1"
    if args.port is not None:
        chosen["api.port"] = args.port
    if args.libvirt_uri:
        chosen["libvirt.connection_uri"] = args.libvirt_uri
    if args.debug:
        chosen["debug"] = True
    if alone and sys.stderr.isatty():
        chosen["log_file"] = str(state / "novalite.log")
    return chosen


def default_driver() -> str:
    """libvirt where its daemon runs, else the fake one, saying so."""
    if any(os.path.exists(path) for path in LIBVIRT_SOCKETS):
        return "libvirt"
    print("novalite up: no libvirt daemon runs here, so guests are pretended (fake driver)", file=sys.stderr)
    return "fake"


def parts(conf: Any, bus: Any, client: Any) -> Sequence[Any]:
    """Everything, in the order it starts; the API comes last, so that it answers when all is there."""
    from novalite.cmd import api, compute, conductor, console_proxy, scheduler

    front = api.part(conf, bus, client)
    consoles = console_proxy.part(conf, client, _console_socket(conf))
    # The address must be known before the conductor hands out image URLs; the port may be 0.
    conf.set_override("public_url", public_url(conf, front.port), group="api")
    prepare(conf)
    told = guests_told(conf, client)
    return [
        *conductor.parts(conf, bus, client),
        *scheduler.parts(conf, bus, client),
        *compute.parts(conf, bus, client),
        *told,
        consoles,
        front,
    ]


def guests_told(conf: Any, client: Any) -> Sequence[Any]:
    """The metadata service, in a cloud with networks; hosts are given keys made of a secret that is new each time,
    unless the configuration has one."""
    from novalite.cmd.metadata import MetadataPart

    if conf.networks.service != "embedded":
        return []
    own = conf.metadata
    if not own.url:  # its only host is this one
        conf.set_override("listen", "127.0.0.1", group="metadata")
        conf.set_override("port", 0, group="metadata")
    part = MetadataPart(conf, client)
    if not own.url:
        conf.set_override("url", f"http://127.0.0.1:{part.port}", group="metadata")
    if not own.secret:
        conf.set_override("secret", secrets.token_hex(32), group="metadata")
    return [part]


def _console_socket(conf: Any) -> Any:
    """Where the console proxy listens: as configured, else, where another cloud has that port, on any."""
    from oslo_config.cfg import Locations

    from novalite.api.console_proxy.server import listen
    from novalite.errors import ConfigError

    options = conf.consoles
    try:
        made = listen(options.listen, options.port)
    except ConfigError:
        if conf.get_location("port", "consoles").location is not Locations.opt_default:
            raise
        made = listen(options.listen, 0)
    conf.set_override("port", made.getsockname()[1], group="consoles")
    return made


def public_url(conf: Any, port: int) -> str:
    """Where clients on this machine reach the API."""
    address = conf.api.listen
    address = WILDCARDS.get(address, f"[{address}]" if ":" in address else address)
    return conf.api.public_url or f"http://{address}:{port}"


def prepare(conf: Any) -> None:
    """Database, administrator and credentials: made at the first start, and when the address changed."""
    from novalite.cmd import first_run

    first_run.prepare(conf, Path(conf.state_path), conf.api.public_url)


def _import_ahead() -> None:
    """Load the API's modules in a second thread while the conductor starts: part of the start-up budget."""

    def load() -> None:
        import novalite.api.app  # noqa: F401

    threading.Thread(target=load, name="import-ahead", daemon=True).start()


if __name__ == "__main__":
    main()
