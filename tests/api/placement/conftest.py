"""A cloud with one host, and the Placement API as its administrator asks it."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.cloud import Cloud
from tests.rest import Rest


class Placement:
    """Requests of one caller at one microversion, the newest unless told otherwise."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def __call__(self, method: str, path: str, body: Any = None, minor: int = 39, **headers: str) -> TestResponse:
        """One request."""
        told = {"OpenStack-API-Version": f"placement 1.{minor}", **headers}
        return self.rest(method, f"/placement{path}", body, headers=told)

    def ok(self, method: str, path: str, body: Any = None, minor: int = 39) -> Any:
        """The body of a request that must succeed."""
        reply = self(method, path, body, minor)
        assert reply.status_code in (200, 201, 204), (method, path, reply.status_code, reply.text)
        return reply.get_json() if reply.data else None

    def refused(self, status: int, method: str, path: str, body: Any = None, minor: int = 39) -> str:
        """The sentence of a request that must fail with `status`."""
        reply = self(method, path, body, minor)
        assert reply.status_code == status, (method, path, reply.status_code, reply.text)
        return str(reply.get_json()["errors"][0]["detail"])

    def provider(self, name: str, inventories: dict[str, Any] | None = None, parent: str | None = None) -> str:
        """The uuid of a new provider that has these inventories."""
        made = self.ok("POST", "/resource_providers", {"name": name, "parent_provider_uuid": parent})
        if inventories:
            body = {"resource_provider_generation": made["generation"], "inventories": inventories}
            self.ok("PUT", f"/resource_providers/{made['uuid']}/inventories", body)
        return str(made["uuid"])

    def host(self, name: str = "alpha") -> dict[str, Any]:
        """A host as a provider."""
        (found,) = self.ok("GET", f"/resource_providers?name={name}")["resource_providers"]
        return dict(found)


@pytest.fixture
def admin(cloud: Cloud) -> Placement:
    """The administrator."""
    return Placement(cloud.rest("admin"))
