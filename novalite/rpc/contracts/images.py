"""The embedded image service, as API workers ask the conductor for it. Bytes never pass here."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.images import ImageChange, ImageQuery, ImageSource, StoredBytes
from novalite.rpc.contracts.base import Contract, call, fanout


class Images(Contract, topic="conductor", namespace="images", version="1.0"):
    """Records have the fields of objects.images.Image. An image the caller may not see is ImageNotFound;
    one that the caller may see but not change is Forbidden."""

    @call()
    def page(self, ctx: Context, query: ImageQuery) -> list[Record]:
        """Images the caller may see. MarkerNotFound for a marker that is none of them."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, image_id: str) -> Record:
        """One image."""
        raise NotImplementedError

    @call()
    def create(self, ctx: Context, values: Record) -> Record:
        """A queued image. `values`: fields of BASE, `properties`, and `id` if wanted; Conflict when taken."""
        raise NotImplementedError

    @call()
    def change(self, ctx: Context, image_id: str, changes: list[ImageChange]) -> Record:
        """All of the changes or none; see objects.images.patched."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, image_id: str) -> str | None:
        """The location of its bytes, for the caller to remove. Forbidden for a protected image."""
        raise NotImplementedError

    @call()
    def begin_upload(self, ctx: Context, image_id: str, stage: bool = False) -> Record:
        """{upload_id, disk_format, container_format} of a queued image, which is now being saved (or, to be
        imported later, uploaded). Conflict when it is not queued, BadRequest without formats."""
        raise NotImplementedError

    @call(timeout=10)
    def renew_upload(self, ctx: Context, image_id: str, upload_id: str) -> None:
        """The upload lives; Gone when it was given up."""
        raise NotImplementedError

    @call()
    def finish_upload(self, ctx: Context, image_id: str, upload_id: str, stored: StoredBytes) -> None:
        """All bytes are there. May be told twice. Gone when the upload was given up or the image deleted."""
        raise NotImplementedError

    @call()
    def abort_upload(self, ctx: Context, image_id: str, upload_id: str) -> None:
        """The upload failed: the image is queued again. No error when there is nothing to abort."""
        raise NotImplementedError

    @call()
    def import_staged(self, ctx: Context, image_id: str) -> None:
        """Make staged bytes the image's. Conflict when nothing is staged."""
        raise NotImplementedError

    @call()
    def opened(self, ctx: Context, image_id: str) -> Record:
        """{location, size, checksum} for a download; location None: no bytes. Forbidden when deactivated."""
        raise NotImplementedError

    @call()
    def source(self, ctx: Context, image_id: str) -> ImageSource:
        """How a compute host fetches it. ImageNotActive when there is nothing to fetch."""
        raise NotImplementedError

    @call()
    def set_active(self, ctx: Context, image_id: str, active: bool) -> None:
        """Reactivate or deactivate; Forbidden in any other state."""
        raise NotImplementedError

    @call()
    def add_tag(self, ctx: Context, image_id: str, tag: str) -> None:
        """Also when it is there. TooLarge over the quota."""
        raise NotImplementedError

    @call()
    def remove_tag(self, ctx: Context, image_id: str, tag: str) -> None:
        """NotFound when it is not there."""
        raise NotImplementedError

    @call()
    def members(self, ctx: Context, image_id: str) -> list[Record]:
        """member_id, image_id, status, created_at, updated_at: all for the owner, else the caller's own."""
        raise NotImplementedError

    @call()
    def add_member(self, ctx: Context, image_id: str, member: str) -> Record:
        """Share; Forbidden unless the image's visibility is shared, Conflict when it is shared already."""
        raise NotImplementedError

    @call()
    def update_member(self, ctx: Context, image_id: str, member: str, status: str) -> Record:
        """The member's answer; nobody else may give it."""
        raise NotImplementedError

    @call()
    def remove_member(self, ctx: Context, image_id: str, member: str) -> None:
        """Share no longer; NotFound when it was not shared."""
        raise NotImplementedError

    @call()
    def known_locations(self, ctx: Context, locations: list[str]) -> list[str]:
        """Those of the locations that belong to an image."""
        raise NotImplementedError


class ImageNews(Contract, topic="api", namespace="image_news", version="1.0"):
    """conductor -> every API worker. A lost message costs nothing but disk until the store's next sweep."""

    @fanout()
    def removed(self, ctx: Context, locations: list[str]) -> None:
        """Bytes whose records are gone: remove them."""
        raise NotImplementedError
