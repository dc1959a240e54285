"""How a compute host signs for its guests towards the metadata service. The standard library alone: a small helper on
every host loads this.

Each host has a key of its own, made of the cloud's secret and its name, so that a host that was broken into can ask
about its own guests and no others.
"""

from __future__ import annotations

import hashlib
import hmac

HOST, NETWORK, ADDRESS = "X-Novalite-Host", "X-Novalite-Network", "X-Novalite-Address"
SERVER, SIGNATURE = "X-Novalite-Server", "X-Novalite-Signature"


def host_key(secret: str, host: str) -> str:
    """The key of a host."""
    return _mac(secret, "host", host)


def sign(key: str, network_id: str, address: str, server_id: str) -> str:
    """What a host says of a request: it came from this address on this network, which it holds for that server's."""
    return _mac(key, "guest", network_id, address, server_id)


def instance_signature(secret: str, server_id: str) -> str:
    """What the metadata proxy of another network service says of a request (X-Instance-ID-Signature)."""
    return hmac.new(secret.encode(), server_id.encode(), hashlib.sha256).hexdigest()


def _mac(key: str, *parts: str) -> str:
    return hmac.new(key.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()
