"""Who may do what in the Network API. `etc/policy.yaml` overrides any row by its published name.

These rules ask what kind of caller it is, and whose project a request names. Which records a caller sees (those of
its project, shared and external networks and what is in them) and changes (its own) does not depend on them.
"""

from __future__ import annotations

from novalite.api.policy import Rule
from novalite.networks.api.nouns import NOUNS

ADMIN = "role:admin or role:service"
READER = "role:admin or (role:reader and project_id:%(project_id)s) or role:service"
MEMBER = "role:admin or (role:member and project_id:%(project_id)s) or role:service"


def _of_nouns() -> list[Rule]:
    """The rules that every kind of record has, and those of its guarded fields."""
    found = []
    for noun in NOUNS:
        many, one = f"/v2.0/{noun.path}", f"/v2.0/{noun.path}/{{id}}"
        what = noun.plural.lower()
        found += [
            Rule(noun.rule("get"), READER, f"List and show {what}.", (f"GET {many}", f"GET {one}")),
            Rule(noun.rule("create"), MEMBER, f"Create {what}.", (f"POST {many}",)),
            Rule(noun.rule("delete"), MEMBER, f"Delete {what}.", (f"DELETE {one}",)),
        ]
        if noun.changes:
            found.append(Rule(noun.rule("update"), MEMBER, f"Change {what}.", (f"PUT {one}",)))
        if noun.tagged:
            tags = f"{one}/tags"
            found += [
                Rule(f"get_{noun.kind}_tags", READER, f"List tags of {what}.", (f"GET {tags}",)),
                Rule(f"update_{noun.kind}_tags", MEMBER, f"Set tags of {what}.", (f"PUT {tags}",)),
                Rule(f"delete_{noun.kind}_tags", MEMBER, f"Remove tags of {what}.", (f"DELETE {tags}",)),
            ]
        for field in (field for field in noun.fields if field.guard):
            shown = f"`{field.name}` of {what}"
            if field.hidden:
                found.append(Rule(noun.rule("get", field), ADMIN, f"See {shown}.", (f"GET {one}",)))
            if field.kind is not None and field.create:
                found.append(Rule(noun.rule("create", field), ADMIN, f"Set {shown}.", (f"POST {many}",)))
            if field.kind is not None and field.change:
                found.append(Rule(noun.rule("update", field), ADMIN, f"Change {shown}.", (f"PUT {one}",)))
    return found


_ROUTER = "/v2.0/routers/{router_id}"
_QUOTA = "/v2.0/quotas/{project_id}"
_TOPOLOGY = "/v2.0/auto-allocated-topology/{project_id}"
RULES = [
    *_of_nouns(),
    Rule("add_router_interface", MEMBER, "Join a subnet.", (f"PUT {_ROUTER}/add_router_interface",)),
    Rule("remove_router_interface", MEMBER, "Part a subnet.", (f"PUT {_ROUTER}/remove_router_interface",)),
    Rule(
        "get_extension", READER, "List extensions.", ("GET /v2.0/extensions", "GET /v2.0/extensions/{alias}")
    ),
    Rule("get_agent", READER, "List agents.", ("GET /v2.0/agents",)),
    Rule("get_availability_zone", READER, "List availability zones.", ("GET /v2.0/availability_zones",)),
    Rule("get_service_provider", READER, "List service providers.", ("GET /v2.0/service-providers",)),
    Rule("get_quota", READER, "See limits and use.", (f"GET {_QUOTA}", f"GET {_QUOTA}/details")),
    Rule("update_quota", ADMIN, "Set limits of a project.", (f"PUT {_QUOTA}",)),
    Rule("delete_quota", ADMIN, "Remove limits of a project.", (f"DELETE {_QUOTA}",)),
    Rule("get_auto_allocated_topology", MEMBER, "Get a network without naming one.", (f"GET {_TOPOLOGY}",)),
    Rule("delete_auto_allocated_topology", MEMBER, "Delete it.", (f"DELETE {_TOPOLOGY}",)),
]
