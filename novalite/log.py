"""Log records that say which request they belong to; formats, files and system logs.

`bind(ctx)` is entered by whoever serves a request (API middleware, RPC dispatcher, periodic runner)
and `about(server_id)` by whoever works on one server; every record logged inside carries request id,
user, project and server. Passwords and tokens are starred in whatever is written.

The standard library does the work (docs/decisions/0002-logging.md says why); option names are those
of oslo.log where the meaning is the same.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from novalite.context import Context
from novalite.errors import ConfigError

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts

JOURNAL_SOCKET = "/run/systemd/journal/socket"
SYSLOG_SOCKET = "/dev/log"
TEXT_FORMAT = "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(where)s] %(message)s"

_CURRENT: ContextVar[Context | None] = ContextVar("novalite_context", default=None)
_SERVER: ContextVar[str | None] = ContextVar("novalite_server", default=None)


@contextmanager
def bind(ctx: Context | None) -> Iterator[None]:
    """Records logged by this thread inside the block belong to `ctx`."""
    token = _CURRENT.set(ctx)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def about(server_id: str | None) -> Iterator[None]:
    """Records logged by this thread inside the block concern this server."""
    token = _SERVER.set(server_id)
    try:
        yield
    finally:
        _SERVER.reset(token)


def current() -> Context | None:
    """The context bound last, None outside any request."""
    return _CURRENT.get()


# --- secrets -----------------------------------------------------------------------------------

_SECRET_WORDS = re.compile(r"pass|secret|token|private_key|://", re.IGNORECASE)
# Users choose much of what is logged: a pattern here must not begin with a repeat, or it takes the square
# of a line's length.
_SECRET_PAIR = re.compile(
    r"""(?P<key>(?:adminpass|admin_pass|passw(?:or)?d|secret|secret_key|private_key|token)["']?\s*[:=]\s*)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:Bearer\s+)?[^\s,;&})\]]+)""",
    re.IGNORECASE,
)
_SECRET_URL = re.compile(r"(://[^:/@\s]{0,255}:)[^@\s]{1,1024}@")
_SECRET_PATH = re.compile(r"(/os-console-auth-tokens/|token%3D)[^\s/?&\"']+", re.IGNORECASE)
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    9: "\t",
    10: "\\n",
    13: "\\r",
}
"""A path or name of a user's must not begin a line that looks like one of ours, nor steer a terminal."""


def mask(text: str) -> str:
    """`text` with the values of password, secret and token fields, and passwords in URLs, starred."""
    if not _SECRET_WORDS.search(text):
        return text
    text = _SECRET_PATH.sub(r"\1***", _SECRET_URL.sub(r"\1***@", text))
    return _SECRET_PAIR.sub(r"\g<key>***", text)


# --- formats -----------------------------------------------------------------------------------


def _facts(record: logging.LogRecord) -> dict[str, str]:
    """What the record belongs to, as far as known; a record may name its own `server_id`."""
    ctx = _CURRENT.get()
    server = getattr(record, "server_id", None) or _SERVER.get()
    found = {
        "request_id": ctx and ctx.request_id,
        "global_request_id": ctx and ctx.global_request_id,
        "user_id": ctx and ctx.user_id,
        "project_id": ctx and ctx.project_id,
        "server_id": server,
    }
    return {name: value for name, value in found.items() if value}


class TextFormatter(logging.Formatter):
    """One line for people, `-` where there is no request; a traceback follows on its own lines."""

    def __init__(self, with_time: bool = True) -> None:
        form = TEXT_FORMAT if with_time else TEXT_FORMAT.partition("%(process)d ")[2]
        super().__init__(form, datefmt="%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        facts = _facts(record)
        who = [facts.get("request_id", "-"), facts.get("user_id", ""), facts.get("project_id", "")]
        if "server_id" in facts:
            who.append(f"server {facts['server_id']}")
        record.where = " ".join(part for part in who if part)
        return mask(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_CONTROL)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object per line, times in UTC."""

    def __init__(self, prog: str, host: str) -> None:
        super().__init__()
        self.base = {"program": prog, "host": host}

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": mask(record.getMessage()),
            **_facts(record),
            **self.base,
            "pid": record.process,
            "thread": record.threadName,
        }
        if record.exc_info and record.exc_info[0]:
            entry["error"] = record.exc_info[0].__name__
            entry["traceback"] = mask("".join(traceback.format_exception(*record.exc_info)))
        return orjson.dumps(entry, default=str).decode()


class JournalHandler(logging.Handler):
    """systemd's journal in its own datagram protocol, so that request, user and server are fields.

    journalctl REQUEST_ID=req-… then finds one request over all daemons of a host.
    """

    PRIORITIES = ((50, 2), (40, 3), (30, 4), (20, 6), (0, 7))
    LONGEST = 120_000
    """Bytes of one field; larger datagrams are refused by the kernel."""

    def __init__(self, prog: str, path: str = JOURNAL_SOCKET) -> None:
        super().__init__()
        self.prog, self.path = prog, path
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.link.connect(path)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(b"".join(self._field(k, v) for k, v in self._fields(record).items()))
        except Exception:
            self.handleError(record)

    def _send(self, datagram: bytes) -> None:
        try:
            self.link.send(datagram)
        except (ConnectionRefusedError, FileNotFoundError):  # the journal was restarted
            self.link.connect(self.path)
            self.link.send(datagram)

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        message = mask(record.getMessage())
        if record.exc_info:
            message += "\n" + mask("".join(traceback.format_exception(*record.exc_info)))
        priority = next(number for level, number in self.PRIORITIES if record.levelno >= level)
        return {
            "MESSAGE": message,
            "PRIORITY": str(priority),
            "SYSLOG_IDENTIFIER": self.prog,
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            **{name.upper(): value for name, value in _facts(record).items()},
        }

    def _field(self, name: str, value: str) -> bytes:
        data = value.encode(errors="replace")[: self.LONGEST]
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"

    def close(self) -> None:
        self.link.close()
        super().close()


# --- setting up ----------------------------------------------------------------------------------


def setup(conf: ConfigOpts, prog: str) -> None:
    """Send every record where `conf` says. Replaces earlier handlers; ConfigError when a place is missing."""
    made = _handlers(conf, prog)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in made:
        root.addHandler(handler)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a full disk must not fill stderr with tracebacks
    set_levels(conf)


def set_levels(conf: ConfigOpts) -> None:
    """Apply `debug` and `default_log_levels`; again after SIGHUP."""
    logging.getLogger().setLevel(logging.DEBUG if conf.debug else logging.INFO)
    for pair in conf.default_log_levels:
        name, _, level = pair.partition("=")
        number = logging.getLevelName(level.strip().upper())
        if not isinstance(number, int):
            raise ConfigError(reason=f"[DEFAULT] default_log_levels: {pair} is not logger=LEVEL")
        logging.getLogger(name.strip()).setLevel(number)


def _handlers(conf: ConfigOpts, prog: str) -> list[logging.Handler]:
    made: list[logging.Handler] = []
    formatter = JsonFormatter(prog, conf.host) if conf.log_format == "json" else TextFormatter()
    try:
        if path := log_path(conf, prog):
            made.append(_file_handler(conf, path))
        if conf.use_journal:
            made.append(JournalHandler(prog))
        if conf.use_syslog:
            made.append(_syslog_handler(conf, prog))
        if not made:
            made.append(logging.StreamHandler(sys.stderr))
    except (OSError, ValueError) as error:
        raise ConfigError(reason=f"[DEFAULT] log: {error}") from error
    for handler in made:
        if handler.formatter is None:
            handler.setFormatter(formatter)
    return made


def log_path(conf: ConfigOpts, prog: str) -> Path | None:
    """The log file `conf` asks for, None when it asks for none."""
    if not conf.log_file and not conf.log_dir:
        return None
    return Path(conf.log_dir or ".", conf.log_file or f"{prog}.log").absolute()


def _file_handler(conf: ConfigOpts, path: Path) -> logging.Handler:
    from logging import handlers

    path.parent.mkdir(parents=True, exist_ok=True)
    if conf.log_rotation_type == "size":
        return handlers.RotatingFileHandler(
            path, maxBytes=conf.max_logfile_size_mb << 20, backupCount=conf.max_logfile_count
        )
    if conf.log_rotation_type == "interval":
        return handlers.TimedRotatingFileHandler(path, when="midnight", backupCount=conf.max_logfile_count)
    return handlers.WatchedFileHandler(path)


def _syslog_handler(conf: ConfigOpts, prog: str) -> logging.Handler:
    from logging.handlers import SysLogHandler

    if conf.syslog_log_facility not in SysLogHandler.facility_names:
        raise ConfigError(
            reason=f"[DEFAULT] syslog_log_facility: {conf.syslog_log_facility} is no facility of syslog"
        )
    if not os.path.exists(SYSLOG_SOCKET):
        raise ConfigError(reason=f"[DEFAULT] use_syslog: {SYSLOG_SOCKET} does not exist; is syslog running?")
    handler = SysLogHandler(SYSLOG_SOCKET, facility=conf.syslog_log_facility)
    handler.ident = f"{prog}[{os.getpid()}]: "
    if conf.log_format == "text":
        handler.setFormatter(TextFormatter(with_time=False))
    return handler
