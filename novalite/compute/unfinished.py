"""Builds that have begun and not ended, noted on disk, so that a killed daemon knows what it left.

A build killed between its disks and its guest leaves files that no hypervisor lists. The note is
`instances_path/_building/<host>/<server id>`: the guest's spec without secrets.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from novalite.objects.servers import GuestSpec

LOG = logging.getLogger(__name__)


class Unfinished:
    """The notes of one host."""

    def __init__(self, instances: Path, host: str) -> None:
        self.path = instances / "_building" / host

    @contextmanager
    def building(self, spec: GuestSpec) -> Iterator[None]:
        """A build goes on inside the block; its end, good or bad, is its end. Only a kill leaves the note."""
        self.path.mkdir(parents=True, exist_ok=True)
        note = self.path / spec.id
        kept = spec.model_copy(update={"image": None, "user_data": None})
        note.write_text(kept.model_dump_json())
        try:
            yield
        except Exception:
            note.unlink(missing_ok=True)
            raise
        note.unlink(missing_ok=True)

    def specs(self) -> list[GuestSpec]:
        """What was being built when an earlier daemon was killed."""
        found = []
        for note in sorted(self.path.glob("*")):
            try:
                found.append(GuestSpec.model_validate_json(note.read_bytes()))
            except (OSError, ValueError) as error:
                LOG.warning("%s tells of an interrupted build, but not which: %s", note, error)
                note.unlink(missing_ok=True)
        return found

    def forget(self, server_id: str) -> None:
        """Nothing is left of it."""
        (self.path / server_id).unlink(missing_ok=True)
