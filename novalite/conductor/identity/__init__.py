"""The embedded identity service in the conductor: RPC endpoint, logins, signing keys, clean-up."""

from novalite.conductor.identity.endpoint import IdentityEndpoint
from novalite.conductor.identity.keys import ExpireRevocations, make_signer, rotate_signing_key

__all__ = ["ExpireRevocations", "IdentityEndpoint", "make_signer", "rotate_signing_key"]
