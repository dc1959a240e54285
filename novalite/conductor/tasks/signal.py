"""Signals a host gives a guest that change nothing about the server: the NMI that makes it dump its memory."""

from __future__ import annotations

from dataclasses import replace

from novalite.conductor.tasks.power import POWER

SIGNAL = replace(POWER, kind="signal")
"""One order to the host, as for power; the row of states.ACTIONS says that the server stays what it is."""
