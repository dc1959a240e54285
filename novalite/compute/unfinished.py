"""Builds that have begun and not ended, and removals that failed, noted on disk for the next look.

A build killed between its disks and its guest leaves files that no hypervisor lists, and so does a removal
that got rid of the guest only. The note is
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
        """A build goes on inside the block. A kill leaves the note, an error leaves it to who cleans up."""
        self.note(spec)
        yield
        self.forget(spec.id)

    def note(self, spec: GuestSpec) -> None:
        """Something may be left of this server that no hypervisor lists."""
        self.path.mkdir(parents=True, exist_ok=True)
        kept = spec.model_copy(update={"image": None, "user_data": None, "personality": (), "admin_pass": None})
        (self.path / spec.id).write_text(kept.model_dump_json())

    def specs(self) -> list[GuestSpec]:
        """What may be left of killed builds and failed removals; also what is being built now."""
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
