"""`novalite server console`: the URL, and a terminal that is the guest's."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from novalite.api.console_proxy.server import ConsoleProxy
from novalite.cli.terminal import Keys
from tests.networked import networked
from tests.unit.cli.test_commands import Novalite, environment_of, novalite

ROOT = Path(__file__).parents[3]
assert novalite  # a fixture


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with networked(tmp_path_factory.mktemp("cli"), hosts=("alpha",), overrides={"consoles.port": 0}) as cloud:
        proxy = ConsoleProxy(cloud.conf, cloud.client)
        proxy.start()
        cloud.conf.set_override("base_url", f"http://127.0.0.1:{proxy.port}", group="consoles")
        admin = cloud.rest("admin")
        admin.boot("web", imageRef=admin.image(name="disk"))
        with environment_of(cloud) as found:
            yield found
        proxy.stop(5)


def test_urls(novalite: Novalite) -> None:
    status, out, _ = novalite("server", "console", "web")
    assert status == 0 and out.startswith("http://127.0.0.1:") and "token%3D" in out
    assert novalite("server", "console", "web", "--serial")[1].startswith("ws://127.0.0.1:")
    status, _, err = novalite("server", "console", "web", "-i")
    assert (status, "needs a terminal" in err) == (1, True)
    assert "There is no server" in novalite("server", "console", "nothing")[2]
    assert novalite("server", "create", "off", "--flavor", "tiny", "--image", "disk", "--wait")[0] == 0
    assert novalite("server", "stop", "off", "--wait")[0] == 0
    assert "its guest must run, but it is SHUTOFF" in novalite("server", "console", "off")[2]


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, environment: dict[str, str], *words: str) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        env = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
        for name in ("OS_CLOUD", "OS_CLIENT_CONFIG_FILE"):
            env.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "novalite.cli.main", *words], stdin=slave, stdout=slave, stderr=slave, env=env,
            start_new_session=True,
        )  # fmt: skip
        self.slave, self.seen = slave, b""

    def until(self, text: bytes, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 4096)
        self.seen = self.seen.partition(text)[2]

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def test_a_terminal_that_is_the_guests(environment: dict[str, str]) -> None:
    made = Terminal(environment, "server", "console", "web", "--interactive")
    try:
        made.until(b"Ctrl-] and then q")
        made.until(b"login: ")
        made.type(b"ro\x03ot\x1d\x1d\r")
        made.until(b"ro\x03ot\x1d\r\nLogin incorrect")  # Ctrl-C is the guest's, and one of two Ctrl-]
        made.type(b"\x1dq")
        assert made.process.wait(30) == 0
        assert termios.tcgetattr(made.slave) == made.before, "the terminal is as it was"
    finally:
        made.close()


def test_a_proxy_that_is_away(novalite: Novalite, environment: dict[str, str]) -> None:
    import click

    from novalite.cli import terminal

    with pytest.raises(click.ClickException, match="novalite-novncproxy running"):
        terminal.attach("ws://127.0.0.1:9/?token=x")
    url = novalite("server", "console", "web", "--serial")[1].strip()
    with pytest.raises(click.ClickException, match="not valid any more"):
        terminal.attach(url + "x")


@pytest.mark.parametrize("typed,sent,leave", [
    ([b"ls\r"], b"ls\r", False), ([b"\x1dq", b""], b"", True), ([b"\x1d", b"q"], b"", True),
    ([b"a\x1d\x1db"], b"a\x1db", False), ([b"\x1dx"], b"\x1dx", False), ([b"q\x1d\x1dq"], b"q\x1dq", False),
])  # fmt: skip
def test_keys(typed: list[bytes], sent: bytes, leave: bool) -> None:
    keys = Keys()
    answers = [keys.typed(one) for one in typed]
    assert (b"".join(out for out, _ in answers), any(left for _, left in answers)) == (sent, leave)
