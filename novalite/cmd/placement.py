"""`novalite-manage placement`: the commands and exit codes that operators know from `nova-manage placement`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from novalite.db.placement import audit
from novalite.db.session import Database

T = TypeVar("T")

FOUND, DELETED, NOTHING = 3, 4, 4
"""Exit codes: orphans were found; all of them were deleted; there was nothing to heal."""


def audited(db: Database, delete: bool) -> tuple[list[str], int]:
    """Sentences about places that are held for nothing and hosts that count wrongly, put right with `delete`; and the
    exit code."""
    with db.read() as session:
        orphans, drifted = audit.orphans(session), audit.drifted(session)
    told, left = [], 0
    for one in orphans:
        gone = delete and db.run(partial(_with, audit.give_back, one))
        left += not gone
        told.append(f"{one.holder} holds a place on host {one.host} for nothing{'; deleted' if gone else ''}.")
    for host in drifted:
        mended = delete and db.run(partial(_with, audit.recount, host))
        told.append(f"Host {host} does not count what its claims add up to{'; counted anew' if mended else ''}.")
        left += not (mended or delete)
    if not told:
        return ["No place is held for nothing, and every host counts what is."], 0
    return told, FOUND if left else DELETED


def healed(db: Database, dry_run: bool) -> tuple[list[str], int]:
    """Sentences about servers that hold nothing of their host, who do from now on unless `dry_run`; and the exit
    code."""
    with db.read() as session:
        found = audit.placeless(session)
    told = []
    for one in found:
        if dry_run:
            told.append(f"Server {one.holder} is on host {one.host} and holds nothing of it.")
        elif db.run(partial(_with, audit.heal, one)):
            told.append(f"Server {one.holder} holds its place on host {one.host} now.")
    return told or ["Every server holds its place."], 0 if told else NOTHING


def _with(work: Callable[[Session, T], bool], one: T, session: Session) -> bool:
    return work(session, one)
