"""Uploads whose API worker died: their images become queued again."""

from __future__ import annotations

import logging

from oslo_config.cfg import ConfigOpts

from novalite.db.images import uploads
from novalite.db.session import Database

LOG = logging.getLogger(__name__)


class ExpireUploads:
    """Periodic: gives up uploads that showed no life for [images] upload_lease."""

    name = "expire_uploads"

    def __init__(self, db: Database, conf: ConfigOpts) -> None:
        self._db, self._lease = db, conf.images.upload_lease
        self.interval = float(conf.images.expire_uploads_interval)

    def run(self) -> int:
        """Answers how many were given up."""
        ids = self._db.run(lambda session: uploads.expire(session, self._lease))
        for image_id in ids:
            LOG.warning("The upload of image %s died; the image is queued again", image_id)
        return len(ids)
