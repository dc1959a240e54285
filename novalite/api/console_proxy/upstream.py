"""The way to a guest: connect to its host, show the ticket, be let in by its VNC server."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from functools import cache

from oslo_config import cfg

from novalite.api.console_proxy import rfb
from novalite.objects.consoles import NOVNC, ConsoleEntrance
from novalite.pump import lively

WELCOME = b"ok\n"


class Unreachable(Exception):
    """The guest's console cannot be reached; one sentence, for the log."""


def connect(
    entrance: ConsoleEntrance, conf: cfg.ConfigOpts, stack: contextlib.ExitStack, until: Callable[[socket.socket], None]
) -> socket.socket:
    """A connection on which the guest's own bytes come next; `stack` closes it. `until` is told what is to be cut when
    it takes too long."""
    where = entrance.address
    try:
        sock = socket.create_connection((where.host, where.port), conf.consoles.connect_timeout)
        stack.callback(sock.close)
        until(sock)
        lively(sock)
        if where.tls:
            sock = stack.enter_context(contextlib.closing(_tls(conf)(sock, where.host)))
        if entrance.ticket:
            _show_ticket(sock, entrance.ticket)
        if entrance.kind == NOVNC:
            sock = stack.enter_context(contextlib.closing(_let_in(sock, entrance, conf)))
        return sock
    except (OSError, rfb.RfbError, Unreachable) as error:
        raise Unreachable(f"{where.host} port {where.port}: {error or 'it took too long'}") from error


def _let_in(sock: socket.socket, entrance: ConsoleEntrance, conf: cfg.ConfigOpts) -> socket.socket:
    secure: rfb.Secure | None = None
    if conf.vnc.vencrypt_ca_certs:
        wrap = _tls(conf)

        def secure(plain: socket.socket) -> ssl.SSLSocket:
            return wrap(plain, entrance.address.host)

    return rfb.enter(sock, entrance.password, conf.vnc.auth_schemes, secure)


def _show_ticket(sock: socket.socket, ticket: str) -> None:
    sock.sendall(ticket.encode() + b"\n")
    heard = b""
    while len(heard) < len(WELCOME):
        more = sock.recv(len(WELCOME) - len(heard))
        if not more:
            raise Unreachable("the ticket was not taken, or the guest ended")
        heard += more
    if heard != WELCOME:
        raise Unreachable("this is no novalite-compute")


def _tls(conf: cfg.ConfigOpts) -> Callable[[socket.socket, str], ssl.SSLSocket]:
    options = conf.vnc
    if not options.vencrypt_ca_certs:
        raise Unreachable("the host wants TLS, and [vnc] vencrypt_ca_certs names nobody to trust")
    context = _context(options.vencrypt_ca_certs, options.vencrypt_client_cert, options.vencrypt_client_key)

    def wrap(sock: socket.socket, host: str) -> ssl.SSLSocket:
        return context.wrap_socket(sock, server_hostname=host)

    return wrap


@cache
def _context(ca_certs: str, cert: str, key: str) -> ssl.SSLContext:
    """The host must be who it is said to be: its name or address is in its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca_certs)
    if cert:
        context.load_cert_chain(cert, key or None)
    return context


def check(conf: cfg.ConfigOpts) -> None:
    """Raise Unreachable or OSError when the certificates cannot be used, before anybody connects."""
    unknown = set(conf.vnc.auth_schemes) - set(rfb.NAMES)
    if unknown or not conf.vnc.auth_schemes:
        raise Unreachable(f"[vnc] auth_schemes: each must be one of {', '.join(rfb.NAMES)}, not {sorted(unknown)}")
    if conf.vnc.vencrypt_ca_certs:
        _tls(conf)
