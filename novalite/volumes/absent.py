"""The answers of a cloud without block storage and shares: those of one that has no volumes.

What is listed is empty and what is named is not found; only what would make something there is told that
there is no such service.
"""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.volumes.port import (
    AttachmentNotFound,
    NoVolumeService,
    ShareNotFound,
    SnapshotNotFound,
    VolumeNotFound,
)


class NoVolumes:
    """A VolumePort; see there for the methods."""

    def volumes(self, ctx: Context) -> list[Record]:
        """None."""
        return []

    def volume(self, ctx: Context, volume_id: str) -> Record:
        """Never found."""
        raise VolumeNotFound(volume_id=volume_id)

    def create_volume(self, ctx: Context, values: Record) -> Record:
        """Refused."""
        raise NoVolumeService

    def delete_volume(self, ctx: Context, volume_id: str) -> None:
        """Never found."""
        raise VolumeNotFound(volume_id=volume_id)

    def snapshots(self, ctx: Context) -> list[Record]:
        """None."""
        return []

    def snapshot(self, ctx: Context, snapshot_id: str) -> Record:
        """Never found."""
        raise SnapshotNotFound(snapshot_id=snapshot_id)

    def create_snapshot(self, ctx: Context, values: Record, force: bool) -> Record:
        """The volume is never found."""
        raise VolumeNotFound(volume_id=values["volume_id"])

    def delete_snapshot(self, ctx: Context, snapshot_id: str) -> None:
        """Never found."""
        raise SnapshotNotFound(snapshot_id=snapshot_id)

    def attachments(self, ctx: Context, server: Record) -> list[Record]:
        """None."""
        return []

    def attachment(self, ctx: Context, server: Record, volume_id: str) -> Record:
        """Never found."""
        raise AttachmentNotFound(server_id=server["id"], volume_id=volume_id)

    def attach(self, ctx: Context, server: Record, wanted: Record) -> Record:
        """The volume is never found."""
        raise VolumeNotFound(volume_id=wanted["volume_id"])

    def change_attachment(self, ctx: Context, server: Record, volume_id: str, wanted: Record) -> None:
        """Never found."""
        raise AttachmentNotFound(server_id=server["id"], volume_id=volume_id)

    def detach(self, ctx: Context, server: Record, volume_id: str) -> None:
        """Never found."""
        raise AttachmentNotFound(server_id=server["id"], volume_id=volume_id)

    def shares(self, ctx: Context, server: Record) -> list[Record]:
        """None."""
        return []

    def share(self, ctx: Context, server: Record, share_id: str) -> Record:
        """Never found."""
        raise ShareNotFound(share_id=share_id)

    def attach_share(self, ctx: Context, server: Record, share_id: str, tag: str | None) -> Record:
        """The share is never found."""
        raise ShareNotFound(share_id=share_id)

    def detach_share(self, ctx: Context, server: Record, share_id: str) -> None:
        """Never found."""
        raise ShareNotFound(share_id=share_id)
