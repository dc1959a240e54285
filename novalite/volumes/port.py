"""What the rest of novalite may ask the block storage and share services, and what it may be told."""

from __future__ import annotations

from typing import Protocol

from novalite.context import Context
from novalite.errors import NotFound, NotImplementedHere
from novalite.objects.base import Record


class NoVolumeService(NotImplementedHere):
    message = "This cloud has no volume service."


class VolumeNotFound(NotFound):
    message = "Volume {volume_id} could not be found."


class SnapshotNotFound(NotFound):
    message = "Snapshot {snapshot_id} could not be found."


class AttachmentNotFound(NotFound):
    message = "Instance {server_id} is not attached to volume {volume_id}."


class ShareNotFound(NotFound):
    message = "Share {share_id} could not be found."


class VolumePort(Protocol):
    """Whoever knows volumes and shares. Thread-safe; sees to it that callers stay within their project.

    Volumes are records with id, status, size (GB), availability_zone, created_at, name, description,
    volume_type, snapshot_id, metadata and attachments (id, server_id, volume_id, device); snapshots with id,
    volume_id, status, size, created_at, name, description. Attachments of a server have id, volume_id, device,
    tag, delete_on_termination and bdm_uuid; shares of a server share_id, status, tag, uuid, export_location.
    """

    def volumes(self, ctx: Context) -> list[Record]:
        """Volumes of the project."""

    def volume(self, ctx: Context, volume_id: str) -> Record:
        """One of them."""

    def create_volume(self, ctx: Context, values: Record) -> Record:
        """A new one."""

    def delete_volume(self, ctx: Context, volume_id: str) -> None:
        """Delete it."""

    def snapshots(self, ctx: Context) -> list[Record]:
        """Snapshots of the project's volumes."""

    def snapshot(self, ctx: Context, snapshot_id: str) -> Record:
        """One of them."""

    def create_snapshot(self, ctx: Context, values: Record, force: bool) -> Record:
        """A snapshot of a volume; `force`: also while it is attached."""

    def delete_snapshot(self, ctx: Context, snapshot_id: str) -> None:
        """Delete it."""

    # --- of a server, whose record has been checked

    def attachments(self, ctx: Context, server: Record) -> list[Record]:
        """Volumes attached to it."""

    def attachment(self, ctx: Context, server: Record, volume_id: str) -> Record:
        """One of these."""

    def attach(self, ctx: Context, server: Record, wanted: Record) -> Record:
        """Attach `volume_id`; `wanted` may hold device, tag, delete_on_termination."""

    def change_attachment(self, ctx: Context, server: Record, volume_id: str, wanted: Record) -> None:
        """Another volume in its place, or another fate when the server goes."""

    def detach(self, ctx: Context, server: Record, volume_id: str) -> None:
        """Detach it."""

    def shares(self, ctx: Context, server: Record) -> list[Record]:
        """Shares attached to it."""

    def share(self, ctx: Context, server: Record, share_id: str) -> Record:
        """One of these."""

    def attach_share(self, ctx: Context, server: Record, share_id: str, tag: str | None) -> Record:
        """Attach a share."""

    def detach_share(self, ctx: Context, server: Record, share_id: str) -> None:
        """Detach it."""
