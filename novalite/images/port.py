"""What the rest of novalite may ask the image service, embedded or real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.images import Image, ImageChange, ImageQuery, ImageSource, ImageTarget


class ImagePort(Protocol):
    """Whoever knows images. Thread-safe."""

    def get(self, ctx: Context, image_id: str, session: Any = None) -> Image:
        """The image; ImageNotFound when there is none or the caller may not see it.

        `session` lets the conductor's own implementation read inside an open transaction; others ignore it.
        """

    def source(self, ctx: Context, image: Image) -> ImageSource:
        """How a compute host fetches it; ImageNotActive when there is nothing to fetch."""


class ImageMaker(ImagePort, Protocol):
    """What making images of servers asks besides. `session` as in ImagePort: with it, what is written is written
    when that transaction commits."""

    def create(self, ctx: Context, values: Record, session: Any = None) -> Image:
        """A queued image with these fields (those of objects.images.BASE), `properties` and `id`. TooLarge over
        the number of properties."""

    def target(self, ctx: Context, image: Image, seconds: float) -> ImageTarget:
        """How a compute host sends the bytes of a queued image within `seconds`."""

    def owned(self, owner: str, properties: dict[str, str], session: Any = None) -> list[Image]:
        """Images of one project with all of these properties, newest first."""

    def discard(self, image_id: str, session: Any = None) -> bool:
        """The image is gone, record and bytes, whosever it was; absence is success. False for a protected one,
        which stays."""


class ImageCatalog(Protocol):
    """What the compute API's own image routes ask. Thread-safe; an image the caller may not see is ImageNotFound,
    one that the caller may see but not change is Forbidden."""

    def page(self, ctx: Context, query: ImageQuery) -> list[Image]:
        """Images the caller may see. MarkerNotFound for a marker that is none of them."""

    def show(self, ctx: Context, image_id: str) -> Image:
        """One image."""

    def change(self, ctx: Context, image_id: str, changes: Sequence[ImageChange]) -> Image:
        """All of the changes or none. TooLarge over the number of properties."""

    def delete(self, ctx: Context, image_id: str) -> None:
        """The record and its bytes. Forbidden for a protected image."""
