"""Passwords of guests' screens change again and again, so that one that was seen is soon worth nothing."""

from __future__ import annotations

from novalite.compute.guest_consoles import GuestConsolesEndpoint
from novalite.context import Context


class CycleConsolePasswords:
    """See the module."""

    def __init__(self, consoles: GuestConsolesEndpoint) -> None:
        self.consoles = consoles

    def run(self, ctx: Context) -> int:
        """Answers how many were changed."""
        return self.consoles.cycle_passwords(ctx)
