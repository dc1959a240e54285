"""Why servers are where they are, and where new ones would go: our own additions to the API.

    GET  /servers/{id}/os-placement-decision    the last decision on where a server goes
    POST /os-placement-decisions                a dry run: the body of POST /servers, and how many (`count`)

Users see counts and reasons, administrators also hosts.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field as Limits

from novalite.api.fields import Field, See, View
from novalite.api.policy import allowed
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.servers import create
from novalite.api.servers.access import guard
from novalite.api.servers.schemas import CreateServer
from novalite.objects.base import Record
from novalite.rpc.contracts.placement_decisions import PlacementDecisions

ROUTES = Routes()
RULE = "os_compute_api:os-placement-decisions:"
MOST_HOSTS = 100


class DryRun(CreateServer):
    """POST /os-placement-decisions: how many servers like this, instead of min_count and max_count."""

    count: Annotated[int, Limits(ge=1, le=1000, strict=True)] = 1


def _hosts(record: Record, see: See) -> list[dict[str, Any]]:
    """Those that will do by rank, then some of those that will not; for who may see hosts."""
    found = [
        {"host": one["host"], "node": one["node"], "rank": rank, "weight": one["weight"], "weights": one["weights"],
         "refused_by": None, "reason": None}
        for rank, one in enumerate(record["candidates"], 1)
    ]  # fmt: skip
    found += [
        {"host": one["host"], "node": one["node"], "rank": None, "weight": None, "weights": {},
         "refused_by": one["refused_by"], "reason": one["why"]}
        for one in record["verdicts"]
    ]  # fmt: skip
    return found


COMMON = (
    Field("considered", lambda r, see: r["considered"], kind=int),
    Field("refused", lambda r, see: {k: n for k, n in r["refused"].items() if n}, kind=dict[str, int]),
    Field("nearly", lambda r, see: list(r["nearly"]), kind=list[str]),
)
DECISION = View(
    Field("action", lambda r, see: r["action"]),
    Field("request_id", lambda r, see: r["request_id"]),
    Field("made_at", lambda r, see: r["made_at"]),
    Field("placed", lambda r, see: r["placed"], kind=bool),
    *COMMON,
    Field("host", lambda r, see: r["host"], policy=RULE + "show:hosts", kind=str),
    Field("tried", lambda r, see: r["excluded"], policy=RULE + "show:hosts", kind=dict[str, str]),
    Field("hosts", _hosts, policy=RULE + "show:hosts", kind=list[dict[str, Any]]),
)
WHAT_IF = View(
    Field("count", lambda r, see: r["count"], kind=int),
    Field("fits", lambda r, see: r["fits"], kind=int),
    Field("fits_counted_to", lambda r, see: r["fits_counted_to"], kind=int),
    Field("passed", lambda r, see: r["passed"], kind=int),
    *COMMON,
    Field("hosts", _hosts, policy=RULE + "create:hosts", kind=list[dict[str, Any]]),
    Field("hosts_left_out", lambda r, see: r["hosts_left_out"], policy=RULE + "create:hosts", kind=int),
)


@ROUTES.get(
    "/servers/<server_id>/os-placement-decision", policy=RULE + "show", answer={"placement_decision": DECISION}
)
def show(call: Call, server_id: str) -> Result:
    """The last decision on where the server goes; NotFound when none is kept."""
    guard(call, server_id, RULE + "show")
    record = runtime().peer(PlacementDecisions).last(call.ctx, server_id)
    return {"placement_decision": DECISION.show(record, call.see())}


@ROUTES.post(
    "/os-placement-decisions", policy=RULE + "create", body=DryRun, status=200,
    answer={"placement_decision": WHAT_IF},
)  # fmt: skip
def what_if(call: Call) -> Result:
    """What would become of such a request; nothing is created, and quotas are not looked at."""
    body: DryRun = call.body
    message = create.to_message(body)
    hosts = allowed(RULE + "create:hosts")
    told = runtime().peer(PlacementDecisions).what_if(call.ctx, message, body.count, MOST_HOSTS if hosts else 0)
    found = [one.model_dump() for one in told.hosts]
    record = {
        **told.model_dump(exclude={"hosts"}),
        "count": body.count,
        "candidates": [one for one in found if one["rank"]],
        "verdicts": [one for one in found if one["refused_by"]],
    }
    return {"placement_decision": WHAT_IF.show(record, call.see())}
