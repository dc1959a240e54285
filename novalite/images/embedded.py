"""The image service answered here, for processes that reach the conductor over the bus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oslo_config.cfg import ConfigOpts

from novalite.context import Context
from novalite.images.store import Store
from novalite.objects.images import Image, ImageChange, ImageQuery, ImageSource
from novalite.rpc.client import Client
from novalite.rpc.contracts.images import ImageNews, Images


class EmbeddedImages:
    """An ImagePort and an ImageCatalog over RPC."""

    def __init__(self, conf: ConfigOpts, client: Client) -> None:
        self.peer = client.of(Images)
        own = conf.images
        self.store = Store(own.store_path, own.image_size_cap, own.min_free_bytes, own.fsync)

    def get(self, ctx: Context, image_id: str, session: Any = None) -> Image:
        """See ImagePort."""
        return Image(**self.peer.show(ctx, image_id))

    def source(self, ctx: Context, image: Image) -> ImageSource:
        """See ImagePort."""
        return self.peer.source(ctx, image.id)

    def page(self, ctx: Context, query: ImageQuery) -> list[Image]:
        """See ImageCatalog."""
        return [Image(**record) for record in self.peer.page(ctx, query)]

    def show(self, ctx: Context, image_id: str) -> Image:
        """See ImageCatalog."""
        return self.get(ctx, image_id)

    def change(self, ctx: Context, image_id: str, changes: Sequence[ImageChange]) -> Image:
        """See ImageCatalog."""
        return Image(**self.peer.change(ctx, image_id, list(changes)))

    def delete(self, ctx: Context, image_id: str) -> None:
        """See ImageCatalog. The record first: a file without a record is swept."""
        location = self.peer.delete(ctx, image_id)
        if location is not None:
            self.store.remove(location)


class ImageNewsEndpoint(ImageNews):
    """What an API process serves on topic `api`, so that bytes of removed images go at once."""

    def __init__(self, images: EmbeddedImages) -> None:
        self._store = images.store

    def removed(self, ctx: Context, locations: list[str]) -> None:
        for location in locations:
            self._store.remove(location)
