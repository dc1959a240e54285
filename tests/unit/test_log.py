"""What a log line says, where it goes, and what it never says."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

import orjson
import pytest

from novalite import log
from novalite.conf.load import for_tests
from novalite.context import Context
from novalite.errors import ConfigError

CTX = Context(request_id="req-1", user_id="user-1", project_id="project-1", global_request_id="req-g")
LOG = logging.getLogger("novalite.test")


@pytest.fixture(autouse=True)
def own_logging():
    """Leave the process's handlers and levels as they were."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising
    logging.captureWarnings(False)


def set_up(**options: object) -> None:
    log.setup(for_tests({"host": "h1", **options}), "novalite-test")


def test_a_line_carries_request_user_project_and_server(tmp_path: Path):
    set_up(log_dir=str(tmp_path))
    with log.bind(CTX), log.about("server-1"):
        LOG.info("it %s", "works")
    LOG.info("nobody asked")
    first, second = (tmp_path / "novalite-test.log").read_text().splitlines()
    assert first.endswith("INFO novalite.test [req-1 user-1 project-1 server server-1] it works")
    assert second.endswith("INFO novalite.test [-] nobody asked")


def test_json_lines_carry_the_same_as_fields(tmp_path: Path):
    set_up(log_file=str(tmp_path / "x.log"), log_format="json")
    with log.bind(CTX):
        try:
            raise ValueError("broken")
        except ValueError:
            LOG.exception("failed", extra={"server_id": "server-2"})
    entry = orjson.loads((tmp_path / "x.log").read_text())
    assert entry["level"] == "ERROR" and entry["message"] == "failed"
    assert entry["request_id"] == "req-1" and entry["project_id"] == "project-1"
    assert entry["global_request_id"] == "req-g" and entry["server_id"] == "server-2"
    assert entry["host"] == "h1" and entry["program"] == "novalite-test"
    assert entry["error"] == "ValueError" and "broken" in entry["traceback"]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("adminPass=hunter2, name=a", "adminPass=***, name=a"),
        ('{"adminPass": "hun\\"ter2", "name": "a"}', '{"adminPass": ***, "name": "a"}'),
        ("{'password': 'hunter2'}", "{'password': ***}"),
        ("X-Auth-Token: hunter2abc and more", "X-Auth-Token: *** and more"),
        ("X-Subject-Token: Bearer hunter2", "X-Subject-Token: ***"),
        ("rabbit://guest:hunter2@h:5672/v", "rabbit://guest:***@h:5672/v"),
        ("postgresql+psycopg://u:hun/ter2@h/d", "postgresql+psycopg://u:***@h/d"),
        ("the token of the user expired", "the token of the user expired"),
        ("secret_key = hunter2", "secret_key = ***"),
        ("client_secret=hunter2", "client_secret=***"),
    ],
)
def test_secrets_are_starred(said: str, written: str):
    assert log.mask(said) == written


def test_secrets_in_tracebacks_are_starred(tmp_path: Path):
    set_up(log_dir=str(tmp_path))
    try:
        raise RuntimeError("cannot open mysql+pymysql://u:hunter2@h/d")
    except RuntimeError:
        LOG.exception("password=%s", "hunter2")
    assert "hunter2" not in (tmp_path / "novalite-test.log").read_text()


def test_a_moved_file_is_begun_again(tmp_path: Path):
    set_up(log_dir=str(tmp_path))
    path = tmp_path / "novalite-test.log"
    LOG.info("one")
    path.rename(tmp_path / "old.log")
    LOG.info("two")
    assert "one" in (tmp_path / "old.log").read_text() and "two" in path.read_text()


def test_a_file_is_rotated_by_size(tmp_path: Path):
    set_up(log_dir=str(tmp_path), log_rotation_type="size", max_logfile_size_mb=1, max_logfile_count=2)
    for _ in range(40):
        LOG.info("x" * 100_000)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"novalite-test.log{n}" for n in ("", ".1", ".2")]
    assert all(p.stat().st_size <= 1 << 20 for p in tmp_path.iterdir())


def test_the_journal_gets_fields(tmp_path: Path):
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        handler = log.JournalHandler("novalite-test", path)
        with log.bind(CTX):
            handler.emit(LOG.makeRecord(LOG.name, logging.WARNING, "f.py", 7, "two\nlines", (), None))
        handler.close()
        fields = parse_journal(journal.recv(1 << 17))
    assert fields["MESSAGE"] == "two\nlines" and fields["PRIORITY"] == "4"
    assert fields["SYSLOG_IDENTIFIER"] == "novalite-test" and fields["REQUEST_ID"] == "req-1"
    assert fields["USER_ID"] == "user-1" and fields["CODE_LINE"] == "7"


def parse_journal(datagram: bytes) -> dict[str, str]:
    fields = {}
    while datagram:
        name, _, rest = datagram.partition(b"\n")
        size = int.from_bytes(rest[:8], "little")
        fields[name.decode()] = rest[8 : 8 + size].decode()
        datagram = rest[9 + size :]
    return fields


def test_syslog_gets_the_line_without_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = str(tmp_path / "log")
    monkeypatch.setattr(log, "SYSLOG_SOCKET", path)  # the place of the system's socket, not our code
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(path)
        set_up(use_syslog=True, syslog_log_facility="local3")
        with log.bind(CTX):
            LOG.error("disk full")
        line = syslog.recv(65536).rstrip(b"\0").decode()
    assert line.startswith("<155>novalite-test[")
    assert line.endswith("ERROR novalite.test [req-1 user-1 project-1] disk full")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"use_syslog": True, "syslog_log_facility": "noise"}, "syslog_log_facility: noise is no facility"),
        ({"default_log_levels": ["a=LOUD"]}, "default_log_levels: a=LOUD is not logger=LEVEL"),
        ({"log_file": "/proc/nowhere/x.log"}, "/proc/nowhere"),
    ],
)
def test_a_bad_place_is_one_sentence(options: dict[str, object], sentence: str):
    with pytest.raises(ConfigError, match=sentence) as caught:
        set_up(**options)
    assert "\n" not in str(caught.value)


def test_levels_can_be_changed_while_running(tmp_path: Path):
    conf = for_tests({"log_dir": str(tmp_path), "default_log_levels": ["novalite.test=ERROR"]})
    log.setup(conf, "novalite-test")
    LOG.warning("not said")
    conf.set_override("default_log_levels", ["novalite.test=DEBUG"])
    log.set_levels(conf)
    LOG.debug("said")
    assert "said" in (text := (tmp_path / "novalite-test.log").read_text()) and "not said" not in text


def test_a_message_cannot_begin_a_line_of_its_own(tmp_path: Path):
    set_up(log_dir=str(tmp_path))
    LOG.info("GET %s", "/x\n2026-01-01 00:00:00.000 1 INFO root all is well\x1b[2J\x85")
    (line,) = (tmp_path / "novalite-test.log").read_text().splitlines()
    assert r"\n2026-01-01" in line and r"\x1b[2J\x85" in line


LONG = ("token/" + "a" * 60_000, "token " + "pass" * 15_000, "://" * 20_000, "://a:" * 12_000,
        "token=" * 10_000, "token='" * 9_000, 'secret:"\\' * 9_000)  # fmt: skip


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:7])
def test_masking_a_long_line_takes_no_time(text: str):
    began = time.thread_time()
    log.mask(text)
    assert time.thread_time() - began < 1.5
