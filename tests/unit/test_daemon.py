"""Daemons as processes: start, signals, health, end, and what a bad configuration says."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Running:
    """A daemon in a process of its own, its output in a file."""

    def __init__(self, folder: Path, module: str = "tests.unit.daemon_program", **environment: str) -> None:
        self.conf, self.output = folder / "d.conf", folder / "output"
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--config-file", str(self.conf)],
            stdout=self.output.open("ab"), stderr=subprocess.STDOUT, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip

    @property
    def said(self) -> str:
        return self.output.read_text()

    def until(self, check: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            assert self.process.poll() is None, f"ended early: {self.said}"
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def until_said(self, text: str) -> None:
        self.until(lambda: text in self.said)

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        self.tell(number)
        return self.process.wait(seconds)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def begin(*, ready: bool = True, **options: str) -> Running:
        made.append(Running(folder, **options))
        if ready:
            made[-1].until_said("ready\n")
        return made[-1]

    yield begin
    for daemon in made:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


def write(folder: Path, *lines: str) -> None:
    text = "\n".join(["[DEFAULT]", "host = h1", f"state_path = {folder}", *lines, ""])
    (folder / "d.conf").write_text(text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str = "/health") -> tuple[int, bytes]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_ends_in_order(start: Callable[..., Running], number: int):
    daemon = start()
    assert daemon.end(number) == 0
    assert "novalite-test ended\n" in daemon.said and "Traceback" not in daemon.said


def test_work_in_hand_is_finished_first(start: Callable[..., Running]):
    daemon = start(WORK="1.0")
    daemon.until_said("work begun")
    began = time.monotonic()
    assert daemon.end() == 0
    assert time.monotonic() - began < 5
    assert "work done" in daemon.said


def test_work_that_takes_too_long_is_left(folder: Path, start: Callable[..., Running]):
    write(folder, "graceful_shutdown_timeout = 0.3")
    daemon = start(WORK="30")
    daemon.until_said("work begun")
    began = time.monotonic()
    assert daemon.end() == 0
    assert time.monotonic() - began < 5
    assert "ended; unfinished work is left to others" in daemon.said and "work done" not in daemon.said


def test_asked_twice_it_ends_at_once(start: Callable[..., Running]):
    daemon = start(WORK="30")
    daemon.until_said("work begun")
    daemon.tell(signal.SIGTERM)
    daemon.until_said("work in hand has 60 seconds")
    began = time.monotonic()
    assert daemon.end() != 0
    assert time.monotonic() - began < 2


def test_options_are_logged_at_start_without_secrets(folder: Path, start: Callable[..., Running]):
    write(folder, "[database]", "connection = mysql+pymysql://u:hunter2@h/d")
    daemon = start()
    assert daemon.end() == 0
    assert "report_interval" in daemon.said and "connection" in daemon.said
    assert "hunter2" not in daemon.said


def test_sighup_takes_over_what_may_change(folder: Path, start: Callable[..., Running]):
    write(folder, "report_interval = 1000")
    daemon = start()
    write(folder, "report_interval = 0.05", "debug = true", "host = h2")
    daemon.tell(signal.SIGHUP)
    daemon.until_said("The configuration was read again; changed:")
    changed = daemon.said.rpartition("changed:")[2].partition("\n")[0]
    assert "report_interval" in changed and "debug" in changed
    daemon.until(lambda: daemon.said.count("tick\n") >= 3)
    assert daemon.end() == 0


def test_sighup_with_a_broken_file_changes_nothing(folder: Path, start: Callable[..., Running]):
    daemon = start()
    write(folder, "report_interval = often")
    daemon.tell(signal.SIGHUP)
    daemon.until_said("The configuration was not taken over:")
    assert daemon.end() == 0


def test_health_and_metrics(folder: Path, start: Callable[..., Running]):
    port = free_port()
    write(folder, f"health_port = {port}", "report_interval = 0.1")
    daemon = start()
    daemon.until(lambda: json.loads(ask(port)[1])["parts"]["post"]["heartbeat"] is not None)
    status, body = ask(port)
    facts = json.loads(body)
    assert status == 200 and facts["status"] == "ok" and facts["program"] == "novalite-test"
    status, body = ask(port, "/metrics")
    assert status == 200 and b'novalite_up{program="novalite-test"} 1' in body
    assert ask(port, "/else")[0] == 404
    assert daemon.end() == 0


def test_health_over_a_unix_socket(folder: Path, start: Callable[..., Running]):
    write(folder, f"health_listen = unix:{folder}/{{prog}}.sock")
    daemon = start()
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(f"{folder}/novalite-test.sock")
        link.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        link.settimeout(5)
        assert link.recv(100).startswith(b"HTTP/1.0 200")
    assert daemon.end() == 0
    assert not (folder / "novalite-test.sock").exists()


def test_systemd_is_told_when_it_is_ready_and_when_it_ends(folder: Path, start: Callable[..., Running]):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(20)
        daemon = start(NOTIFY_SOCKET=str(folder / "notify"))
        assert systemd.recv(100) == b"READY=1"
        assert daemon.end() == 0
        assert systemd.recv(100) == b"STOPPING=1"


def test_health_says_when_heartbeats_do_not_get_through(folder: Path, start: Callable[..., Running]):
    port = free_port()
    write(folder, f"health_port = {port}", "report_interval = 0.05", "service_down_time = 0.2")
    daemon = start(BEAT="no")
    daemon.until(lambda: ask(port)[0] == 503)
    facts = json.loads(ask(port)[1])
    assert facts["status"] == "impaired" and "no heartbeat" in facts["parts"]["post"]["problem"]
    assert daemon.said.count("Heartbeat of post is not taken") == 1, "said once, not every time"
    assert daemon.end() == 0


def test_a_second_daemon_of_a_pid_file_is_refused(folder: Path, start: Callable[..., Running]):
    write(folder, f"pid_file = {folder}/d.pid")
    first = start()
    assert (folder / "d.pid").read_text() == f"{first.process.pid}\n"
    second = start(ready=False)
    assert second.process.wait(20) == 2
    assert f"pid_file: {folder}/d.pid belongs to a running daemon" in second.said
    assert first.process.poll() is None and (folder / "d.pid").exists()
    assert first.end() == 0
    assert not (folder / "d.pid").exists()


def test_without_a_broker_it_waits_says_so_and_can_be_ended(folder: Path, start: Callable[..., Running]):
    url = f"rabbit://guest:hunter2@127.0.0.1:{free_port()}/"
    write(folder, f"transport_url = {url}", "start_retry_interval = 0.3")
    daemon = start(ready=False)
    daemon.until(lambda: daemon.said.count("The message broker cannot be reached") >= 2)
    began = time.monotonic()
    assert daemon.end() == 0
    assert time.monotonic() - began < 5
    assert "hunter2" not in daemon.said and "Traceback" not in daemon.said


def test_the_same_daemon_on_eventlet(folder: Path, start: Callable[..., Running]):
    port = free_port()
    write(folder, "concurrency = eventlet", f"health_port = {port}", "report_interval = 0.1")
    daemon = start(WORK="1.5")
    assert ask(port)[0] == 200
    daemon.until_said("work begun")
    daemon.until_said("tick")
    assert daemon.end() == 0
    assert "work done" in daemon.said and "tick" in daemon.said and "Traceback" not in daemon.said


# --- bad configuration: one line, exit code 2, nothing started ---------------------------------------


def refusal(folder: Path, *lines: str, module: str = "novalite.cmd.scheduler", file: str = "d.conf") -> str:
    write(folder, *lines)
    done = subprocess.run(
        [sys.executable, "-m", module, "--config-file", str(folder / file)],
        capture_output=True, text=True, timeout=60, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["concurrency = fibres"], "concurrency"),
        (["report_interval = often"], "report_interval"),
        (["log_format = rhyme"], "log_format"),
        (["log_file = /proc/none/x.log"], "/proc/none"),
        (["transport_url = carrier://pigeon"], "transport_url: carrier:// is neither rabbit:// nor local://"),
        (["transport_url = local://"], "novalite-scheduler needs rabbit://"),
        (["health_port = 99999999"], "health_port"),
        (["this line has no sense"], "d.conf"),
    ],
)
def test_a_bad_value_is_one_line(folder: Path, lines: list[str], sentence: str):
    said = refusal(folder, *lines)
    assert said.startswith("novalite-scheduler: Configuration: ") and sentence in said


def test_a_missing_file_is_one_line(folder: Path):
    assert refusal(folder, file="absent.conf").endswith("absent.conf does not exist")


def test_a_taken_port_is_one_line(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(folder, "transport_url = rabbit://h/", "[api]", "listen = 127.0.0.1", f"port = {port}",
                       module="novalite.cmd.api")
    assert f"[api] listen: cannot listen on 127.0.0.1 port {port}" in said


@pytest.mark.parametrize("name", ["api", "conductor", "scheduler", "compute"])
def test_version_and_help_need_nothing(name: str):
    for word, text in (("--version", "novalite-"), ("--help", "--config-file")):
        done = subprocess.run([sys.executable, "-m", f"novalite.cmd.{name}", word], capture_output=True,
                              text=True, timeout=30, cwd=ROOT)  # fmt: skip
        assert done.returncode == 0 and text in done.stdout
