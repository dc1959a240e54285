"""A REST client of a test cloud: real tokens, real routes, newest microversion unless told otherwise.

    member = cloud.rest()                       # a member of a project called "member"
    reply = member.post("/servers", {"server": {...}})
    image = member.image(qcow2(), disk_format="qcow2")
    server = member.boot("web", imageRef=image)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

MIB = 1 << 20


class Rest:
    """Requests of one token. Paths are those of the compute API unless they begin with a service's."""

    def __init__(self, http: FlaskClient, token: str | None, project_id: str = "", user_id: str = "") -> None:
        self.http, self.token, self.project_id, self.user_id = http, token, project_id, user_id

    def __call__(
        self,
        method: str,
        path: str,
        json: Any = None,
        version: str | None = "latest",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> TestResponse:
        """One request; `more` goes to Flask's test client (data, query_string, content_type, …)."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("X-Auth-Token", self.token)
        if not path.startswith(("/identity", "/image/", "/network/", "/placement")):
            path = "/v2.1" + path
            if version is not None:
                sent.setdefault("OpenStack-API-Version", f"compute {version}")
        if json is not None:
            more["json"] = json
        return self.http.open(path, method=method, headers=sent, **more)

    def get(self, path: str, **more: Any) -> Any:
        """The body of a GET that must succeed."""
        reply = self("GET", path, **more)
        assert reply.status_code == 200, (path, reply.status_code, reply.text)
        return reply.get_json()

    def post(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        """POST"""
        return self("POST", path, json, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        """DELETE"""
        return self("DELETE", path, **more)

    # --- what tests often do

    def made(self, path: str, json: Any, **more: Any) -> Any:
        """The body of a POST that must succeed."""
        reply = self.post(path, json, **more)
        assert reply.status_code in (200, 201, 202), (path, reply.status_code, reply.text)
        return reply.get_json()

    def image(self, data: bytes | None = b"\0" * MIB, **values: Any) -> str:
        """The id of an image, raw and bare unless told otherwise; active when there is data."""
        body = {"name": "image", "disk_format": "raw", "container_format": "bare"} | values
        image_id = str(self.made("/image/v2/images", body)["id"])
        if data is not None:
            reply = self.upload(image_id, data)
            assert reply.status_code == 204, reply.text
        return image_id

    def upload(self, image_id: str, data: bytes) -> TestResponse:
        """Send an image's bytes."""
        path = f"/image/v2/images/{image_id}/file"
        return self("PUT", path, data=data, content_type="application/octet-stream")

    def flavor(self, name: str, vcpus: int = 1, ram: int = 64, disk: int = 1, **values: Any) -> str:
        """The id of a flavor; needs an administrator."""
        body = {"name": name, "id": name, "vcpus": vcpus, "ram": ram, "disk": disk, **values}
        return str(self.made("/flavors", {"flavor": body})["flavor"]["id"])

    def create(self, name: str, version: str = "latest", **body: Any) -> TestResponse:
        """POST /servers of the flavor `tiny` without networks, unless told otherwise."""
        wanted = {"name": name, "flavorRef": "tiny", "networks": "none", **body}
        return self.post("/servers", {"server": wanted}, version=version)

    def boot(self, name: str, **body: Any) -> str:
        """The id of a server that is ACTIVE."""
        reply = self.create(name, **body)
        assert reply.status_code == 202, reply.text
        server = self.show(reply.get_json()["server"]["id"])
        assert server["status"] == "ACTIVE", server.get("fault")
        return str(server["id"])

    def show(self, server_id: str, **more: Any) -> Any:
        """GET /servers/{id}"""
        return self.get(f"/servers/{server_id}", **more)["server"]

    def act(self, server_id: str, action: Any, **more: Any) -> TestResponse:
        """POST /servers/{id}/action"""
        return self.post(f"/servers/{server_id}/action", action, **more)


def sentence(reply: TestResponse) -> str:
    """The one sentence of an error answer of any of the three services."""
    body = reply.get_json()
    assert body is not None, (reply.status_code, reply.text)
    if "message" in body:
        return str(body["message"])
    ((_, fault),) = body.items()
    assert fault["code"] == reply.status_code
    return str(fault["message"])


class People:
    """Makes projects and users through the identity API, once each, and logs them in."""

    def __init__(self, http: FlaskClient, admin_password: str) -> None:
        self.http = http
        self._made: dict[str, Rest] = {"admin": self._login("admin", admin_password, "admin")}

    def of(self, user: str, project: str, role: str) -> Rest:
        """The client of that user with that role in that project; the password is its name."""
        if user not in self._made:
            self._make(user, project, role)
            self._made[user] = self._login(user, user, project)
        return self._made[user]

    def _make(self, user: str, project: str, role: str) -> None:
        admin = self._made["admin"]
        found = admin.get(f"/identity/v3/projects?name={project}")["projects"]
        home = found[0] if found else admin.made(
            "/identity/v3/projects", {"project": {"name": project}}
        )["project"]  # fmt: skip
        person = admin.made("/identity/v3/users", {"user": {"name": user, "password": user}})["user"]
        role_id = admin.get(f"/identity/v3/roles?name={role}")["roles"][0]["id"]
        path = f"/identity/v3/projects/{home['id']}/users/{person['id']}/roles/{role_id}"
        assert admin("PUT", path).status_code == 204

    def _login(self, user: str, password: str, project: str) -> Rest:
        default = {"id": "default"}
        who = {"methods": ["password"],
               "password": {"user": {"name": user, "domain": default, "password": password}}}  # fmt: skip
        scope = {"project": {"name": project, "domain": default}}
        body = {"auth": {"identity": who, "scope": scope}}
        reply = Rest(self.http, None).post("/identity/v3/auth/tokens", body)
        assert reply.status_code == 201, reply.text
        token = reply.get_json()["token"]
        return Rest(self.http, reply.headers["X-Subject-Token"], token["project"]["id"], token["user"]["id"])
