"""The Network API as one caller uses it."""

from __future__ import annotations

from typing import Any

from tests.api.companions import Companions

Json = dict[str, Any]
ABSENT = "00000000-0000-4000-8000-00000000ffff"


class Neutron:
    """One caller; `project` is the id of its project."""

    def __init__(self, cloud: Companions, token: str | None, project: str = "") -> None:
        self.cloud, self.token, self.project = cloud, token, project

    @classmethod
    def member(cls, cloud: Companions, name: str, role: str = "member") -> Neutron:
        """A user of a project of the same name."""
        project, _ = cloud.member(name, role)
        return cls(cloud, cloud.login(name, name, name), project["id"])

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """One request."""
        return self.cloud.v20(method, path, self.token, json=body)

    def get(self, path: str) -> Any:
        """What a list or a record holds under its key."""
        reply = self("GET", path)
        assert reply.status_code == 200, reply.text
        (found,) = [value for key, value in reply.get_json().items() if not key.endswith("_links")]
        return found

    def make(self, kind: str, **values: Any) -> Json:
        """A new record."""
        reply = self("POST", f"/{path_of(kind)}", {kind: values})
        assert reply.status_code == 201, reply.text
        return dict(reply.get_json()[kind])

    def put(self, kind: str, resource_id: str, **values: Any) -> Json:
        """A changed one."""
        reply = self("PUT", f"/{path_of(kind)}/{resource_id}", {kind: values})
        assert reply.status_code == 200, reply.text
        return dict(reply.get_json()[kind])

    def delete(self, kind: str, resource_id: str) -> None:
        """It is gone."""
        reply = self("DELETE", f"/{path_of(kind)}/{resource_id}")
        assert reply.status_code == 204, reply.text

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and type of an error, which has a sentence."""
        reply = self(method, path, body)
        fault = reply.get_json()["NeutronError"]
        assert fault["message"] and fault["detail"] == ""
        return reply.status_code, fault["type"]

    def refuses(self, kind: str, **values: Any) -> tuple[int, str]:
        """The same of making a record."""
        return self.refused("POST", f"/{path_of(kind)}", {kind: values})

    def names(self, path: str) -> list[str]:
        """Names in a list, in its order."""
        return [one["name"] for one in self.get(path)]

    def lan(self, cidr: str = "10.0.0.0/24", **values: Any) -> tuple[Json, Json]:
        """A network with one subnet."""
        network = self.make("network", name="lan", **values)
        version = 6 if ":" in cidr else 4
        return network, self.make("subnet", network_id=network["id"], cidr=cidr, ip_version=version)

    def outside(self) -> Json:
        """An external network with addresses (for the administrator)."""
        network, _ = self.lan("172.24.4.0/24", **{"router:external": True})
        return network


def path_of(kind: str) -> str:
    """The name of a kind in URLs."""
    return f"{kind.replace('_', '-')}s"
