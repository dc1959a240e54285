"""The image port of the conductor itself: reads its own database, makes tokens for hosts."""

from __future__ import annotations

from oslo_config.cfg import ConfigOpts
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.images import records
from novalite.db.session import Database
from novalite.errors import ImageNotActive
from novalite.identity.tokens import Signer
from novalite.objects.images import Image, ImageSource


class ConductorImages:
    """An ImagePort over the conductor's database."""

    def __init__(self, db: Database, signer: Signer, conf: ConfigOpts) -> None:
        self._db, self._signer = db, signer
        self._url, self._ttl = host_url(conf), conf.images.download_token_seconds

    def get(self, ctx: Context, image_id: str, session: Session | None = None) -> Image:
        """See ImagePort; inside `session` when one is open."""
        if session is not None:
            return Image(**records.show(session, ctx, image_id, tags=False))
        with self._db.read() as fresh:
            return Image(**records.show(fresh, ctx, image_id, tags=False))

    def source(self, ctx: Context, image: Image) -> ImageSource:
        """See ImagePort. The token in it reads this one image for a while."""
        if image.status != "active" or image.disk_format is None:
            raise ImageNotActive(image_id=image.id)
        return ImageSource(
            id=image.id,
            url=f"{self._url}/v2/images/{image.id}/file",
            token=self._signer.image_token(image.id, self._ttl),
            disk_format=image.disk_format,
            size=image.size,
            os_hash_algo=image.os_hash_algo,
            os_hash_value=image.os_hash_value,
            min_disk=image.min_disk,
            properties=image.properties,
        )


def host_url(conf: ConfigOpts) -> str:
    """Where compute hosts reach the image API, without a version."""
    public = conf.api.public_url or f"http://{conf.host}:{conf.api.port}"
    return str(conf.images.host_url or f"{public.rstrip('/')}/image").rstrip("/")
