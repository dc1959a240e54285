"""Whose pages may open a console: a browser says where the page is from (RFC 6454), and cannot be made to lie.

A token opens a console by itself. This keeps a page elsewhere, that came by one, from using it in its visitor's
browser, with the visitor's place in the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


def normal(origin: str) -> tuple[str, str, int] | None:
    """(scheme, host, port) of an origin; None for what is none, such as "null"."""
    try:
        parts = urlsplit(origin)
        if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
            return None
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            return None
        return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]
    except ValueError:
        return None


def allowed(origin: str | None, host: str, tls: bool, base_url: str, others: Iterable[str]) -> bool:
    """Whether a page of `origin` may connect to what it called `host`, as its browser's headers say.

    No origin: not a browser. Its own origin is that of the page served here, over TLS when that is spoken here, or
    `base_url`, where a proxy stands in front.
    """
    if origin is None:
        return True
    found = normal(origin)
    if found is None:
        return False
    if found in {normal(one) for one in others}:
        return True
    base = urlsplit(base_url)
    if base.netloc and found == normal(f"{base.scheme}://{base.netloc}"):
        return True
    return found == normal(f"{found[0]}://{host}") and (found[0] == "https" or not tls)
