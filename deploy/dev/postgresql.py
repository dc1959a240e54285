"""A private PostgreSQL server: fast and forgetful, for tests and for trying."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

from deploy.dev.processes import Daemon, need
from deploy.dev.service import Service

FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=64MB",
    "max_connections=300",
)


class PostgreSQL(Service):
    """One server on a UNIX socket and a port of 127.0.0.1; every database is one call away."""

    name = "postgresql"
    user = "novalite"

    def start(self) -> Self:
        """Create the cluster on first use, start the server, return when it answers."""
        self.prepare()
        if not (self.data / "db" / "PG_VERSION").exists():
            self._initialise()
        self._server().start().wait_until("PostgreSQL", self._answers, 60)
        return self

    def end(self) -> None:
        """Stop at once, without waiting for clients to leave."""
        self._server().stop()

    def kill(self) -> None:
        """SIGKILL; `start()` recovers."""
        self._server().kill()

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.end()
        self.start()

    @property
    def pids(self) -> list[int]:
        """The processes we started, for tests that look for left-overs."""
        pid = self._server().pid
        return [] if pid is None else [pid]

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{self.user}@127.0.0.1:{self.port('sql')}/{database}"

    def create_database(self, database: str | None = None) -> str:
        """Make an empty database (a new name when none is given); returns its URL."""
        database = database or f"t{secrets.token_hex(6)}"
        self.run_sql(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def ensure_database(self, database: str) -> str:
        """Make the database unless it exists; returns its URL."""
        if not self.run_sql(f"SELECT 1 FROM pg_database WHERE datname = '{database}'").strip():
            self.create_database(database)
        return self.url(database)

    def drop_database(self, url_or_name: str) -> None:
        """Remove a database, whoever is connected."""
        self.run_sql(f'DROP DATABASE IF EXISTS "{url_or_name.rpartition("/")[2]}" WITH (FORCE)')

    def run_sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement; rows come back as lines."""
        words = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]
        done = self._run("psql", *self._client(), "-d", database, *words)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout

    def _answers(self) -> bool:
        return self._run("pg_isready", "-q", *self._client()).returncode == 0

    def _client(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port("sql")), "-U", self.user]

    def _initialise(self) -> None:
        db = self.data / "db"
        shutil.rmtree(db, ignore_errors=True)
        db.mkdir(mode=0o700)
        if os.geteuid() == 0:
            owner = self._owner()
            os.chown(db, owner.pw_uid, owner.pw_gid)
        words = ["-D", str(db), "-U", self.user, "-A", "trust", "-E", "UTF8"]
        done = self._run("initdb", *words, "--locale=C.UTF-8", "--no-sync", as_owner=True)
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stderr.strip()}")

    def _server(self) -> Daemon:
        # Named sockets need short paths, and clients are given the TCP port anyway.
        where = ("listen_addresses=127.0.0.1", f"port={self.port('sql')}", "unix_socket_directories=")
        words = [word for option in (*FAST, *where) for word in ("-c", option)]
        argv = [*self._as_owner(), _program("postgres"), "-D", str(self.data / "db"), *words]
        return Daemon("postgresql", self.state, argv, stop_signal=signal.SIGINT)

    def _run(
        self, program: str, *words: str, as_owner: bool = False
    ) -> subprocess.CompletedProcess[str]:
        prefix = self._as_owner() if as_owner else []
        return subprocess.run(
            [*prefix, _program(program), *words], capture_output=True, text=True, timeout=60, cwd="/"
        )

    def _as_owner(self) -> list[str]:
        """PostgreSQL refuses root: become its user, keeping the right to reach our folder."""
        if os.geteuid() != 0:
            return []
        owner = self._owner()
        return [
            need("setpriv", "util-linux"),
            f"--reuid={owner.pw_uid}",
            f"--regid={owner.pw_gid}",
            "--clear-groups",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override",
        ]

    @staticmethod
    def _owner() -> pwd.struct_passwd:
        try:
            return pwd.getpwnam("postgres")
        except KeyError:
            return pwd.getpwnam("nobody")


def _program(name: str) -> str:
    """The newest installed version's program; Debian keeps servers out of PATH."""
    versions = Path("/usr/lib/postgresql")
    found = sorted(versions.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return need(name, "postgresql", *(str(path) for path in found))
