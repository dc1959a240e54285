"""Chromium without a window, led over its debugging port (Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import websocket

START_SECONDS = 60
NAMES = ("chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """The browser of this machine; None when there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One browser with one page. `with Browser(folder) as browser: browser.open(url)`."""

    def __init__(self, folder: Path) -> None:
        found = program()
        assert found is not None
        self._profile = folder / "profile"
        self._process = subprocess.Popen(
            [found, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--window-size=900,700", "--remote-debugging-port=0",
             f"--user-data-dir={self._profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=(folder / "browser.log").open("wb"), start_new_session=True,
        )  # fmt: skip
        try:
            self._page = self._connect()
        except BaseException:
            self.close()
            raise
        self._number = 0
        self.messages: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and all its processes."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _connect(self) -> websocket.WebSocket:
        import urllib.request

        told = self._profile / "DevToolsActivePort"
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self._process.poll() is None and time.monotonic() < deadline, "the browser does not start"
            try:
                port = int(told.read_text().splitlines()[0])
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as reply:
                    pages = [one for one in json.load(reply) if one["type"] == "page"]
                return websocket.create_connection(
                    pages[0]["webSocketDebuggerUrl"], timeout=START_SECONDS, suppress_origin=True
                )
            except (OSError, ValueError, IndexError):
                time.sleep(0.1)

    def tell(self, method: str, **params: Any) -> Any:
        """One command and its result; what the browser says meanwhile is kept in `messages`."""
        self._number += 1
        self._page.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            said = json.loads(self._page.recv())
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]
            self.messages.append(said)

    def open(self, url: str) -> None:
        """Go there, and hear what the page says on its console."""
        self.tell("Log.enable")
        self.tell("Runtime.enable")
        self.tell("Page.enable")
        self.tell("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is in the page."""
        result = self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    def wait(self, expression: str, seconds: float = 60) -> Any:
        """The value of an expression once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := self.value(expression)):
            assert time.monotonic() < deadline, (expression, self.value("document.body.innerText"), self.messages[-5:])
            time.sleep(0.1)
        return found

    def screenshot(self) -> bytes:
        """The page as a PNG."""
        return base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"])

    def type(self, text: str) -> None:
        """Press and let go of keys of a US keyboard; a line end is Enter."""
        for letter in text:
            key = {"\n": "Enter"}.get(letter, letter)
            code = {"\n": "Enter", " ": "Space", "-": "Minus", "/": "Slash", ".": "Period", ">": "Period"}.get(
                letter, f"Digit{letter}" if letter.isdigit() else f"Key{letter.upper()}"
            )
            shift = 8 if letter == ">" or letter.isupper() else 0
            same = {"key": key, "code": code, "modifiers": shift}
            if shift:
                self.tell("Input.dispatchKeyEvent", type="rawKeyDown", key="Shift", code="ShiftLeft", modifiers=8)
            self.tell("Input.dispatchKeyEvent", type="keyDown", text="\r" if letter == "\n" else letter, **same)
            self.tell("Input.dispatchKeyEvent", type="keyUp", **same)
            if shift:
                self.tell("Input.dispatchKeyEvent", type="keyUp", key="Shift", code="ShiftLeft")
