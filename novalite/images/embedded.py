"""The image service answered here, for processes that reach the conductor over the bus."""

from __future__ import annotations

from typing import Any

from oslo_config.cfg import ConfigOpts

from novalite.context import Context
from novalite.objects.images import Image, ImageSource
from novalite.rpc.client import Client
from novalite.rpc.contracts.images import Images


class EmbeddedImages:
    """An ImagePort over RPC."""

    def __init__(self, conf: ConfigOpts, client: Client) -> None:
        self.peer = client.of(Images)

    def get(self, ctx: Context, image_id: str, session: Any = None) -> Image:
        """See ImagePort."""
        return Image(**self.peer.show(ctx, image_id))

    def source(self, ctx: Context, image: Image) -> ImageSource:
        """See ImagePort."""
        return self.peer.source(ctx, image.id)
