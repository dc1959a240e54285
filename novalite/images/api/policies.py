"""Who may do what in the Image API. `etc/policy.yaml` overrides any row by its published name.

These rules ask what kind of caller it is. Which image a caller sees (its own, public, community and
shared ones) and changes (its own) does not depend on them.
"""

from __future__ import annotations

from novalite.api.policy import Rule

ADMIN = "role:admin"
READER = "role:admin or (role:reader and project_id:%(project_id)s) or role:service"
MEMBER = "role:admin or (role:member and project_id:%(project_id)s) or role:service"

_IMAGE = "/v2/images/{image_id}"
_MEMBER = f"{_IMAGE}/members/{{member_id}}"

RULES = [
    Rule("get_images", READER, "List images.", ("GET /v2/images",)),
    Rule("get_image", READER, "Show an image.", (f"GET {_IMAGE}",)),
    Rule("add_image", MEMBER, "Create an image.", ("POST /v2/images",)),
    Rule("modify_image", MEMBER, "Change an image, its tags and its import.", (f"PATCH {_IMAGE}",)),
    Rule("delete_image", MEMBER, "Delete an image.", (f"DELETE {_IMAGE}",)),
    Rule("publicize_image", ADMIN, "Make an image public.", ("POST /v2/images", f"PATCH {_IMAGE}")),
    Rule(
        "communitize_image",
        MEMBER,
        "Make an image visible to whoever knows its id.",
        ("POST /v2/images", f"PATCH {_IMAGE}"),
    ),
    Rule("change_image_owner", ADMIN, "Give an image to another project.", (f"PATCH {_IMAGE}",)),
    Rule("upload_image", MEMBER, "Upload bytes.", (f"PUT {_IMAGE}/file", f"PUT {_IMAGE}/stage")),
    Rule("download_image", MEMBER, "Download bytes.", (f"GET {_IMAGE}/file",)),
    Rule("deactivate", MEMBER, "Forbid downloads.", (f"POST {_IMAGE}/actions/deactivate",)),
    Rule("reactivate", MEMBER, "Allow downloads again.", (f"POST {_IMAGE}/actions/reactivate",)),
    Rule("get_members", READER, "List who an image is shared with.", (f"GET {_IMAGE}/members",)),
    Rule("get_member", READER, "Show one of them.", (f"GET {_MEMBER}",)),
    Rule("add_member", MEMBER, "Share an image.", (f"POST {_IMAGE}/members",)),
    Rule("modify_member", MEMBER, "Accept or reject a shared image.", (f"PUT {_MEMBER}",)),
    Rule("delete_member", MEMBER, "Share no longer.", (f"DELETE {_MEMBER}",)),
]
