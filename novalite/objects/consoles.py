"""Consoles: what a token stands for, and how a proxy gets to the guest behind it."""

from __future__ import annotations

import hashlib

from novalite.objects.base import Message

NOVNC, SERIAL = "novnc", "serial"
"""Kinds of consoles that there are, by the names of the Compute API."""


def digest(token: str) -> str:
    """What is kept and told of a token: its SHA-256. The token itself is the user's and the proxy's alone."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class ConsoleWanted(Message):
    """api -> conductor. `kind` is one of this module; `digest` of the token that the user gets."""

    server_id: str
    kind: str
    digest: str


class ConsoleAddress(Message):
    """compute -> conductor: where a proxy finds a console of this guest. `tls`: it must speak TLS there first."""

    host: str
    port: int
    tls: bool = False


class ConsoleToken(Message):
    """conductor -> api: what a token stands for."""

    server_id: str
    kind: str
    address: ConsoleAddress


class ConsoleEntrance(Message):
    """compute -> conductor -> proxy: how to get in, now. Neither word is written down or works for long.

    `ticket`: what to say on a line of its own, and have answered with a line, before anything else; `password`: what
    the guest's VNC server asks for.
    """

    server_id: str
    kind: str
    address: ConsoleAddress
    ticket: str = ""
    password: str = ""
