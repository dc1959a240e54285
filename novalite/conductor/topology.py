"""Cells and CPUs of servers that are there: whether they have any, and that a rebuild leaves them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novalite.errors import BadRequest
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.numa import GuestTopology
from novalite.objects.numa_request import asked, of_interest


def of(server: Record) -> GuestTopology | None:
    """What the server asks for; None as well for nonsense, which an older release may have let in: such a server has
    no place of that kind."""
    try:
        return asked(Flavor(**server["flavor"]), server["image_properties"] or {}, server["scheduler_hints"])
    except BadRequest:
        return None


def wanted(server: Record, *others: Mapping[str, Any] | None) -> bool:
    """Whether the server may ask for cells or CPUs with its flavor, the one it had or one of these: others cost no look
    into the database."""
    properties, hints = server["image_properties"] or {}, server["scheduler_hints"] or {}
    flavors = (server["flavor"], server["old_flavor"], *others)
    return any(flavor and of_interest(flavor.get("extra_specs") or {}, properties, hints) for flavor in flavors)


def check_rebuild(server: Record, properties: Mapping[str, str]) -> None:
    """A rebuild keeps the place that the server has. Raises BadRequest for an image that wants another."""
    if asked(Flavor(**server["flavor"]), properties, server["scheduler_hints"]) != of(server):
        raise BadRequest(
            "An instance's NUMA topology cannot be changed as part of a rebuild. "
            "The image provided is invalid for this instance."
        )
