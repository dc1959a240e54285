"""Engines and transactions: `begin()` to write, `read()` to read, `run()` to write and survive a deadlock."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from novalite.errors import BadRequest, ConfigError, DatabaseBusy, DatabaseUnreachable

LOG = logging.getLogger(__name__)
T = TypeVar("T")

IDLE_SECONDS = 5.0

_MARIADB = {
    "connect_timeout": 5,
    "read_timeout": 600,
    "write_timeout": 60,
    "init_command": "SET innodb_lock_wait_timeout = 30",
}
CONNECT: dict[str, dict[str, Any]] = {
    "postgresql": {
        "connect_timeout": 5,
        "tcp_user_timeout": 30_000,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "options": "-c lock_timeout=30s",
        "prepare_threshold": 2,
    },
    "mysql": _MARIADB,
    "mariadb": _MARIADB,
}
"""Deadlines of a connection: a server that vanished and a lock nobody lets go of end in an error. A statement
may take its time on purpose (a revision of the schema), so it has none but MariaDB's silence of ten minutes.
PostgreSQL takes half as long for a statement that it has prepared, so what comes a third time is (psycopg waits for
five times by itself, on each connection)."""

RETRY_CODES = {"40001", "40P01", "55P03", "1205", "1213", "1020"}
"""Serialisation failure, deadlock and lock time-out: SQLSTATE of PostgreSQL, error numbers of MariaDB."""

PATTERN_CODES = {"2201B", "1139"}
"""A regular expression, from a user's filter, that this database cannot read; its syntax differs by kind."""


class Database:
    """One database, by URL. Thread-safe; one per process.

    Raises ConfigError for a URL that names no driver, DatabaseUnreachable when a connection is
    refused or lost, DatabaseBusy when `run` gave up on deadlocks.
    """

    make_engine: Callable[..., Engine] = staticmethod(create_engine)
    """SQLAlchemy's, unless a process that opens many databases has a thriftier one (`tests/engines.py`)."""

    def __init__(self, url: str, pool_size: int = 16, pool_timeout: int = 30, max_retries: int = 8) -> None:
        self.max_retries = max_retries
        try:
            self.url = make_url(url)
            self.dialect = self.url.get_backend_name()
            self.engine = self._engine(pool_size, pool_timeout)
        except (DBAPIError, ConfigError):
            raise
        except Exception as error:
            raise ConfigError(reason=f"[database] connection: {error}") from error
        # SQLite lets one writer in and backs off unfairly (1.5 s tails); waiting here is fair and quick.
        self._writer: Any = threading.Lock() if self.dialect == "sqlite" else nullcontext()
        self._for_writing = self.engine.execution_options(write=True)
        self._for_reading, self._for_one = self.engine, self._for_writing
        if self.dialect == "postgresql":  # each statement sees what is committed then, with BEGIN or without it
            self._for_reading = self._for_one = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._counted: int | None = None

    def _engine(self, pool_size: int, pool_timeout: int) -> Engine:
        options: dict[str, Any] = {"pool_timeout": pool_timeout}
        if self.dialect == "sqlite":
            options |= {"connect_args": {"check_same_thread": False, "timeout": 5.0}}
            if self.url.database not in (None, "", ":memory:"):
                options |= {"pool_size": pool_size, "max_overflow": pool_size}
        else:
            options |= {
                "pool_size": pool_size,
                "max_overflow": 4,
                "pool_recycle": 1800,
                "pool_use_lifo": True,  # few connections do most of the work, and know its statements
            }
            options |= {"isolation_level": "READ COMMITTED"}
            options |= {"connect_args": {**CONNECT.get(self.dialect, {}), **self._cursor()}}
        engine = self.make_engine(self.url, **options)
        if self.dialect == "sqlite":
            event.listen(engine, "connect", _sqlite_connect)
            event.listen(engine, "begin", _sqlite_begin)
        else:
            event.listen(engine, "checkout", _ping_if_idle)
            event.listen(engine, "checkin", _note_use)
        return engine

    def _cursor(self) -> dict[str, Any]:
        if self.dialect != "postgresql" or self.url.get_driver_name() != "psycopg":
            return {}
        from novalite.db.postgresql import Cursor  # psycopg is there only where it is needed

        return {"cursor_factory": Cursor}

    @property
    def statements(self) -> int:
        """Statements since the first time this was asked. Nobody counts before: an engine that somebody listens
        to takes a third longer for each."""
        if self._counted is None:
            self._counted = 0
            event.listen(self.engine, "before_cursor_execute", self._count)
        return self._counted

    def _count(self, *_: Any) -> None:
        self._counted = (self._counted or 0) + 1

    @contextmanager
    def begin(self, one: bool = False) -> Iterator[Session]:
        """A write transaction: committed at the end of the block, rolled back by an error. `one`: of one statement
        wherever UPDATE can answer rows, so that PostgreSQL is spared BEGIN and COMMIT."""
        with (
            self._writer,
            _translated(),
            Session(self._for_one if one else self._for_writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """For statements that write nothing. Only on SQLite do several see the same moment."""
        with _translated(), Session(self._for_reading, expire_on_commit=False) as session:
            yield session

    def run(self, work: Callable[[Session], T], one: bool = False) -> T:
        """`work(session)` in a write transaction, again after a deadlock; it must have no other effect. `one` as in
        `begin`."""
        for attempt in range(self.max_retries + 1):
            try:
                with self.begin(one) as session:
                    return work(session)
            except DatabaseBusy:
                if attempt == self.max_retries:
                    raise
                time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))
        raise DatabaseBusy()

    def ping(self) -> None:
        """Raise DatabaseUnreachable unless the database answers."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def run_statement(session: Session, statement: Executable, **params: Any) -> Any:
    """Execute a statement that was built once, with values for its bind parameters.

    Past the ORM: building and inspecting a statement costs more than running it, and those of a boot
    run all day. Names of parameters in conditions begin with `b_`; the others are columns to set.
    """
    connection = session.info.get(_CONNECTION)
    if connection is None or connection.closed:  # looking it up is half as dear as a statement
        connection = session.info[_CONNECTION] = session.connection()
    return connection.execute(statement, params)


_CONNECTION = "connection"


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ping_if_idle(connection: Any, record: Any, proxy: Any) -> None:
    """A connection that rested may be dead (restart, firewall); one that was just used need not be asked."""
    if time.monotonic() - record.info.get("used", 0.0) < IDLE_SECONDS:
        return
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.rollback()
    except Exception as error:
        raise DisconnectionError() from error


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    # A deferred BEGIN that reads and then writes fails at once when another process wrote in between.
    write = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    """Tell deadlocks (worth another try) and lost connections from programming errors."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseBusy() from error
    except (OperationalError, InterfaceError, DBAPIError) as error:
        codes = _codes(error.orig)
        if codes & PATTERN_CODES:
            raise BadRequest("The database does not understand that regular expression.") from error
        if codes & RETRY_CODES or "database is locked" in str(error.orig):
            raise DatabaseBusy() from error
        if error.connection_invalidated or isinstance(error, InterfaceError | OperationalError):
            raise DatabaseUnreachable(reason=str(error.orig).strip().splitlines()[0]) from error
        raise


def _codes(error: BaseException | None) -> set[str]:
    """SQLSTATE and error number: MariaDB's SQLSTATE tells a lock time-out from nothing else (HY000)."""
    if error is None:
        return set()
    return {str(getattr(error, "sqlstate", None)), str(error.args[0] if error.args else None)}
