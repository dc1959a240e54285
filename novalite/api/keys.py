"""Keys as users bring them: what is a public key, what is its fingerprint, how is a new one made.

Pure functions. A private key is answered to the user who asked for it and goes nowhere else: neither
over the bus nor into the database.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from novalite.errors import InvalidKeypair

SSH_KINDS = frozenset({
    "ssh-rsa", "ssh-dss", "ssh-ed25519", "ssh-ed448", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
})  # fmt: skip
"""Public key types of OpenSSH (IANA, SSH Protocol Parameters; OpenSSH PROTOCOL.u2f)."""
_UNCHECKED = ("ssh-dss", "ssh-ed448", "sk-")
"""Kinds that the cryptography library does not load; only their outer form is checked."""

YEARS = 10
"""How long a certificate made here is valid."""


@dataclass(frozen=True)
class Key:
    """A public key with its fingerprint; `private_key` only when it was made here."""

    public_key: str
    fingerprint: str
    private_key: str | None = None


def _colons(digest: str) -> str:
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


# --- ssh ---------------------------------------------------------------------------------------


def import_ssh(public_key: str) -> Key:
    """A line as in authorized_keys: `type base64 [comment]`. Fingerprint: MD5 in hex (RFC 4716)."""
    line = public_key.strip()
    if len(line.splitlines()) != 1:
        raise InvalidKeypair(reason="a public key must be one line.")
    kind, _, rest = line.partition(" ")
    if kind not in SSH_KINDS:
        raise InvalidKeypair(reason="it does not begin with the type of an SSH public key.")
    try:
        blob = base64.b64decode(rest.split(" ")[0] if rest else "", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidKeypair(reason="the part after the type is not base64.") from None
    _check_ssh(kind, line, blob)
    return Key(public_key, _colons(hashlib.md5(blob, usedforsecurity=False).hexdigest()))


def _check_ssh(kind: str, line: str, blob: bytes) -> None:
    """The key must name its type inside as outside (RFC 4253, 6.6), and be a key."""
    length = struct.unpack(">I", blob[:4])[0] if len(blob) >= 4 else 0
    if blob[4 : 4 + length] != kind.encode() or len(blob) <= 4 + length:
        raise InvalidKeypair(reason=f"it is not a key of type {kind}.")
    if kind.startswith(_UNCHECKED):
        return
    try:
        serialization.load_ssh_public_key(line.encode())
    except Exception as error:  # the library raises many kinds for nonsense
        raise InvalidKeypair(reason=f"it is not a usable key of type {kind}.") from error


def generate_ssh() -> Key:
    """An ECDSA P-256 key: made in 0.1 ms where RSA takes 100 ms, and old SSH servers know it too."""
    made = ec.generate_private_key(ec.SECP256R1())
    private = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    key = import_ssh(f"{public.decode()} Generated-by-novalite")
    return Key(key.public_key, key.fingerprint, private.decode())


# --- x509 --------------------------------------------------------------------------------------


def import_x509(public_key: str) -> Key:
    """A certificate in PEM. Fingerprint: SHA-1 of its DER in hex, with colons."""
    try:
        found = x509.load_pem_x509_certificate(public_key.encode())
    except Exception as error:
        raise InvalidKeypair(reason="it is not an X.509 certificate in PEM.") from error
    return Key(public_key, _colons(found.fingerprint(hashes.SHA1()).hex()))


def generate_x509(user_id: str) -> Key:
    """A self-signed client certificate for WinRM, the user's id as its name, with a 2048-bit RSA key."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, user_id[:64])])
    began = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=365 * YEARS))
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(made, hashes.SHA256())
    )
    private = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = import_x509(certificate.public_bytes(serialization.Encoding.PEM).decode())
    return Key(key.public_key, key.fingerprint, private.decode())


def bring(kind: str, public_key: str | None, user_id: str) -> Key:
    """Import the key, or make one when there is none. InvalidKeypair with the reason when it is no key."""
    if kind == "x509":
        return import_x509(public_key) if public_key is not None else generate_x509(user_id)
    return import_ssh(public_key) if public_key is not None else generate_ssh()
