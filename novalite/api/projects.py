"""Projects that requests name: they must exist."""

from __future__ import annotations

from novalite.api.routing import Call
from novalite.api.runtime import runtime
from novalite.errors import BadRequest


def require_project(call: Call, project_id: str) -> None:
    """BadRequest unless there is such a project. The caller's own exists: its token says so."""
    if project_id == call.ctx.project_id:
        return
    if not runtime().identity.project_exists(call.ctx, project_id):
        raise BadRequest(f"Project ID {project_id[:64]} is not a valid project.")
