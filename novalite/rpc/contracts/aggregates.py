"""Host aggregates, and images that their hosts fetch beforehand."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.images import ImageSource
from novalite.rpc.contracts.base import Contract, call, cast


class Aggregates(Contract, topic="conductor", namespace="aggregates", version="1.0"):
    """Aggregate records: id (integer), uuid, name, metadata, hosts, created_at, updated_at.

    AggregateNotFound for an unknown id. A host is in one zone only, and stays in it while it carries servers.
    """

    @call()
    def page(self, ctx: Context) -> list[Record]:
        """All of them, by id."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, aggregate_id: int) -> Record:
        """One."""
        raise NotImplementedError

    @call()
    def create(self, ctx: Context, name: str, zone: str | None = None) -> Record:
        """AggregateExists when the name is taken."""
        raise NotImplementedError

    @call()
    def update(
        self,
        ctx: Context,
        aggregate_id: int,
        name: str | None = None,
        metadata: dict[str, str | None] | None = None,
    ) -> Record:
        """Rename, and merge metadata, where None removes a key. AggregateExists; BadRequest when hosts would
        come into two zones, or leave one while they carry servers."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, aggregate_id: int) -> None:
        """BadRequest while it has hosts."""
        raise NotImplementedError

    @call()
    def add_host(self, ctx: Context, aggregate_id: int, host: str) -> Record:
        """HostNotFound, AggregateHostExists; Conflict over zones."""
        raise NotImplementedError

    @call()
    def remove_host(self, ctx: Context, aggregate_id: int, host: str) -> Record:
        """AggregateHostNotFound; Conflict when the host would leave a zone while it carries servers."""
        raise NotImplementedError

    @call()
    def cache_images(self, ctx: Context, aggregate_id: int, image_ids: list[str]) -> None:
        """Ask every host of it to fetch these images; BadRequest for an image that cannot be used."""
        raise NotImplementedError

    @call()
    def image_cached(self, ctx: Context, host: str, image_id: str, error: str | None = None) -> None:
        """compute -> conductor: the host has the image, or will never have it, for the reason given."""
        raise NotImplementedError


class HostImages(Contract, topic="compute", namespace="host_images", version="1.0"):
    """conductor -> one compute host: images that are to be there before a server needs them."""

    @cast()
    def fetch(self, ctx: Context, source: ImageSource) -> None:
        """Have this image in the cache; one that is there already is success. Answered by
        Aggregates.image_cached; what fails in a way that may pass is not answered and is asked for again."""
        raise NotImplementedError
