"""Who may do what in the Placement API, by the published names and with the published defaults: administrators and
services everything, readers of a project its usages. `etc/policy.yaml` overrides any row."""

from __future__ import annotations

from novalite.api.policy import Rule

_IN_A_PROJECT = "not system_scope:all"
"""As published: tokens that are not of a project are refused."""
ADMIN_OR_SERVICE = f"(role:admin or role:service) and {_IN_A_PROJECT}"
SERVICE = f"role:service and {_IN_A_PROJECT}"
READER_TOO = (
    f"(role:admin or (role:reader and project_id:%(project_id)s) or role:service) and {_IN_A_PROJECT}"
)

_P = "placement:resource_providers"
_ONE = "/resource_providers/{uuid}"
_INVENTORIES = f"{_ONE}/inventories"
_INVENTORY = f"{_INVENTORIES}/{{resource_class}}"
_ROWS = (
    (f"{_P}:list", "List resource providers.", "GET /resource_providers"),
    (f"{_P}:create", "Create a resource provider.", "POST /resource_providers"),
    (f"{_P}:show", "Show a resource provider.", f"GET {_ONE}"),
    (f"{_P}:update", "Rename or move a resource provider.", f"PUT {_ONE}"),
    (f"{_P}:delete", "Delete a resource provider.", f"DELETE {_ONE}"),
    (f"{_P}:inventories:list", "List inventories.", f"GET {_INVENTORIES}"),
    (f"{_P}:inventories:create", "Create an inventory.", f"POST {_INVENTORIES}"),
    (f"{_P}:inventories:show", "Show an inventory.", f"GET {_INVENTORY}"),
    (f"{_P}:inventories:update", "Change inventories.", f"PUT {_INVENTORIES}", f"PUT {_INVENTORY}"),
    (f"{_P}:inventories:delete", "Delete inventories.", f"DELETE {_INVENTORIES}", f"DELETE {_INVENTORY}"),
    (f"{_P}:aggregates:list", "List a provider's aggregates.", f"GET {_ONE}/aggregates"),
    (f"{_P}:aggregates:update", "Set a provider's aggregates.", f"PUT {_ONE}/aggregates"),
    (f"{_P}:traits:list", "List a provider's traits.", f"GET {_ONE}/traits"),
    (f"{_P}:traits:update", "Set a provider's traits.", f"PUT {_ONE}/traits"),
    (f"{_P}:traits:delete", "Remove a provider's traits.", f"DELETE {_ONE}/traits"),
    (f"{_P}:allocations:list", "List what is held of a provider.", f"GET {_ONE}/allocations"),
    (f"{_P}:usages", "See how much of a provider is in use.", f"GET {_ONE}/usages"),
    ("placement:traits:list", "List traits.", "GET /traits"),
    ("placement:traits:show", "Show a trait.", "GET /traits/{name}"),
    ("placement:traits:update", "Create a trait.", "PUT /traits/{name}"),
    ("placement:traits:delete", "Delete a trait.", "DELETE /traits/{name}"),
    ("placement:resource_classes:list", "List resource classes.", "GET /resource_classes"),
    ("placement:resource_classes:create", "Create a resource class.", "POST /resource_classes"),
    ("placement:resource_classes:show", "Show a resource class.", "GET /resource_classes/{name}"),
    ("placement:resource_classes:update", "Create or rename a resource class.", "PUT /resource_classes/{name}"),
    ("placement:resource_classes:delete", "Delete a resource class.", "DELETE /resource_classes/{name}"),
    ("placement:allocation_candidates:list", "List allocation candidates.", "GET /allocation_candidates"),
    ("placement:allocations:manage", "Write what several consumers hold.", "POST /allocations"),
    ("placement:allocations:list", "Show what a consumer holds.", "GET /allocations/{consumer_uuid}"),
    ("placement:allocations:update", "Write what a consumer holds.", "PUT /allocations/{consumer_uuid}"),
    ("placement:allocations:delete", "Give back what a consumer holds.", "DELETE /allocations/{consumer_uuid}"),
)
RULES = [
    *(Rule(name, ADMIN_OR_SERVICE, what, tuple(operations)) for name, what, *operations in _ROWS),
    Rule("placement:reshaper:reshape", SERVICE, "Move inventories and what is held of them.", ("POST /reshaper",)),
    Rule("placement:usages", READER_TOO, "See how much a project uses.", ("GET /usages",)),
]
