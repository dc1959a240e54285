"""What API tests share: tokens that are plain words, and an app over an in-process bus.

cloud = ApiUnderTest(FlavorsEndpoint())
reply = cloud.get("/flavors", version="2.61", token="admin")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.test import TestResponse

from novalite.api.app import create_app
from novalite.conf.load import for_tests
from novalite.context import Context
from novalite.errors import Unauthorized
from novalite.rpc.client import Client
from novalite.rpc.contracts.base import Contract
from novalite.rpc.local import LocalBus

PROJECT = "6f70656e737461636b20697320666172"
OTHER_PROJECT = "a0000000000000000000000000000002"
ADMIN_PROJECT = "a0000000000000000000000000000001"

CALLERS: dict[str, Context] = {
    "member": Context(user_id="u-member", project_id=PROJECT, roles=("member",)),
    "reader": Context(user_id="u-reader", project_id=PROJECT, roles=("reader",)),
    "manager": Context(user_id="u-manager", project_id=PROJECT, roles=("manager",)),
    "nobody": Context(user_id="u-nobody", project_id=PROJECT, roles=()),
    "other": Context(user_id="u-other", project_id=OTHER_PROJECT, roles=("member",)),
    "admin": Context(user_id="u-admin", project_id=ADMIN_PROJECT, roles=("admin",)),
    "service": Context(user_id="u-service", project_id=ADMIN_PROJECT, roles=("service",)),
}
"""Token -> who it belongs to."""


class WordTokens:
    """An identity service whose tokens are the keys of CALLERS."""

    def verify(self, token: str) -> Context:
        if token not in CALLERS:
            raise Unauthorized
        return CALLERS[token]

    def project_exists(self, ctx: Context, project_id: str) -> bool:
        return project_id in {caller.project_id for caller in CALLERS.values()}


class ApiUnderTest:
    """The API with real endpoints behind it on an in-process bus."""

    def __init__(self, *endpoints: Contract, options: Mapping[str, Any] | None = None) -> None:
        self.bus = LocalBus(inline=True)
        for topic in {endpoint.topic for endpoint in endpoints}:
            served = [endpoint for endpoint in endpoints if endpoint.topic == topic]
            self.bus.serve(topic, "here", served).start()
        self.app = create_app(for_tests(options), Client(self.bus), WordTokens())
        self.http = self.app.test_client()

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "member",
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
        prefix: str = "/v2.1",
        **more: Any,
    ) -> TestResponse:
        """One request; `version` such as "2.90" or "latest"; `json=`, `query_string=` as in Flask."""
        sent = dict(headers or {})
        if token is not None:
            sent["X-Auth-Token"] = token
        if version is not None:
            sent["OpenStack-API-Version"] = f"compute {version}"
        return self.http.open(prefix + path, method=method, headers=sent, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        """GET"""
        return self.request("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        """POST"""
        return self.request("POST", path, json=json, **more)

    def put(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        """PUT"""
        return self.request("PUT", path, json=json, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        """DELETE"""
        return self.request("DELETE", path, **more)


def message(reply: TestResponse) -> str:
    """The sentence of an error answer."""
    ((_, fault),) = reply.get_json().items()
    assert fault["code"] == reply.status_code
    return str(fault["message"])
