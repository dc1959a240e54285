"""Flavors as messages."""

from __future__ import annotations

from pydantic import Field

from novalite.objects.base import Message


class Flavor(Message):
    """The size of a server. `flavor_id` is the public id; units: MB of RAM and swap, GB of disk."""

    flavor_id: str
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    disabled: bool = False
    description: str | None = None
    extra_specs: dict[str, str] = Field(default_factory=dict)
