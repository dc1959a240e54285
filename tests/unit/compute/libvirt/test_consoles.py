"""The serial console's log: its end, across rotated files, and never more than it may take."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from novalite.compute.virt.libvirt.consoles import Rotation, rotate, tail
from novalite.errors import DriverError


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "guest"
    folder.mkdir()
    return folder / "console.log"


def test_log_that_is_not_there_yet_is_empty(log: Path) -> None:
    assert tail(log, 100) == b""


@pytest.mark.parametrize("most,seen", [(3, b"555"), (5, b"44555"), (8, b"33344555"), (99, b"2233344555")])
def test_end_reaches_back_into_rotated_files(log: Path, most: int, seen: bytes) -> None:
    for name, content in {"": b"555", ".0": b"44", ".1": b"333", ".2": b"22", ".4": b"lost"}.items():
        log.with_name(log.name + name).write_bytes(content)
    assert tail(log, most) == seen


def test_symbolic_link_is_not_followed(log: Path) -> None:
    log.symlink_to("/etc/passwd")
    with pytest.raises(DriverError, match="cannot be read"):
        tail(log, 10)


@pytest.mark.parametrize("keep,left", [(0, []), (1, ["3"]), (2, ["3", "2"])])
def test_as_many_rotated_files_are_kept_as_asked(log: Path, keep: int, left: list[str]) -> None:
    for content in ("1", "2", "3"):
        log.write_text(content)
        rotate(log, keep)
    kept = sorted(log.parent.glob("console.log.*"))
    assert [path.read_text() for path in kept] == left and log.read_text() == ""


def test_writer_goes_on_at_the_beginning_after_a_rotation(log: Path) -> None:
    with log.open("ab") as writer:  # opened as QEMU does: always at the end
        writer.write(b"before")
        writer.flush()
        rotate(log, 1)
        writer.write(b"after")
        writer.flush()
    assert log.read_bytes() == b"after" and tail(log, 99) == b"beforeafter"


def test_guest_that_writes_without_end_takes_bounded_space(log: Path) -> None:
    rotation = Rotation(log.parent.parent, limit=1000, keep=1, interval=0.01)
    rotation.start()
    try:
        with log.open("ab", buffering=0) as writer:
            for _ in range(200):
                writer.write(b"x" * 100)
                time.sleep(0.001)
        time.sleep(0.1)
    finally:
        rotation.stop()
    files = list(log.parent.iterdir())
    assert len(files) == 2 and sum(path.stat().st_size for path in files) < 10_000


def test_only_long_logs_are_rotated(log: Path) -> None:
    log.write_text("short")
    assert Rotation(log.parent.parent, limit=1000, keep=1, interval=1).look() == 0
    assert log.read_text() == "short"
