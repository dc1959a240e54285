"""Tokens of consoles that have expired are removed; they opened nothing any more."""

from __future__ import annotations

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import console_tokens


class ForgetConsoleTokens:
    """See the module."""

    name = "forget_console_tokens"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        return float(self.env.conf.consoles.token_purge_interval)

    def run(self, ctx: Context) -> int:
        """Answers how many were removed."""
        removed = 0
        while found := self.env.db.run(console_tokens.forget_expired):
            removed += found
            if found < console_tokens.BATCH:
                break
        return removed
