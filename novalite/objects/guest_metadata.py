"""What the metadata service is told of the guest that asks."""

from __future__ import annotations

from novalite.objects.base import Message
from novalite.objects.servers import GuestSpec


class GuestFacts(Message):
    """conductor -> metadata service: everything the guest of `server` may read. `password`: what it left of itself."""

    server: GuestSpec
    password: str = ""
