"""What every main() does first: arguments, threads or eventlet, configuration, log; then the daemon.

Until the choice is made only small modules of the standard library are imported, because eventlet
must patch before anything else looks.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novalite import __version__

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts

    from novalite.daemon import Part
    from novalite.rpc.bus import Bus
    from novalite.rpc.client import Client

    Wire = Callable[[ConfigOpts, Bus, Client], Sequence[Part]]

DEFAULT_FILE = "/etc/novalite/novalite.conf"
ENVIRONMENT = "NOVALITE_CONCURRENCY"
"""Environment variable that wins over `concurrency` in the files."""
_SECTION = re.compile(r"^\[(?P<name>[^]]+)\]")
_CONCURRENCY = re.compile(r"^concurrency\s*[=:]\s*[\"']?(?P<value>\w+)")


def parser(prog: str, what: str) -> argparse.ArgumentParser:
    """Arguments common to all daemons."""
    made = argparse.ArgumentParser(prog=prog, description=what)
    made.add_argument("--version", action="version", version=f"{prog} {__version__}")
    made.add_argument("--config-file", action="append", default=[], metavar="PATH", dest="config_files",
                      help=f"configuration; may be given again, later ones win (default: {DEFAULT_FILE})")
    return made


def serve(
    prog: str,
    what: str,
    wire: Wire,
    argv: Sequence[str] | None = None,
    threads_only: bool = False,
    overrides: Mapping[str, Any] | None = None,
    otherwise: str = "threads",
) -> int:
    """The whole life of a daemon, from arguments to exit code: 0 ended, 1 broken, 2 bad configuration.

    `otherwise`: its `concurrency` where neither the files nor the environment say.
    """
    files = parser(prog, what).parse_args(argv).config_files or default_files()
    chosen = {"concurrency": "threads"} if threads_only else choose_concurrency(files, otherwise)
    return run(prog, files, _apart(prog, wire), {**(overrides or {}), **chosen})


def _apart(prog: str, wire: Wire) -> Wire:
    """`wire` for a daemon of its own, which a bus inside its process would leave alone in the world."""

    def checked(conf: ConfigOpts, bus: Bus, client: Client) -> Sequence[Part]:
        from novalite.errors import ConfigError

        if conf.transport_url.startswith("local:"):
            raise ConfigError(
                reason=f"[DEFAULT] transport_url: local:// joins only parts of one process; {prog} needs rabbit://"
            )
        return wire(conf, bus, client)

    return checked


def default_files() -> list[str]:
    """The configuration in its usual place, when there is one."""
    return [DEFAULT_FILE] if Path(DEFAULT_FILE).exists() else []


def choose_concurrency(files: Sequence[str], otherwise: str = "threads") -> dict[str, str]:
    """Patch the process for eventlet if `files` or the environment say so.

    Answers what overrides the files. An unknown word is left for the configuration to complain about.
    """
    forced = chosen = os.environ.get(ENVIRONMENT)
    for name in files if not forced else ():
        chosen = _in_file(Path(name)) or chosen
    if chosen is None and otherwise != "threads":
        forced = chosen = otherwise
    if chosen == "eventlet":
        import warnings

        warnings.filterwarnings("ignore", message="(?si).*eventlet")
        # psycopg 3 waits in C, which would stop every greenthread; select is patched.
        os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
        import eventlet

        eventlet.monkey_patch()
    return {"concurrency": forced} if forced else {}


def _in_file(path: Path) -> str | None:
    found, section = None, "DEFAULT"
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None  # the configuration will say so
    for line in lines:
        if head := _SECTION.match(line):
            section = head["name"].strip()
        elif section == "DEFAULT" and (match := _CONCURRENCY.match(line.strip())):
            found = match["value"]
    return found


def run(
    prog: str,
    files: Sequence[str],
    wire: Wire,
    overrides: Mapping[str, Any],
    on_ready: Callable[[], None] = lambda: None,
) -> int:
    """Read the configuration, wire the parts and live. One line on stderr and 2 for a bad configuration."""
    _collect_rarely()
    from novalite import log
    from novalite.conf import load
    from novalite.errors import ConfigError, NovaliteError

    def settled() -> None:
        _collect_normally()
        on_ready()

    try:
        for name in files:
            if not Path(name).is_file():
                raise ConfigError(reason=f"file {name} does not exist")
        conf = load.load(prog, files, overrides)
        log.setup(conf, prog)

        from novalite.daemon import Daemon
        from novalite.rpc.client import Client
        from novalite.rpc.connect import connect

        bus = connect(conf)
        daemon = Daemon(prog, conf, bus, wire(conf, bus, Client(bus)), settled)
        code = daemon.run()
    except ConfigError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    except NovaliteError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    if daemon.failure and log.log_path(conf, prog):
        print(f"{prog}: {daemon.failure}", file=sys.stderr)
    return code


def _collect_rarely() -> None:
    """Imports make many objects and no garbage: fewer collections start an all-in-one 0.1 s sooner."""
    import gc

    gc.set_threshold(50_000, 50, 50)


def _collect_normally() -> None:
    """Less often than Python does by itself, because a page of servers is tens of thousands of young objects and
    no garbage; what is loaded by now is never looked at again."""
    import gc

    gc.set_threshold(5_000, 10, 10)
    gc.freeze()


def leave(code: int) -> None:
    """End the process with `code`, also when threads of a library or of given-up work still run."""
    import logging

    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if any(t is not threading.main_thread() and not t.daemon for t in threading.enumerate()):
        os._exit(code)
    sys.exit(code)
