"""The image port of the conductor itself: reads and writes its own database, makes tokens for hosts."""

from __future__ import annotations

import logging

from oslo_config.cfg import ConfigOpts
from sqlalchemy import event
from sqlalchemy.orm import Session

from novalite.context import Context, system
from novalite.db.images import listing, records
from novalite.db.session import Database
from novalite.errors import Forbidden, ImageNotActive, ImageNotFound, NovaliteError
from novalite.identity.tokens import Signer
from novalite.objects.base import Record
from novalite.objects.images import Image, ImageQuery, ImageSource, ImageTarget
from novalite.rpc.client import Client
from novalite.rpc.contracts.images import ImageNews

LOG = logging.getLogger(__name__)


class ConductorImages:
    """An ImageMaker over the conductor's database. Bytes of removed images are removed by the API workers, which
    `client` tells of them; without one, by their store's sweep."""

    def __init__(self, db: Database, signer: Signer, conf: ConfigOpts, client: Client | None = None) -> None:
        self._db, self._signer, self._client = db, signer, client
        self._conf = conf.images
        self._url = host_url(conf)

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
            url=self._bytes(image),
            token=self._signer.image_token(image.id, self._conf.download_token_seconds),
            disk_format=image.disk_format,
            size=image.size,
            os_hash_algo=image.os_hash_algo,
            os_hash_value=image.os_hash_value,
            min_disk=image.min_disk,
            properties=image.properties,
        )

    def create(self, ctx: Context, values: Record, session: Session | None = None) -> Image:
        """See ImageMaker."""
        quota = self._conf.property_quota
        if session is not None:
            return Image(**records.create(session, values, quota))
        return Image(**self._db.run(lambda fresh: records.create(fresh, values, quota)))

    def target(self, ctx: Context, image: Image, seconds: float) -> ImageTarget:
        """See ImageMaker."""
        token = self._signer.upload_token(image.id, int(seconds) + 1)
        return ImageTarget(id=image.id, url=self._bytes(image), token=token, disk_format=image.disk_format or "")

    def owned(self, owner: str, properties: dict[str, str], session: Session | None = None) -> list[Image]:
        """See ImageMaker."""
        query = ImageQuery(equals={"owner": [owner]}, properties=properties, visibility="all", limit=1000)
        if session is not None:
            return [Image(**record) for record in listing.page(session, system(), query)]
        with self._db.read() as fresh:
            return [Image(**record) for record in listing.page(fresh, system(), query)]

    def discard(self, image_id: str, session: Session | None = None) -> bool:
        """See ImageMaker."""
        if session is None:
            return self._db.run(lambda fresh: self.discard(image_id, fresh))
        try:
            location = records.remove(session, system(), image_id)
        except ImageNotFound:
            return True
        except Forbidden:
            return False
        if location is not None:  # the bytes go when it is certain that the record is gone
            event.listen(session, "after_commit", lambda _: self._tell(location), once=True)
        return True

    def _tell(self, location: str) -> None:
        if self._client is None:
            return
        try:
            self._client.of(ImageNews).removed(system(), [location])
        except NovaliteError as error:
            LOG.warning("The bytes %s are left to the sweep of the image store: %s", location, error)

    def _bytes(self, image: Image) -> str:
        return f"{self._url}/v2/images/{image.id}/file"


def host_url(conf: ConfigOpts) -> str:
    """Where compute hosts reach the image API, without a version."""
    public = conf.api.public_url or f"http://{conf.host}:{conf.api.port}"
    return str(conf.images.host_url or f"{public.rstrip('/')}/image").rstrip("/")
