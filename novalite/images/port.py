"""What the rest of novalite may ask the image service, embedded or real."""

from __future__ import annotations

from typing import Any, Protocol

from novalite.context import Context
from novalite.objects.images import Image, ImageSource


class ImagePort(Protocol):
    """Whoever knows images. Thread-safe."""

    def get(self, ctx: Context, image_id: str, session: Any = None) -> Image:
        """The image; ImageNotFound when there is none or the caller may not see it.

        `session` lets the conductor's own implementation read inside an open transaction; others ignore it.
        """

    def source(self, ctx: Context, image: Image) -> ImageSource:
        """How a compute host fetches it; ImageNotActive when there is nothing to fetch."""
