"""Fetch images before a server needs them, through the same cache that builds use."""

from __future__ import annotations

import logging

from novalite import log
from novalite.compute.build import Bench
from novalite.compute.reporting import may_pass
from novalite.compute.work import Job, WorkDesk
from novalite.context import Context
from novalite.errors import ImageDownloadFailed, NovaliteError
from novalite.objects.images import ImageSource
from novalite.rpc.client import Client
from novalite.rpc.contracts.aggregates import Aggregates, HostImages

LOG = logging.getLogger(__name__)


class HostImagesEndpoint(HostImages):
    """See the contract. A fetch takes the place of a build, so that they never outnumber builds."""

    def __init__(self, bench: Bench, desk: WorkDesk, client: Client, host: str) -> None:
        self.bench, self.desk, self.client, self.host = bench, desk, client, host

    def fetch(self, ctx: Context, source: ImageSource) -> None:
        def run(job: Job) -> None:
            with log.bind(ctx):
                self._fetch(ctx, source, job)

        self.desk.submit(Job(f"image {source.id}", run, build=True))

    def _fetch(self, ctx: Context, source: ImageSource, job: Job) -> None:
        reason = None
        try:
            if self.bench.driver.needs_images:
                with self.bench.cache.using(source, job.check):
                    pass
        except ImageDownloadFailed as error:  # the conductor asks again
            LOG.warning("Image %s was not fetched beforehand: %s", source.id, error)
            return
        except NovaliteError as error:
            reason = error.sentence
        try:
            self.client.of(Aggregates).image_cached(ctx, self.host, source.id, reason)
        except Exception as error:
            if not may_pass(error):
                raise
            LOG.warning("That image %s is here will be told when it is asked for again: %s", source.id, error)
