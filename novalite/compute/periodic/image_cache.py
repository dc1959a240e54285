"""Let go of cached images that no guest stands on."""

from __future__ import annotations

from dataclasses import dataclass

from novalite.compute.image_cache import ImageCache
from novalite.context import Context


@dataclass(frozen=True)
class Aged:
    """Ids of the images that were removed."""

    removed: tuple[str, ...]


class AgeImageCache:
    """Unless `[compute] remove_unused_base_images` is off."""

    def __init__(self, cache: ImageCache) -> None:
        self.cache = cache

    def run(self, ctx: Context) -> Aged:
        """Absence of the cache is fine."""
        if not self.cache.conf.remove_unused_base_images:
            return Aged(())
        return Aged(tuple(self.cache.remove_unused()))
