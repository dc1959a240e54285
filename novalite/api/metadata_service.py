"""The metadata service: guests read about themselves. A plain WSGI application that asks the conductor once a request.

Who asks is known by a signature, never by an address that the request came from or claims: that of the compute host
which saw the guest's network and address (`objects/metadata_signature.py`), or that of the metadata proxy of another
network service, which names the server. Whoever is not known learns nothing, and nobody learns of another server.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from oslo_config import cfg

from novalite import guest_metadata
from novalite.context import system
from novalite.errors import NovaliteError
from novalite.guest_metadata import Found, Vendor
from novalite.guest_metadata.vendor_data import VendorData
from novalite.metrics import Counter
from novalite.objects import metadata_signature as signed
from novalite.objects.guest_metadata import GuestFacts
from novalite.rpc.client import Client
from novalite.rpc.contracts.guest_metadata import GuestMetadata

LOG = logging.getLogger(__name__)
REQUESTS = Counter("novalite_metadata_requests_total", "Requests of guests about themselves.", "status")
MAX_PASSWORD = 1020
"""Bytes of a password that a guest leaves: what the API has always taken."""
REMEMBERED = 4096
"""Guests that are remembered at a time, so that nobody can fill the memory."""
NEEDS_VENDORS = "vendor_data2.json"
"""The only file for which services of vendors are asked."""

Environ = dict[str, Any]


@dataclass(frozen=True)
class Asker:
    """Who asks: a guest by its address as its host saw it, or a server by its id. Two that are equal are one: the host
    says whose the address is, so that who has it next is not taken for who had it before."""

    server_id: str
    host: str = ""
    network_id: str = ""
    address: str = ""
    project_id: str = ""


class Refused(Exception):
    """The answer is an error."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class MetadataService:
    """The application. `clock` counts seconds."""

    def __init__(self, conf: cfg.ConfigOpts, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self.options = conf.metadata
        self._conductor = client.of(GuestMetadata)
        self._vendor = VendorData(conf)
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Asker, tuple[float, GuestFacts | None]] = {}
        self._counted: dict[Asker, tuple[float, int]] = {}

    def __call__(self, environ: Environ, respond: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        headers: dict[str, str] = {}
        try:
            found = self._answer(environ)
            status = HTTPStatus.OK
        except Refused as error:
            status = error.status
            found = Found(f"{error.why}\n".encode(), "text/plain; charset=UTF-8")
        except NovaliteError as error:
            LOG.warning("A guest cannot be told about itself: %s", error)
            status = HTTPStatus.SERVICE_UNAVAILABLE
            found = Found(b"The metadata of this server cannot be had now.\n", "text/plain; charset=UTF-8")
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            headers["Retry-After"] = "2"
        REQUESTS.add(str(int(status)))
        headers |= {"Content-Type": found.type, "Content-Length": str(len(found.content))}
        respond(f"{int(status)} {status.phrase}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [found.content]

    def _answer(self, environ: Environ) -> Found:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        asker = self._asker(environ)
        self._count(asker)
        facts = self._facts(asker)
        if facts is None:
            raise Refused(HTTPStatus.NOT_FOUND, "There is no such server.")
        LOG.debug("%s %r for server %s", method, path, facts.server.id)
        if method == "POST":
            return self._leave(environ, path, asker, facts)
        if method not in ("GET", "HEAD"):
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "Metadata is read with GET.")
        return self._look(path, facts)

    def _look(self, path: str, facts: GuestFacts) -> Found:
        wanted = path.rstrip("/").endswith(NEEDS_VENDORS)
        vendor = self._vendor.of(facts.server) if wanted else Vendor(self._vendor.static)
        tree = guest_metadata.tree(facts.server, guest_metadata.new_seed(), vendor, facts.password)
        found = guest_metadata.look(tree, path)
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, "There is nothing of that name.")
        return found

    # --- who asks -----------------------------------------------------------------------------

    def _asker(self, environ: Environ) -> Asker:
        def said(header: str) -> str:
            return str(environ.get(f"HTTP_{header.upper().replace('-', '_')}", ""))

        if said(signed.HOST):
            told = (signed.HOST, signed.NETWORK, signed.ADDRESS, signed.SERVER, signed.SIGNATURE)
            return self._by_host(*map(said, told))
        if said("X-Instance-ID"):
            return self._by_proxy(*map(said, ("X-Instance-ID", "X-Tenant-ID", "X-Instance-ID-Signature")))
        raise Refused(HTTPStatus.FORBIDDEN, "Nobody signed for this request.")

    def _by_host(self, host: str, network_id: str, address: str, server_id: str, signature: str) -> Asker:
        key = signed.host_key(self.options.secret, host)
        _check(self.options.secret, signed.sign(key, network_id, address, server_id), signature)
        try:
            return Asker(str(UUID(server_id)), host, str(UUID(network_id)), str(ip_address(address)))
        except ValueError:
            raise Refused(HTTPStatus.NOT_FOUND, "There is no such network or address.") from None

    def _by_proxy(self, server_id: str, project_id: str, signature: str) -> Asker:
        secret = self.options.proxy_secret
        _check(secret, signed.instance_signature(secret, server_id), signature)
        try:
            server_id = str(UUID(server_id))
        except ValueError:
            raise Refused(HTTPStatus.NOT_FOUND, "There is no such server.") from None
        if not project_id:
            raise Refused(HTTPStatus.BAD_REQUEST, "X-Tenant-ID is missing.")
        return Asker(server_id, project_id=project_id)

    def _count(self, asker: Asker) -> None:
        """Windows of fixed length: simple, and off by a factor of two at worst."""
        limit, now = self.options.rate_limit, self._clock()
        if not limit:
            return
        with self._lock:
            began, count = self._counted.get(asker, (now, 0))
            if now - began >= self.options.rate_window:
                began, count = now, 0
            if len(self._counted) >= REMEMBERED and asker not in self._counted:
                self._counted.clear()
            self._counted[asker] = (began, count + 1)
        if count >= limit:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests; ask again in a few seconds.")

    def _facts(self, asker: Asker) -> GuestFacts | None:
        now = self._clock()
        with self._lock:
            until, facts = self._known.get(asker, (0.0, None))
            if now < until:
                return facts
        if asker.host:
            facts = self._conductor.of_address(system(), asker.host, asker.network_id, asker.address)
        else:
            facts = self._conductor.of_server(system(), asker.server_id, asker.project_id)
        if facts is not None and facts.server.id != asker.server_id:
            facts = None  # the conductor and the host do not agree: one of them will hear of a change in a moment
        with self._lock:
            if len(self._known) >= REMEMBERED and asker not in self._known:
                self._known = {one: kept for one, kept in self._known.items() if now < kept[0]}
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
            # A guest that has just been plugged in is not to be told for long that it does not exist.
            seconds = self.options.cache_seconds if facts is not None else min(1.0, self.options.cache_seconds)
            self._known[asker] = (now + seconds, facts)
        return facts

    # --- what guests leave --------------------------------------------------------------------

    def _leave(self, environ: Environ, path: str, asker: Asker, facts: GuestFacts) -> Found:
        """The password of the guest, once."""
        parts = [part for part in path.split("/") if part]
        tree = guest_metadata.tree(facts.server, "")
        if len(parts) != 3 or parts[0] != "openstack" or parts[2] != "password" or not guest_metadata.look(tree, path):
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "Only a password can be left here.")
        password = _text(environ)
        if not self._conductor.leave_password(system(), facts.server.id, password):
            raise Refused(HTTPStatus.CONFLICT, "This server has left a password already.")
        with self._lock:
            self._known.pop(asker, None)
        LOG.info("Server %s has left a password", facts.server.id)
        return Found(b"", "text/plain; charset=UTF-8")


def _check(secret: str, right: str, given: str) -> None:
    if not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")) or not secret:
        raise Refused(HTTPStatus.FORBIDDEN, "The signature of this request is not right.")


def _text(environ: Environ) -> str:
    """The body of a request that leaves a password."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = -1
    if not 0 < length <= MAX_PASSWORD:
        raise Refused(HTTPStatus.BAD_REQUEST, f"A password has 1 to {MAX_PASSWORD} bytes.")
    try:
        return str(environ["wsgi.input"].read(length).decode("ascii"))
    except UnicodeDecodeError:
        raise Refused(HTTPStatus.BAD_REQUEST, "A password is left as Base64.") from None
