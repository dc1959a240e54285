"""The page that shows a screen, and of noVNC what it needs. Names are known beforehand or of one strict form, and
what they lead to must lie where it should: nothing else is served, and nothing is ever redirected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from novalite.api.console_proxy.origins import normal

PAGE = Path(__file__).parent / "page"
HTML, SCRIPT, STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
OWN = {
    "/": ("console.html", HTML),
    "/console.html": ("console.html", HTML),
    "/vnc_auto.html": ("console.html", HTML),
    "/vnc_lite.html": ("console.html", HTML),
    "/console.js": ("console.js", SCRIPT),
    "/console.css": ("console.css", STYLE),
}
"""Two are names by which other proxies' pages are known."""
NOVNC = re.compile(r"/novnc/(?P<file>(?:core|vendor)(?:/[A-Za-z0-9_-]+)*/[A-Za-z0-9_-]+\.js)")
LARGEST = 4 << 20


@dataclass(frozen=True)
class Page:
    """A file as it is served."""

    body: bytes
    kind: str


def find(path: str, web: str) -> Page | None:
    """What is at this path; None when nothing is. `web`: the folder of noVNC."""
    if own := OWN.get(path):
        return Page((PAGE / own[0]).read_bytes(), own[1])
    match = NOVNC.fullmatch(path)
    if match is None:
        return None
    try:
        folder = Path(web).resolve(strict=True)
        file = (folder / match["file"]).resolve(strict=True)
        if not file.is_relative_to(folder) or not file.is_file() or file.stat().st_size > LARGEST:
            return None
        return Page(file.read_bytes(), SCRIPT)
    except OSError:
        return None


def headers(kind: str, frames: Sequence[str]) -> dict[str, str]:
    """What every answer says to the browser; `frames`: origins that may show it in a frame."""
    good = [one for one in frames if normal(one) is not None and re.fullmatch(r"[\w.:/\[\]-]+", one)]
    ancestors = " ".join(["'self'", *good])
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    )
    return {
        "Content-Type": kind,
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store" if kind == HTML else "no-cache",
        **({} if good else {"X-Frame-Options": "SAMEORIGIN"}),
    }
