"""Server groups: /os-server-groups."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field as Limits

from novalite.api.fields import Field, View
from novalite.api.paging import Key, Query, integer, text
from novalite.api.policy import allowed
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Name, PositiveInt, RequiredSince, Since, Until
from novalite.errors import BadRequest, Forbidden
from novalite.rpc.contracts.server_groups import ServerGroups

ROUTES = Routes()
RULE = "os_compute_api:os-server-groups:"
SOFT_SINCE = 15
ONE_POLICY_SINCE = 64

Policy = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]


# --- bodies ------------------------------------------------------------------------------------


class Rules(Body):
    """What refines anti-affinity."""

    max_server_per_host: PositiveInt | None = None


class NewGroup(Body):
    """The `server_group` of POST /os-server-groups: a list of one policy, from 2.64 on one policy."""

    name: Name
    policies: Annotated[list[Policy] | None, Limits(min_length=1, max_length=1), Until(63)] = None
    policy: Annotated[Policy | None, RequiredSince(ONE_POLICY_SINCE), Since(ONE_POLICY_SINCE)] = None
    rules: Annotated[Rules | None, Since(ONE_POLICY_SINCE)] = None


class CreateGroup(Body):
    """POST /os-server-groups."""

    server_group: NewGroup


# --- answers -----------------------------------------------------------------------------------

GROUP = View(
    Field("id", lambda r, see: r["uuid"]),
    Field("name", lambda r, see: r["name"]),
    Field("policies", lambda r, see: [r["policy"]], until=63, kind=list[str]),
    Field("policy", lambda r, see: r["policy"], since=ONE_POLICY_SINCE, kind=str),
    Field("rules", lambda r, see: r["rules"], since=ONE_POLICY_SINCE, kind=dict[str, int]),
    Field("members", lambda r, see: r["members"], kind=list[str]),
    Field("metadata", lambda r, see: {}, until=63),
    Field("project_id", lambda r, see: r["project_id"], since=13),
    Field("user_id", lambda r, see: r["user_id"], since=13),
)


# --- routes ------------------------------------------------------------------------------------

LISTED = Query(all_projects=text, limit=Key(integer(0)), offset=Key(integer(0)))


@ROUTES.get("/os-server-groups", policy=RULE + "index", query=LISTED, answer={"server_groups": [GROUP]})
def index(call: Call) -> Result:
    """Of the own project; administrators may ask for all."""
    everything = "all_projects" in call.query and allowed(RULE + "index:all_projects")
    most: int = runtime().conf.api.max_limit
    limit = min(call.query.one("limit") or most, most)
    offset = min(call.query.one("offset", 0), 0x7FFFFFFF)
    records = runtime().peer(ServerGroups).page(call.ctx, everything, limit, offset)
    return {"server_groups": GROUP.show_all(records, call.see())}


@ROUTES.post("/os-server-groups", policy=RULE + "create", body=CreateGroup, answer={"server_group": GROUP})
def create(call: Call) -> Result:
    """A group without servers; they come in by the hint `group` of POST /servers."""
    asked: NewGroup = call.body.server_group
    if call.ctx.project_id is None:
        raise Forbidden("A server group belongs to a project, and this token is for none.")
    policy = _policy(asked, call.minor)
    record = runtime().peer(ServerGroups).create(call.ctx, asked.name, policy, _rules(asked, policy))
    return {"server_group": GROUP.show(record, call.see())}


def _policy(asked: NewGroup, minor: int) -> str:
    field = "policy" if minor >= ONE_POLICY_SINCE else "policies"
    policy = asked.policies[0] if asked.policies else asked.policy
    if policy is None:
        raise BadRequest(f"Invalid input for field/attribute server_group.{field}. It is required.")
    if policy.startswith("soft-") and minor < SOFT_SINCE:
        raise BadRequest(
            f"Invalid input for field/attribute server_group.{field}. It must be 'affinity' or 'anti-affinity'."
        )
    return policy


def _rules(asked: NewGroup, policy: str) -> dict[str, Any]:
    rules = {} if asked.rules is None else asked.rules.model_dump(exclude_none=True)
    if rules and policy != "anti-affinity":
        raise BadRequest("Only the anti-affinity policy supports rules.")
    return rules


@ROUTES.get("/os-server-groups/<group_id>", policy=RULE + "show", answer={"server_group": GROUP})
def show(call: Call, group_id: str) -> Result:
    """One."""
    record = runtime().peer(ServerGroups).show(call.ctx, group_id)
    return {"server_group": GROUP.show(record, call.see())}


@ROUTES.delete("/os-server-groups/<group_id>", policy=RULE + "delete")
def delete(call: Call, group_id: str) -> Result:
    """Its servers stay where they are."""
    runtime().peer(ServerGroups).delete(call.ctx, group_id)
    return None
