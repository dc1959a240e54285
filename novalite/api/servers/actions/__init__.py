"""POST /servers/{id}/action: every published action name, its body, versions, policy and what it does."""

from novalite.api.servers.actions import (
    admin,
    consoles,
    deferred_delete,
    gone,
    images,
    locks,
    moves,
    networks,
    passwords,
    power,
    rebuild,
    remote_consoles,
    rescue,
    resize,
    shelving,
)
from novalite.api.servers.actions.table import ACTIONS

__all__ = [
    "ACTIONS",
    "admin",
    "consoles",
    "deferred_delete",
    "gone",
    "images",
    "locks",
    "moves",
    "networks",
    "passwords",
    "power",
    "rebuild",
    "remote_consoles",
    "rescue",
    "resize",
    "shelving",
]
