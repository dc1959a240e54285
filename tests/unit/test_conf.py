"""Configuration: defaults are good, every bad value is one sentence that names file, section and option."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from novalite.conductor import manager
from novalite.conf import load
from novalite.errors import ConfigError
from tests.unit.test_daemon import ROOT


def read(folder: Path, text: str) -> Any:
    """The configuration of a file with this text."""
    path = folder / "bad.conf"
    path.write_text(text)
    return load.load("novalite-test", [str(path)])


def test_defaults_are_good() -> None:
    conf = load.for_tests()
    for section in load.sections():
        where = conf[section.GROUP] if section.GROUP else conf
        for opt in section.OPTS:
            assert opt.help, f"[{section.GROUP}] {opt.name} has no help"
            where[opt.dest]


def test_the_last_file_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text("[api]\nport = 1234\nthreads = 3\n")
    second.write_text("[api]\nport = 4321\n")
    conf = load.load("novalite-test", [str(first), str(second)])
    assert (conf.api.port, conf.api.threads) == (4321, 3)


BAD = [
    # section, line, what the sentence says besides file, section and option
    ("DEFAULT", "report_interval = often", "could not convert string to float"),
    ("DEFAULT", "service_down_time = 0", "Should be greater than or equal to 0.1"),
    ("DEFAULT", "concurrency = fibres", "it must be one of threads, eventlet"),
    ("DEFAULT", "debug = perhaps", "Unexpected boolean value"),
    ("api", "port = 99999", "Should be less than or equal to 65535"),
    ("api", "listen = not a host", "not a host is not a valid host address"),
    ("api", "max_request_body_size = 1", "Should be greater than or equal to 1024"),
    ("conductor", "lease_seconds = -1", "Should be greater than or equal to 1"),
    ("conductor", "max_attempts = three", "invalid literal"),
    ("database", "pool_size = 0", "Should be greater than or equal to 1"),
    ("identity", "scrypt_cost = 1000", "it must be one of 1024, 2048, 4096,"),
    ("images", "image_size_cap = big", "invalid literal"),
    ("quota", "cores = -2", "Should be greater than or equal to -1"),
    ("compute", "max_concurrent_builds = 0", "Should be greater than or equal to 1"),
    ("libvirt", "virt_type = xen", "it must be one of auto, kvm, qemu"),
    ("scheduler", "workers = none", "invalid literal"),
    ("rpc", "quorum = maybe", "Unexpected boolean value"),
]


@pytest.mark.parametrize(("section", "line", "words"), BAD, ids=lambda value: str(value))
def test_a_bad_value_is_named(tmp_path: Path, section: str, line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"[{section}]\n{line}\n")
    said = str(caught.value)
    assert f"{tmp_path / 'bad.conf'}: [{section}] {line.partition(' ')[0]}: {words}" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 1\n", "No sections"),
        ("[api]\nport 1\n", "port 1"),
        ("[api\nport = 1\n", "[api"),
        ("\x00\xff", "bad.conf"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    said = str(caught.value)
    assert str(tmp_path / "bad.conf") in said
    assert words in said or words == "No sections"
    assert "\n" not in said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "connection"),
        ("oracle://u:hunter2@h/d", "connection"),
        ("postgresql+nodriver://u:hunter2@h/d", "connection"),
        ("sqlite", "connection"),
    ],
)
def test_a_database_url_that_cannot_be_is_named(tmp_path: Path, url: str, words: str) -> None:
    conf = read(tmp_path, f"[database]\nconnection = {url}\n")
    with pytest.raises(ConfigError) as caught:
        manager.open_database(conf)
    said = str(caught.value)
    assert "[database]" in said and words in said and "\n" not in said
    assert "hunter2" not in said, "a password is never told"


DAEMONS = ("api", "conductor", "scheduler", "compute")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_daemon_ends_with_2_and_one_line(tmp_path: Path, daemon: str) -> None:
    path = tmp_path / "bad.conf"
    path.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n[conductor]\nmax_attempts = three\n")
    done = subprocess.run(
        [sys.executable, "-m", f"novalite.cmd.{daemon}", "--config-file", str(path)],
        capture_output=True, text=True, timeout=60, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"novalite-{daemon}: Configuration: ")
    assert f"{path}: [conductor] max_attempts: " in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.conf"], "nothing was started"
