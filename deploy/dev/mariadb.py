"""A private MariaDB server: fast and forgetful, for tests and for trying."""

from __future__ import annotations

import getpass
import secrets
import shutil
import subprocess
from typing import Self

from deploy.dev.processes import Daemon, need
from deploy.dev.service import Service

FAST = (
    "--skip-name-resolve",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--max-connections=300",
)


class MariaDB(Service):
    """One server on a UNIX socket and a port of 127.0.0.1; every database is one call away."""

    name = "mariadb"
    user = password = "novalite"

    def start(self) -> Self:
        """Create the data folder on first use, start the server, return when it answers."""
        self.prepare()
        if not (self.data / "installed").exists():
            self._initialise()
        self._server().start().wait_until("MariaDB", self._answers, 60)
        return self

    def end(self) -> None:
        """Stop the server."""
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
        login = f"{self.user}:{self.password}@127.0.0.1:{self.port('sql')}"
        return f"mysql+pymysql://{login}/{database}?charset=utf8mb4"

    def create_database(self, database: str | None = None) -> str:
        """Make an empty database (a new name when none is given); returns its URL."""
        database = database or f"t{secrets.token_hex(6)}"
        self.run_sql(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
        return self.url(database)

    def ensure_database(self, database: str) -> str:
        """Make the database unless it exists; returns its URL."""
        self.run_sql(f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4")
        return self.url(database)

    def drop_database(self, url_or_name: str) -> None:
        """Remove a database."""
        name = url_or_name.partition("?")[0].rpartition("/")[2]
        self.run_sql(f"DROP DATABASE IF EXISTS `{name}`")

    def run_sql(self, statement: str) -> str:
        """Run one statement; rows come back as lines."""
        done = self._client("--batch", "--skip-column-names", "-e", statement)
        if done.returncode:
            raise RuntimeError(f"mariadb: {done.stderr.strip()}")
        return done.stdout

    def _answers(self) -> bool:
        return self._client("-e", "SELECT 1").returncode == 0

    def _client(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = need("mariadb", "mariadb-client")
        login = ["--protocol=tcp", "--host=127.0.0.1", f"--port={self.port('sql')}"]
        return subprocess.run(
            [program, "--no-defaults", *login, f"--user={self.user}", *words],
            env={"MYSQL_PWD": self.password, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def _initialise(self) -> None:
        need("mariadbd", "mariadb-server")
        shutil.rmtree(self.data / "db", ignore_errors=True)
        login = f"'{self.user}'@'%' IDENTIFIED BY '{self.password}'"
        (self.data / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS {login};\nGRANT ALL ON *.* TO '{self.user}'@'%';\n"
        )
        done = subprocess.run(
            [
                need("mariadb-install-db", "mariadb-server"),
                "--no-defaults",
                f"--datadir={self.data / 'db'}",
                f"--user={getpass.getuser()}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db: {done.stdout}{done.stderr}")
        (self.data / "installed").touch()

    def _server(self) -> Daemon:
        argv = [
            need("mariadbd", "mariadb-server"),
            "--no-defaults",
            f"--datadir={self.data / 'db'}",
            f"--tmpdir={self.data / 'db'}",  # one that starts removes others' temporary tables from a common one
            f"--user={getpass.getuser()}",
            f"--socket={self.data / 'socket'}",
            f"--port={self.port('sql')}",
            "--bind-address=127.0.0.1",
            f"--init-file={self.data / 'init.sql'}",
            *FAST,
        ]
        return Daemon("mariadb", self.state, argv)
