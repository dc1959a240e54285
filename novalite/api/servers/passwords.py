"""The administrator's password of a server: given or generated, told once, and handed on to guests that have a
config drive to read it from (decision 0005)."""

from __future__ import annotations

import secrets
import string

from novalite.api.runtime import runtime

PASSWORD_LENGTH = 12
_READABLE = [c for c in string.ascii_letters + string.digits if c not in "0O1lI"]


def generate_password() -> str:
    """A password for a server that was given none."""
    return "".join(secrets.choice(_READABLE) for _ in range(PASSWORD_LENGTH))


def shown(password: str) -> dict[str, str]:
    """`adminPass` of an answer; nothing where [api] enable_instance_password is off."""
    return {"adminPass": password} if runtime().conf.api.enable_instance_password else {}
