"""Host aggregates: who may be in which, what that does to zones, and images their hosts fetch beforehand."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import aggregates, image_requests, services
from novalite.db.models.compute import Host
from novalite.errors import (
    BadRequest,
    Conflict,
    HostNotFound,
    ImageNotActive,
    NotFound,
    NovaliteError,
)
from novalite.objects.base import Record
from novalite.rpc.contracts.aggregates import Aggregates, HostImages

LOG = logging.getLogger(__name__)
ASK_AGAIN = 120.0
"""Seconds until a host that did not answer is asked again for an image; doubles each time."""
MOST_ASKS = 6

Change = Callable[[Session, Record], list[str]]
"""Changes an aggregate and answers the hosts whose zone that may concern."""


class AggregatesEndpoint(Aggregates):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def page(self, ctx: Context) -> list[Record]:
        with self.env.db.read() as session:
            return aggregates.page(session)

    def show(self, ctx: Context, aggregate_id: int) -> Record:
        with self.env.db.read() as session:
            return aggregates.get(session, aggregate_id)

    def create(self, ctx: Context, name: str, zone: str | None = None) -> Record:
        def work(session: Session) -> Record:
            aggregates.lock(session)
            return aggregates.get(session, aggregates.create(session, name, zone))

        return self.env.db.run(work)

    # --- changes

    def update(
        self,
        ctx: Context,
        aggregate_id: int,
        name: str | None = None,
        metadata: dict[str, str | None] | None = None,
    ) -> Record:
        def change(session: Session, aggregate: Record) -> list[str]:
            if name is not None and name != aggregate["name"]:
                aggregates.rename(session, aggregate_id, name)
            if metadata:
                aggregates.set_metadata(session, aggregate, metadata)
            return list(aggregate["hosts"])

        return self._change(aggregate_id, change, BadRequest)

    def add_host(self, ctx: Context, aggregate_id: int, host: str) -> Record:
        def change(session: Session, aggregate: Record) -> list[str]:
            _require_host(session, host)
            aggregates.add_host(session, aggregate, host)
            return [host]

        return self._change(aggregate_id, change, Conflict)

    def remove_host(self, ctx: Context, aggregate_id: int, host: str) -> Record:
        def change(session: Session, aggregate: Record) -> list[str]:
            aggregates.remove_host(session, aggregate, host)
            return [host]

        return self._change(aggregate_id, change, Conflict)

    def delete(self, ctx: Context, aggregate_id: int) -> None:
        def work(session: Session) -> None:
            aggregates.lock(session)
            if aggregates.get(session, aggregate_id)["hosts"]:
                raise BadRequest(f"Aggregate {aggregate_id} has hosts; remove them from it first.")
            aggregates.remove(session, aggregate_id)

        self.env.db.run(work)

    def _change(self, aggregate_id: int, change: Change, refusal: type[NovaliteError]) -> Record:
        """Change one aggregate; refused, with nothing changed, when its hosts' zones cannot follow."""

        def work(session: Session) -> tuple[Record, list[str]]:
            aggregates.lock(session)
            concerned = change(session, aggregates.get(session, aggregate_id))
            _check_zones(aggregates.settle(session, concerned), refusal)
            return aggregates.get(session, aggregate_id), concerned

        record, hosts = self.env.db.run(work)
        self.env.feed.changed(hosts)
        return record

    # --- images

    def cache_images(self, ctx: Context, aggregate_id: int, image_ids: list[str]) -> None:
        def work(session: Session) -> list[str]:
            hosts = list(aggregates.get(session, aggregate_id)["hosts"])
            for image_id in image_ids:
                _require_image(self.env, session, ctx, image_id)
            image_requests.add(session, hosts, image_ids, time.time() + ASK_AGAIN)
            return hosts

        ask(self.env, ctx, [(host, image_id) for host in self.env.db.run(work) for image_id in image_ids])

    def image_cached(self, ctx: Context, host: str, image_id: str, error: str | None = None) -> None:
        if error is not None:
            LOG.warning("Host %s will not have image %s beforehand: %s", host, image_id, error)
        _forget(self.env, host, image_id)


def _forget(env: Env, host: str, image_id: str) -> None:
    env.db.run(lambda session: image_requests.forget(session, host, image_id))


def ask(env: Env, ctx: Context, wanted: Iterable[tuple[str, str]]) -> None:
    """Tell (host, image) pairs to their hosts. A message that is lost is sent again by a periodic job; an
    image that is gone by now is forgotten."""
    for host, image_id in wanted:
        try:
            source = env.images.source(ctx, env.images.get(ctx, image_id))
        except (NotFound, ImageNotActive) as error:
            LOG.info("Host %s is not asked for image %s: %s", host, image_id, error)
            _forget(env, host, image_id)
            continue
        try:
            env.client.of(HostImages, host=host).fetch(ctx, source)
        except NovaliteError as error:
            LOG.info("Host %s is asked for image %s later: %s", host, image_id, error)


def _require_host(session: Session, host: str) -> None:
    query = select(Host.id).where(Host.host == host)
    service = services.page(
        session, services.Service.host == host, services.Service.binary == services.COMPUTE
    )
    if not service or session.execute(query).first() is None:
        raise HostNotFound(host=host)


def _require_image(env: Env, session: Session, ctx: Context, image_id: str) -> None:
    try:
        image = env.images.get(ctx, image_id, session=session)
    except NotFound as error:
        raise BadRequest(error.sentence) from error
    if image.status != "active":
        raise ImageNotActive(image_id=image_id)


def _check_zones(settled: aggregates.Settled, refusal: type[NovaliteError]) -> None:
    """A host is in one zone, and does not leave it while it carries servers, who were promised theirs."""
    for host, zones in settled.torn.items():
        raise refusal(f"Host {host} would be in several availability zones: {', '.join(zones)}.")
    for move in settled.moves:
        if move.servers:
            raise refusal(
                f"Host {move.host} would move from availability zone {move.before} to {move.after}, "
                "but one or more hosts contain instances in this zone."
            )
