"""novalite-manage: what an operator does to a cloud beside using it. Opens the database itself.

Exit code: 0 done, 1 it did not work or `db check` found something, 2 bad arguments or configuration.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts

    from novalite.db.session import Database

PROG = "novalite-manage"
PASSWORD = "NOVALITE_ADMIN_PASSWORD"
"""Environment variable that holds the administrator's password, where it should not be seen in `ps`."""

Command = Callable[["ConfigOpts", argparse.Namespace], int]


# --- arguments ---------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """Every command with its arguments."""
    made = _boot.parser(PROG, "Manage the database and the first records of a novalite cloud.")
    groups = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _database(groups)
    _bootstrap(groups)
    for name, what, sample in (
        ("config", "the configuration", config_sample),
        ("policy", "the policy", policy_sample),
    ):
        group = groups.add_parser(name, help=f"a sample of {what}")
        kinds = group.add_subparsers(metavar="COMMAND", required=True)
        _command(kinds, "sample", f"print every option of {what} with its default", sample)
    api = _command(groups, "openapi", "print the OpenAPI document of a microversion", openapi)
    api.add_argument("version", nargs="?", default="latest", help="such as 2.90 (default: latest)")
    simulated = _command(groups, "simulate", "a made-up workload against the real scheduler and claims", simulate)
    simulated.add_argument("--hosts", type=_positive, default=1000, help="(default: 1000)")
    simulated.add_argument("--events", type=_positive, default=2000, help="servers that come and go (default: 2000)")
    simulated.add_argument("--seed", type=int, default=1, help="the same seed gives the same result (default: 1)")
    simulated.add_argument("--fill", type=_share, default=0.0, help="per cent of each host taken before (default: 0)")
    pci = groups.add_parser("pci", help="PCI devices of hosts").add_subparsers(metavar="COMMAND", required=True)
    listed = _command(pci, "list", "every device that guests may have, and who has it", pci_list)
    listed.add_argument("--host", help="of this host only")
    _placement(groups)
    _command(groups, "reference", "print the reference of the compute API as one HTML page", reference)
    return made


def _command(group: Any, name: str, what: str, run: Command) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = group.add_parser(name, help=what, description=what)
    made.set_defaults(run=run)
    return made


def _database(groups: Any) -> None:
    group = groups.add_parser("db", help="the database").add_subparsers(metavar="COMMAND", required=True)
    _command(group, "sync", "create or upgrade the tables", db_sync)
    _command(group, "version", "print the revision of the database and of this release", db_version)
    _command(group, "check", "compare the tables with this release and the rows with each other", db_check)
    backup = _command(
        group, "backup", "write a consistent copy to a file, also while the cloud runs", db_backup
    )
    backup.add_argument("file", type=Path)
    backup.add_argument(
        "--portable",
        action="store_true",
        help="a dump that restores into any kind of database (the default but for SQLite)",
    )
    backup.add_argument("--force", action="store_true", help="replace the file if there is one")
    restore = _command(group, "restore", "load a backup; stop all conductors first", db_restore)
    restore.add_argument("file", type=Path)
    restore.add_argument("--force", action="store_true", help="replace everything that is in the database")
    purge = _command(group, "purge", "delete for good what ended long ago", db_purge)
    purge.add_argument("--days", type=_days, default=90, help="how long ago (default: 90)")
    revision = _command(group, "revision", "write a new step for the schema from the models", db_revision)
    revision.add_argument("message")


def _placement(groups: Any) -> None:
    group = groups.add_parser("placement", help="who holds what of hosts").add_subparsers(
        metavar="COMMAND", required=True
    )
    audit = _command(group, "audit", "find places held for nothing; exit code 3 found, 4 all deleted", placement_audit)
    audit.add_argument("--delete", action="store_true", help="give them back")
    heal = _command(
        group, "heal_allocations", "give servers the place they live on; exit code 4 nothing to do", placement_heal
    )
    heal.add_argument("--dry-run", action="store_true", help="only tell")


def _days(value: str) -> int:
    if not value.isdigit() or int(value) > 36500:
        raise argparse.ArgumentTypeError("it must be a number of days")
    return int(value)


def _bootstrap(groups: Any) -> None:
    made = _command(
        groups, "bootstrap", "make the administrator, roles and the catalog; may be repeated", bootstrap
    )
    made.add_argument("--password", help=f"of the user admin; else ${PASSWORD}, else it is asked for")
    made.add_argument(
        "--public-url", required=True, help="where clients reach the API, such as http://host:8774"
    )
    made.add_argument("--region", default="RegionOne")


# --- commands ----------------------------------------------------------------------------------


@contextmanager
def opened(conf: ConfigOpts) -> Iterator[Database]:
    """The configured database, closed at the end."""
    from novalite.conductor.manager import open_database

    db = open_database(conf)
    try:
        yield db
    finally:
        db.close()


def db_sync(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Create or upgrade the tables."""
    from novalite.db import schema

    with opened(conf) as db:
        before, after = schema.sync(db)
    print(f"at revision {after}" + (" already" if before == after else f" (before: {before or 'empty'})"))
    return 0


def db_version(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print both revisions."""
    from novalite.db import schema

    with opened(conf) as db:
        print(f"database: {schema.version(db) or 'none'}")
    print(f"release:  {schema.head()}")
    return 0


def db_check(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print what is wrong."""
    from novalite.db import check, schema

    with opened(conf) as db:
        found = check.check(db)
    for sentence in found:
        print(sentence)
    if not found:
        print(f"The database is sound, at revision {schema.head()}.")
    return 1 if found else 0


def db_backup(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Write a copy."""
    from novalite.db.backup import backup

    with opened(conf) as db:
        size = backup(db, args.file, args.portable, args.force)
    print(f"{args.file}: {size} bytes")
    return 0


def db_restore(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Load a copy."""
    from novalite.db import schema
    from novalite.db.backup import restore

    with opened(conf) as db:
        revision = restore(db, args.file, args.force)
    print(f"restored from revision {revision}, at revision {schema.head()} now")
    return 0


def db_purge(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Forget the past."""
    from novalite.db import schema
    from novalite.db.models.base import now
    from novalite.db.purge import purge

    with opened(conf) as db:
        schema.require(db)
        gone = purge(db, now() - timedelta(days=args.days))
    print(", ".join(f"{count} {name}" for name, count in sorted(gone.items())) + " deleted")
    return 0


def db_revision(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Write the next step."""
    from novalite.db import schema

    print(schema.new_revision(args.message))
    return 0


def bootstrap(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Make the first records."""
    from novalite.conductor.bootstrap import bootstrap as make
    from novalite.db import schema
    from novalite.errors import ConfigError

    password = args.password or os.environ.get(PASSWORD) or _ask()
    if not password:
        raise ConfigError(reason="the administrator's password is empty.")
    if not args.public_url.startswith(("http://", "https://")):
        raise ConfigError(reason=f"--public-url must begin with http:// or https://, not {args.public_url}.")
    with opened(conf) as db:
        schema.require(db)
        network = conf.networks.service == "embedded"
        make(db, password, args.public_url, args.region, network=network)
    print(f"administrator, roles and catalog are there; clients begin at {args.public_url}/identity/v3")
    return 0


def _ask() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password of admin: ")
    return sys.stdin.readline().rstrip("\n")


def config_sample(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print novalite.conf with every option commented out."""
    from novalite.conf import load, sample

    print(sample.text(load.sections()), end="")
    return 0


def policy_sample(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print policy.yaml with every rule commented out."""
    from novalite.api.app import rules
    from novalite.conf import sample

    print(sample.policy(rules()), end="")
    return 0


def openapi(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print the compute API of one microversion as OpenAPI 3.1."""
    import orjson

    from novalite.api.app import routes, rules
    from novalite.api.openapi import document, minor_of
    from novalite.errors import BadRequest

    try:
        minor = minor_of(args.version)
    except BadRequest as error:
        print(f"{PROG}: {error.sentence}", file=sys.stderr)
        return 2
    print(orjson.dumps(document(routes(), rules(), minor), option=orjson.OPT_INDENT_2).decode())
    return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("must be a number above 0")
    return int(text)


def _share(text: str) -> float:
    if not text.isdecimal() or int(text) > 100:
        raise argparse.ArgumentTypeError("must be a number of per cent, 0 to 100")
    return int(text) / 100


def simulate(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """What a made-up workload would do to hosts, with the filters and weighers that are configured. Touches no cloud:
    the database is made for it and goes with it. The last line is one JSON object."""
    import json
    from dataclasses import asdict

    from novalite.cmd.simulation import simulate as run

    found = run(conf, args.hosts, args.events, args.seed, args.fill, lambda what: print(what, file=sys.stderr))
    print(json.dumps({"hosts": args.hosts, "seed": args.seed, "events": args.events, **asdict(found)}))
    return 1 if found.problems else 0


def pci_list(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print a line for each device."""
    from novalite.cmd.pci import lines
    from novalite.db import schema

    with opened(conf) as db:
        schema.require(db)
        for line in lines(db, args.host):
            print(line)
    return 0


def placement_audit(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print what is held for nothing."""
    from novalite.cmd.placement import audited

    with opened(conf) as db:
        return _told(*audited(db, args.delete))


def placement_heal(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print servers without a place."""
    from novalite.cmd.placement import healed

    with opened(conf) as db:
        return _told(*healed(db, args.dry_run))


def _told(sentences: list[str], code: int) -> int:
    for sentence in sentences:
        print(sentence)
    return code


def reference(conf: ConfigOpts, args: argparse.Namespace) -> int:
    """Print the reference page of the compute API."""
    from novalite.api.app import routes, rules
    from novalite.api.reference import page

    print(page(routes(), rules()), end="")
    return 0


# --- main --------------------------------------------------------------------------------------


def run(argv: Sequence[str] | None = None) -> int:
    """Do one command; one line on stderr for everything that is foreseen."""
    args = parser().parse_args(argv)
    import logging

    from novalite.conf import load
    from novalite.errors import ConfigError, NovaliteError

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        for name in args.config_files:
            if not Path(name).is_file():
                raise ConfigError(reason=f"file {name} does not exist")
        conf = load.load(PROG, args.config_files or _boot.default_files())
        code: int = args.run(conf, args)
        return code
    except NovaliteError as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        print(f"{PROG}: interrupted", file=sys.stderr)
        return 1


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point."""
    sys.exit(run(argv))


if __name__ == "__main__":
    main()
