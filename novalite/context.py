"""Who asks: user, project, roles and request id, carried through every daemon."""

from __future__ import annotations

import uuid

from pydantic import Field

from novalite.objects.base import Message


def new_request_id() -> str:
    """A request id as clients know it: `req-` and a UUID."""
    return f"req-{uuid.uuid4()}"


class Context(Message):
    """The caller of one request. Frozen; `novalite.context.system()` makes one for own work."""

    request_id: str = Field(default_factory=new_request_id)
    global_request_id: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    user_domain_id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    system_scope: str | None = None
    roles: tuple[str, ...] = ()
    only_image: str | None = None
    """Set by tokens that open the bytes of one image for a compute host and nothing else."""
    uploads: bool = False
    """Whether such a token writes the bytes; otherwise it reads them."""

    @property
    def is_admin(self) -> bool:
        """True for callers with the admin role, whatever their scope."""
        return "admin" in self.roles

    @property
    def sees_all_projects(self) -> bool:
        """True when rows of any project may be touched (admin); policy is checked before."""
        return "admin" in self.roles or "service" in self.roles


def system(request_id: str | None = None) -> Context:
    """A context for work that no user asked for: sweeps, periodics, start-up."""
    return Context(request_id=request_id or new_request_id(), roles=("admin",), system_scope="all")
