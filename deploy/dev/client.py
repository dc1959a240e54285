"""The few API calls that trying and testing need, without waiting for a client library to load."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


class Refused(RuntimeError):
    """The API answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """One user of one cloud; takes a token on first use and again when it has expired."""

    def __init__(self, auth: Mapping[str, str], seconds: float = 10) -> None:
        self.auth = dict(auth)
        self.seconds = seconds
        self._token: str | None = None
        self._catalog: dict[str, str] = {}

    @classmethod
    def of(cls, clouds_yaml: Path, cloud: str = "novalite") -> Api:
        """The user described in a clouds.yaml."""
        entry = yaml.safe_load(clouds_yaml.read_text())["clouds"][cloud]
        return cls(entry["auth"])

    def take_token(self) -> str:
        """A token for clients of another kind."""
        if self._token is None:
            self._authenticate()
        return self._token or ""

    def compute(self, method: str, path: str, body: object = None, version: str = "2.1") -> Any:
        """A compute request; `path` follows the catalog's endpoint."""
        return self._ask("compute", method, path, body, {"OpenStack-API-Version": f"compute {version}"})

    def image(self, method: str, path: str, body: object = None) -> Any:
        """An image request; `path` follows /v2."""
        return self._ask("image", method, f"/v2{path}", body, {})

    def network(self, method: str, path: str, body: object = None) -> Any:
        """A network request; `path` follows /v2.0."""
        return self._ask("network", method, f"/v2.0{path}", body, {})

    def upload(self, name: str, path: Path, disk_format: str = "qcow2", **properties: str) -> str:
        """Make an image of a file, streamed; returns its id."""
        record = {"name": name, "disk_format": disk_format, "container_format": "bare", **properties}
        image: str = self.image("POST", "/images", record)["id"]
        url = f"{self._catalog['image'].rstrip('/')}/v2/images/{image}/file"
        headers = {
            "X-Auth-Token": self._token or "",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(path.stat().st_size),
        }
        with path.open("rb") as data:
            request = urllib.request.Request(url, data=data, method="PUT", headers=headers)
            with urllib.request.urlopen(request, timeout=120):
                pass
        return image

    def flavor(self, name: str, ram: int = 128, vcpus: int = 1, disk: int = 1) -> str:
        """Make a flavor; returns its id."""
        sizes = {"name": name, "ram": ram, "vcpus": vcpus, "disk": disk}
        made: str = self.compute("POST", "/flavors", {"flavor": sizes})["flavor"]["id"]
        return made

    def boot(self, name: str, image: str, flavor: str, **more: object) -> str:
        """Ask for a server without networks; returns its id at once."""
        body = {"name": name, "imageRef": image, "flavorRef": flavor, "networks": "none", **more}
        made: str = self.compute("POST", "/servers", {"server": body}, version="2.37")["server"]["id"]
        return made

    def server(self, server: str) -> dict[str, Any]:
        """The server as the administrator sees it."""
        shown: dict[str, Any] = self.compute("GET", f"/servers/{server}")["server"]
        return shown

    def console(self, server: str) -> str:
        """The end of its serial console."""
        body = {"os-getConsoleOutput": {"length": 100}}
        output: str = self.compute("POST", f"/servers/{server}/action", body)["output"]
        return output

    def _ask(self, service: str, method: str, path: str, body: object, headers: dict[str, str]) -> Any:
        for attempt in (1, 2):
            if self._token is None:
                self._authenticate()
            url = self._catalog[service].rstrip("/") + path
            try:
                return self._send(method, url, body, {**headers, "X-Auth-Token": self._token or ""})[1]
            except Refused as refused:
                if refused.status != 401 or attempt == 2:
                    raise
                self._token = None
        raise AssertionError("unreachable")

    def _authenticate(self) -> None:
        domain = {"name": self.auth.get("user_domain_name", "Default")}
        password = {"name": self.auth["username"], "password": self.auth["password"], "domain": domain}
        project = {"name": self.auth["project_name"], "domain": domain}
        identity = {"methods": ["password"], "password": {"user": password}}
        request = {"auth": {"identity": identity, "scope": {"project": project}}}
        url = self.auth["auth_url"].rstrip("/") + "/auth/tokens"
        headers, body = self._send("POST", url, request, {})
        self._token = headers["x-subject-token"]
        self._catalog = {
            entry["type"]: end["url"]
            for entry in body["token"]["catalog"]
            for end in entry["endpoints"]
            if end["interface"] == "public"
        }

    def _send(
        self, method: str, url: str, body: object, headers: dict[str, str]
    ) -> tuple[dict[str, str], Any]:
        data = None if body is None else json.dumps(body).encode()
        plain = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        request = urllib.request.Request(url, data=data, method=method, headers=plain)
        try:
            with urllib.request.urlopen(request, timeout=self.seconds) as reply:
                text = reply.read()
                return {k.lower(): v for k, v in reply.headers.items()}, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")[:500]) from None


def healthy(url: str) -> bool:
    """Whether `URL/health` answers 200."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
