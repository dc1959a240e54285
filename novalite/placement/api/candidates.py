"""Allocation candidates: ways to get what is asked for, each as the body of a PUT of allocations."""

from __future__ import annotations

from flask import request

from novalite.objects.base import Record, unpack
from novalite.objects.placement_candidates import CandidateQuery
from novalite.placement import query
from novalite.placement.api.http import NOW, Answer, Call, peer
from novalite.placement.api.routing import Routes

ROUTES = Routes()


@ROUTES.add("GET", "/allocation_candidates", since=10, policy="placement:allocation_candidates:list")
def page(call: Call) -> Answer:
    """Those there are, up to the limit."""
    asked = query.candidates(request.args.items(multi=True), call.minor)
    found = unpack(peer().candidates(call.ctx, asked))
    body = {
        "allocation_requests": [_candidate(one, call.minor) for one in found["candidates"]],
        "provider_summaries": _summaries(found["summaries"], asked, call.minor),
    }
    return Answer(body, modified=NOW)


def _candidate(found: Record, minor: int) -> Record:
    """A candidate as PUT of this version takes it."""
    amounts = found["allocations"].items()
    if minor < 12:
        return {
            "allocations": [{"resource_provider": {"uuid": uuid}, "resources": some} for uuid, some in amounts]
        }
    shown: Record = {"allocations": {uuid: {"resources": some} for uuid, some in amounts}}
    if minor >= 34:
        shown["mappings"] = found["mappings"]
    return shown


def _summaries(found: dict[str, Record], asked: CandidateQuery, minor: int) -> dict[str, Record]:
    """Before 1.27 only classes that were asked for, before 1.17 no traits, before 1.29 no places in trees."""
    classes = {name for group in asked.groups for name in group.resources}
    shown = {}
    for uuid, one in found.items():
        resources = {name: it for name, it in one["resources"].items() if minor >= 27 or name in classes}
        shown[uuid] = {"resources": resources}
        if minor >= 17:
            shown[uuid]["traits"] = one["traits"]
        if minor >= 29:
            shown[uuid] |= {key: one[key] for key in ("parent_provider_uuid", "root_provider_uuid")}
    return shown
