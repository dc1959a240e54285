"""RPC endpoint of the embedded image service: open a transaction, call db/images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.images.local import ConductorImages
from novalite.context import Context
from novalite.db.images import listing, members, records, uploads
from novalite.db.models import images as m
from novalite.errors import Conflict, Forbidden, ImageNotFound
from novalite.objects.base import Record
from novalite.objects.images import ImageChange, ImageQuery, ImageSource, StoredBytes
from novalite.rpc.contracts.images import Images

T = TypeVar("T")


class ImagesEndpoint(Images):
    """Sets `env.images` when nobody has; `env.signer` must be there for `source`."""

    def __init__(self, env: Env) -> None:
        self.db, self.conf = env.db, env.conf.images
        if env.images is None:
            env.images = ConductorImages(env.db, env.signer, env.conf)
        self.images = env.images

    # --- records -----------------------------------------------------------------------------

    def page(self, ctx: Context, query: ImageQuery) -> list[Record]:
        return self._read(lambda session: listing.page(session, ctx, query))

    def show(self, ctx: Context, image_id: str) -> Record:
        return self._read(lambda session: records.show(session, ctx, image_id))

    def create(self, ctx: Context, values: Record) -> Record:
        row = {"owner": ctx.project_id} | values
        return self.db.run(lambda session: records.create(session, row, self.conf.property_quota))

    def change(self, ctx: Context, image_id: str, changes: list[ImageChange]) -> Record:
        quota = self.conf.property_quota
        return self.db.run(lambda session: records.change(session, ctx, image_id, changes, quota))

    def delete(self, ctx: Context, image_id: str) -> str | None:
        return self.db.run(lambda session: records.remove(session, ctx, image_id))

    def set_active(self, ctx: Context, image_id: str, active: bool) -> None:
        before, after = ("deactivated", "active") if active else ("active", "deactivated")

        def work(session: Session) -> None:
            found = records.find_own(session, ctx, image_id)
            if found.status != after and not records.set_status(session, image_id, before, after):
                raise Forbidden(f"Image {image_id} is {found.status}; it must be {before} for this.")

        self.db.run(work)

    def source(self, ctx: Context, image_id: str) -> ImageSource:
        return self.images.source(ctx, self.images.get(ctx, image_id))

    # --- bytes -------------------------------------------------------------------------------

    def begin_upload(self, ctx: Context, image_id: str, stage: bool = False) -> Record:
        ctx = _of_token(ctx, image_id, uploads=True)
        return self.db.run(lambda session: uploads.begin(session, ctx, image_id, stage))

    def renew_upload(self, ctx: Context, image_id: str, upload_id: str) -> None:
        self.db.run(lambda session: uploads.renew(session, image_id, upload_id))

    def finish_upload(self, ctx: Context, image_id: str, upload_id: str, stored: StoredBytes) -> None:
        self.db.run(lambda session: uploads.finish(session, image_id, upload_id, stored))

    def abort_upload(self, ctx: Context, image_id: str, upload_id: str) -> None:
        self.db.run(lambda session: uploads.give_up(session, image_id, upload_id))

    def import_staged(self, ctx: Context, image_id: str) -> None:
        def work(session: Session) -> None:
            found = records.find_own(session, ctx, image_id, m.Image.location)
            there = found.status == "uploading" and found.location is not None
            if not there or not records.set_status(session, image_id, "uploading", "active"):
                raise Conflict(f"Image {image_id} is {found.status}; it has no staged bytes to import.")

        self.db.run(work)

    def opened(self, ctx: Context, image_id: str) -> Record:
        ctx = _of_token(ctx, image_id, uploads=False)
        row = m.Image
        more = (row.location, row.size, row.checksum)
        found = self._read(lambda session: records.find(session, ctx, image_id, *more))
        if found.status == "deactivated" and not ctx.is_admin:
            raise Forbidden(f"Image {image_id} is deactivated; its bytes cannot be fetched.")
        there = found.status in ("active", "deactivated")
        return {"location": found.location if there else None, "size": found.size, "checksum": found.checksum}

    def known_locations(self, ctx: Context, locations: list[str]) -> list[str]:
        return self._read(lambda session: records.known_locations(session, locations))

    # --- tags and members --------------------------------------------------------------------

    def add_tag(self, ctx: Context, image_id: str, tag: str) -> None:
        quota = self.conf.property_quota
        self.db.run(lambda session: records.add_tag(session, ctx, image_id, tag, quota))

    def remove_tag(self, ctx: Context, image_id: str, tag: str) -> None:
        self.db.run(lambda session: records.remove_tag(session, ctx, image_id, tag))

    def members(self, ctx: Context, image_id: str) -> list[Record]:
        return self._read(lambda session: members.page(session, ctx, image_id))

    def add_member(self, ctx: Context, image_id: str, member: str) -> Record:
        quota = self.conf.property_quota
        return self.db.run(lambda session: members.add(session, ctx, image_id, member, quota))

    def update_member(self, ctx: Context, image_id: str, member: str, status: str) -> Record:
        return self.db.run(lambda session: members.answer(session, ctx, image_id, member, status))

    def remove_member(self, ctx: Context, image_id: str, member: str) -> None:
        self.db.run(lambda session: members.remove(session, ctx, image_id, member))

    # --- transactions ------------------------------------------------------------------------

    def _read(self, work: Callable[[Session], T]) -> T:
        with self.db.read() as session:
            return work(session)


def _of_token(ctx: Context, image_id: str, uploads: bool) -> Context:
    """The caller; one whose token is for the bytes of this very image may do with them what the token says."""
    if ctx.only_image is None:
        return ctx
    if ctx.only_image != image_id or ctx.uploads != uploads:
        raise ImageNotFound(image_id=image_id)
    return ctx.model_copy(update={"roles": ("admin",)})  # the token itself is the permission
