"""The beginning of an RFB conversation (RFC 6143, 7.1; VeNCrypt as QEMU documents it) on both sides.

The proxy lets itself in at the guest's VNC server, as its host demands, and tells the browser that no password is
needed: the token was one. From ClientInit on it only carries bytes.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Sequence

from novalite.api.console_proxy.websocket import WebSocketEnd

NONE, VNC, VENCRYPT = 1, 2, 19
X509_NONE, X509_VNC = 260, 261
VERSION = b"RFB 003.008\n"
NAMES = {"none": NONE, "vnc": VNC, "vencrypt": VENCRYPT}
LONGEST_REASON = 1024
Secure = Callable[[socket.socket], ssl.SSLSocket]


class RfbError(Exception):
    """The VNC server does not let us in, or speaks something else; one sentence."""


def enter(sock: socket.socket, password: str, schemes: Sequence[str], secure: Secure | None) -> socket.socket:
    """Let ourselves in at a VNC server; answers the socket to go on with, of TLS where that was agreed.

    `schemes`: the names that are good enough, the best first. `secure` begins TLS; None when we cannot.
    Raises RfbError, OSError.
    """
    if (said := _exactly(sock, 12))[:11] != VERSION[:11]:
        raise RfbError(f"the VNC server speaks {said!r}, not RFB 3.8")
    sock.sendall(VERSION)
    count = _exactly(sock, 1)[0]
    if not count:
        raise RfbError(f"the VNC server refused: {_reason(sock)}")
    offered = _exactly(sock, count)
    usable = [NAMES[name] for name in schemes if name in NAMES]
    if secure is None:
        usable = [one for one in usable if one != VENCRYPT]
    chosen = next((one for one in usable if one in offered), None)
    if chosen is None:
        raise RfbError(f"the VNC server lets in by {list(offered)} only, [vnc] auth_schemes by {usable}")
    sock.sendall(bytes([chosen]))
    if chosen == VENCRYPT:
        assert secure is not None
        sock, chosen = _vencrypt(sock, secure)
    if chosen == VNC:
        sock.sendall(respond(_exactly(sock, 16), password))
    if struct.unpack(">I", _exactly(sock, 4))[0]:
        raise RfbError(f"the VNC server did not let us in: {_reason(sock)}")
    return sock


def _vencrypt(sock: socket.socket, secure: Secure) -> tuple[socket.socket, int]:
    """TLS with certificates; then what the server still asks for inside."""
    if _exactly(sock, 2) != b"\x00\x02":
        raise RfbError("the VNC server speaks another version of VeNCrypt than 0.2")
    sock.sendall(b"\x00\x02")
    if _exactly(sock, 1) != b"\x00":
        raise RfbError("the VNC server does not accept VeNCrypt 0.2")
    count = _exactly(sock, 1)[0]
    offered = struct.unpack(f">{count}I", _exactly(sock, 4 * count))
    chosen = next((one for one in (X509_VNC, X509_NONE) if one in offered), None)
    if chosen is None:
        raise RfbError(f"the VNC server offers VeNCrypt without certificates only ({list(offered)})")
    sock.sendall(struct.pack(">I", chosen))
    if _exactly(sock, 1) != b"\x01":
        raise RfbError("the VNC server did not agree to TLS")
    try:
        return secure(sock), VNC if chosen == X509_VNC else NONE
    except ssl.SSLError as error:
        raise RfbError(f"no TLS with the VNC server: {error.reason or error}") from error


def respond(challenge: bytes, password: str) -> bytes:
    """DES of the challenge, its key the password with the bits of each byte turned round (RFC 6143, 7.2.2)."""
    # Three times the same key is DES itself, which libraries offer no more by its own name.
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    key = password.encode("latin-1", "replace")[:8].ljust(8, b"\0")
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    encryptor = Cipher(TripleDES(turned * 3), modes.ECB()).encryptor()
    return encryptor.update(challenge) + encryptor.finalize()


def welcome(client: WebSocketEnd) -> bytes:
    """Greet the browser as a VNC server without a password; answers what it sent beyond that. Raises Over, RfbError."""
    held = bytearray()
    client.say(VERSION)
    version = client.hear(12, held)
    if version[:8] != VERSION[:8]:
        raise RfbError("the client does not speak RFB 3")
    if version[8:11] in (b"007", b"008"):
        client.say(bytes([1, NONE]))
        if client.hear(1, held)[0] != NONE:
            raise RfbError("the client wants to be let in by other means than none")
        if version[8:11] == b"008":
            client.say(struct.pack(">I", 0))
    else:
        client.say(struct.pack(">I", NONE))
    return bytes(held)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise RfbError("the VNC server ended the conversation")
        data += more
    return data


def _reason(sock: socket.socket) -> str:
    length = min(struct.unpack(">I", _exactly(sock, 4))[0], LONGEST_REASON)
    return _exactly(sock, length).decode("utf-8", "replace")
