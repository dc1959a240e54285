"""Identity, image and network API over a real conductor's endpoints, an in-process bus and a fresh SQLite file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from novalite.api.app import create_app
from novalite.conductor.env import Env
from novalite.conductor.identity import IdentityEndpoint, make_signer
from novalite.conductor.images import ImagesEndpoint
from novalite.conductor.networks.endpoint import NetworksEndpoint
from novalite.conductor.networks.news import News
from novalite.conf.load import for_tests
from novalite.identity.embedded import EmbeddedIdentity, IdentityNewsEndpoint
from novalite.rpc.client import Client
from novalite.rpc.local import LocalBus
from tests.furnished import furnished

PASSWORD = "correct horse"
FAST = {
    "identity.scrypt_cost": 1024,
    "identity.scrypt_block_size": 1,
    "identity.revocation_poll_interval": 3600,
    "images.fsync": False,
    "networks.service": "embedded",
}
"""Cheap passwords; revocations are learned by being told, not by polling."""


class Companions:
    """The services behind one app. `api` makes a second API worker with caches of its own."""

    def __init__(
        self, folder: Path, options: Mapping[str, Any] | None = None, url: str | None = None
    ) -> None:
        self.conf = for_tests(FAST | {"images.store_path": str(folder / "images")} | dict(options or {}))
        self.db = furnished(url or f"sqlite:///{folder / 'test.db'}", PASSWORD, "http://cloud.test")
        self.bus = LocalBus(inline=True)
        self.client = Client(self.bus)
        self.env = Env(conf=self.conf, db=self.db, client=self.client, host="here")
        self.env.signer = make_signer(self.db)
        self.env.news = News(self.db, self.client, interval=0)
        self.bus.serve("conductor", "here", self.endpoints()).start()
        self.http, self.identity = self.worker()
        self.admin = self.login("admin", PASSWORD, project="admin")

    def endpoints(self) -> list[Any]:
        """What the conductor serves."""
        return [IdentityEndpoint(self.env), ImagesEndpoint(self.env), NetworksEndpoint(self.env)]

    def worker(self, listens: bool = True) -> tuple[Any, EmbeddedIdentity]:
        """One more API process: its test client and its identity."""
        identity = EmbeddedIdentity(self.conf, self.client)
        if listens:
            self.bus.serve("api", "here", [IdentityNewsEndpoint(identity)]).start()
        return create_app(self.conf, self.client, identity).test_client(), identity

    def close(self) -> None:
        """Let go of files."""
        self.bus.close()
        self.db.close()

    # --- requests ----------------------------------------------------------------------------

    def request(self, method: str, path: str, token: str | None = "", **more: Any) -> TestResponse:
        """One request; token "" is the administrator's, None sends none."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["X-Auth-Token"] = token or self.admin
        found: TestResponse = more.pop("http", self.http).open(path, method=method, headers=headers, **more)
        return found

    def v3(self, method: str, path: str, token: str | None = "", **more: Any) -> TestResponse:
        """A request below /identity/v3."""
        return self.request(method, f"/identity/v3{path}", token, **more)

    def v2(self, method: str, path: str, token: str | None = "", **more: Any) -> TestResponse:
        """A request below /image/v2."""
        return self.request(method, f"/image/v2{path}", token, **more)

    def v20(self, method: str, path: str, token: str | None = "", **more: Any) -> TestResponse:
        """A request below /network/v2.0."""
        return self.request(method, f"/network/v2.0{path}", token, **more)

    def image(self, token: str | None = "", data: bytes | None = None, **values: Any) -> dict[str, Any]:
        """An image, raw and bare unless told otherwise; active when there is data."""
        body = {"name": "test", "disk_format": "raw", "container_format": "bare"} | values
        reply = self.v2("POST", "/images", token, json=body)
        assert reply.status_code == 201, reply.text
        made = dict(reply.get_json())
        if data is not None:
            sent = self.upload(made["id"], data, token)
            assert sent.status_code == 204, sent.text
            made = dict(self.v2("GET", f"/images/{made['id']}", token).get_json())
        return made

    def upload(
        self, image_id: str, data: bytes, token: str | None = "", where: str = "file", **more: Any
    ) -> TestResponse:
        """Send bytes."""
        kind = more.pop("content_type", "application/octet-stream")
        return self.v2("PUT", f"/images/{image_id}/{where}", token, data=data, content_type=kind, **more)

    def auth(self, identity: Any, scope: Any = None, **more: Any) -> TestResponse:
        """POST /auth/tokens."""
        body: dict[str, Any] = {"auth": {"identity": identity}}
        if scope is not None:
            body["auth"]["scope"] = scope
        return self.v3("POST", "/auth/tokens", None, json=body, **more)

    def password(self, name: str, password: str) -> dict[str, Any]:
        """The password method for a user of the default domain."""
        user = {"name": name, "domain": {"id": "default"}, "password": password}
        return {"methods": ["password"], "password": {"user": user}}

    def login(self, name: str, password: str, project: str | None = None) -> str:
        """A token, for a project of the default domain."""
        scope = {"project": {"name": project, "domain": {"name": "Default"}}} if project else None
        reply = self.auth(self.password(name, password), scope)
        assert reply.status_code == 201, reply.text
        return reply.headers["X-Subject-Token"]

    # --- people ------------------------------------------------------------------------------

    def make(self, noun: str, **values: Any) -> dict[str, Any]:
        """Create a record."""
        reply = self.v3("POST", f"/{noun}s", json={noun: values})
        assert reply.status_code == 201, reply.text
        return dict(reply.get_json()[noun])

    def role(self, name: str) -> str:
        """The id of a role."""
        return str(self.v3("GET", f"/roles?name={name}").get_json()["roles"][0]["id"])

    def member(self, name: str = "ada", role: str = "member") -> tuple[dict[str, Any], dict[str, Any]]:
        """A project and a user of it, both called `name`, with password `name`."""
        project, user = self.make("project", name=name), self.make("user", name=name, password=name)
        path = f"/projects/{project['id']}/users/{user['id']}/roles/{self.role(role)}"
        assert self.v3("PUT", path).status_code == 204
        return project, user
