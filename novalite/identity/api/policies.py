"""Who may do what in the Identity API. `etc/policy.yaml` overrides any row by its published name.

Targets hold `user_id`, `project_id` and `domain_id` as far as the thing asked for has them.
"""

from __future__ import annotations

from novalite.api.policy import Rule

ADMIN = "role:admin"
READER = "role:admin or (role:reader and system_scope:all)"
DOMAIN_READER = f"{READER} or (role:reader and domain_id:%(domain_id)s)"
DOMAIN_MANAGER = "role:admin or (role:manager and domain_id:%(domain_id)s)"
OWNER = "user_id:%(user_id)s"
ANYBODY = "@"

# noun: who lists, who shows, who creates, changes and deletes
_RECORDS = {
    "domain": (READER, f"{READER} or domain_id:%(domain_id)s or project_domain_id:%(domain_id)s", ADMIN),
    "project": (DOMAIN_READER, f"{DOMAIN_READER} or project_id:%(project_id)s", DOMAIN_MANAGER),
    "user": (DOMAIN_READER, f"{DOMAIN_READER} or {OWNER}", DOMAIN_MANAGER),
    "group": (DOMAIN_READER, DOMAIN_READER, DOMAIN_MANAGER),
    "role": (f"{READER} or role:manager", f"{READER} or role:manager", ADMIN),
    "service": (READER, READER, ADMIN),
    "endpoint": (READER, READER, ADMIN),
    "region": (ANYBODY, ANYBODY, ADMIN),
}


def _record_rules(noun: str, lists: str, shows: str, writes: str) -> list[Rule]:
    path = f"/v3/{noun}s"
    one = f"{path}/{{id}}"
    return [
        Rule(f"identity:list_{noun}s", lists, f"List {noun}s.", (f"GET {path}",)),
        Rule(f"identity:get_{noun}", shows, f"Show a {noun}.", (f"GET {one}",)),
        Rule(f"identity:create_{noun}", writes, f"Create a {noun}.", (f"POST {path}",)),
        Rule(f"identity:update_{noun}", writes, f"Change a {noun}.", (f"PATCH {one}",)),
        Rule(f"identity:delete_{noun}", writes, f"Delete a {noun}.", (f"DELETE {one}",)),
    ]


_GRANT = "/v3/{target}/{target_id}/{actor}/{actor_id}/roles"
_MEMBER = "/v3/groups/{group_id}/users/{user_id}"
_CREDENTIAL = "/v3/users/{user_id}/application_credentials"

OTHERS = [
    Rule(
        "identity:validate_token",
        f"{READER} or role:service or {OWNER}",
        "Show what a token says; everybody may show their own.",
        ("GET /v3/auth/tokens",),
    ),
    Rule(
        "identity:revoke_token",
        f"{ADMIN} or {OWNER}",
        "End a token; everybody may end their own.",
        ("DELETE /v3/auth/tokens",),
    ),
    Rule(
        "identity:list_user_projects",
        f"{DOMAIN_READER} or {OWNER}",
        "List the projects of a user.",
        ("GET /v3/users/{user_id}/projects",),
    ),
    Rule(
        "identity:list_groups_for_user",
        f"{DOMAIN_READER} or {OWNER}",
        "List the groups of a user.",
        ("GET /v3/users/{user_id}/groups",),
    ),
    Rule(
        "identity:change_password",
        f"{ADMIN} or {OWNER}",
        "Change a password whose present value is known.",
        ("POST /v3/users/{user_id}/password",),
    ),
    Rule(
        "identity:list_users_in_group",
        DOMAIN_READER,
        "List the users of a group.",
        ("GET /v3/groups/{group_id}/users",),
    ),
    Rule(
        "identity:check_user_in_group",
        DOMAIN_READER,
        "Ask whether a user is in a group.",
        (f"HEAD {_MEMBER}",),
    ),
    Rule("identity:add_user_to_group", DOMAIN_MANAGER, "Put a user into a group.", (f"PUT {_MEMBER}",)),
    Rule(
        "identity:remove_user_from_group",
        DOMAIN_MANAGER,
        "Take a user out of a group.",
        (f"DELETE {_MEMBER}",),
    ),
    Rule("identity:list_grants", READER, "List roles given to somebody somewhere.", (f"GET {_GRANT}",)),
    Rule("identity:check_grant", READER, "Ask whether a role is given.", (f"HEAD {_GRANT}/{{role_id}}",)),
    Rule("identity:create_grant", ADMIN, "Give a role.", (f"PUT {_GRANT}/{{role_id}}",)),
    Rule("identity:revoke_grant", ADMIN, "Take a role back.", (f"DELETE {_GRANT}/{{role_id}}",)),
    Rule(
        "identity:list_role_assignments",
        f"{DOMAIN_READER} or {OWNER}",
        "List who has which role where; everybody may list their own.",
        ("GET /v3/role_assignments",),
    ),
    Rule(
        "identity:list_implied_roles",
        READER,
        "List and show which roles imply which.",
        ("GET /v3/roles/{prior_role_id}/implies", "GET /v3/role_inferences"),
    ),
    Rule(
        "identity:create_implied_role",
        ADMIN,
        "Let a role imply another.",
        ("PUT /v3/roles/{prior_role_id}/implies/{implied_role_id}",),
    ),
    Rule(
        "identity:delete_implied_role",
        ADMIN,
        "End that.",
        ("DELETE /v3/roles/{prior_role_id}/implies/{implied_role_id}",),
    ),
    Rule(
        "identity:list_application_credentials",
        f"{READER} or {OWNER}",
        "List application credentials of a user.",
        (f"GET {_CREDENTIAL}",),
    ),
    Rule(
        "identity:get_application_credential",
        f"{READER} or {OWNER}",
        "Show one of them.",
        (f"GET {_CREDENTIAL}/{{id}}",),
    ),
    Rule(
        "identity:create_application_credential",
        OWNER,
        "Create one for oneself.",
        (f"POST {_CREDENTIAL}",),
    ),
    Rule(
        "identity:delete_application_credential",
        f"{ADMIN} or {OWNER}",
        "Delete one.",
        (f"DELETE {_CREDENTIAL}/{{id}}",),
    ),
]

RULES = [rule for noun, who in _RECORDS.items() for rule in _record_rules(noun, *who)] + OTHERS
