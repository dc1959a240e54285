"""Nonsense in every place of every route: whatever is asked, the answer is never a failure of ours.

The seed is fixed, so a failure can be seen again; it names the request. Any other seed must do as well.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from novalite.api.openapi import shape_of
from tests.api.askers import Askers
from tests.api.instances import Dice
from tests.api.test_answers import problem
from tests.api.test_policy_matrix import document_of
from tests.api.world import World
from tests.rest import sentence

SEED = int(os.environ.get("NONSENSE_SEED", "20261126"))
REQUESTS = 2500
"""About six seconds."""

WORDS: list[Any] = [
    None, True, False, 0, 1, -1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 1.5, -0.0, 1e300, "", " ", "0", "-1",
    "1" * 30, "a" * 256, "a" * 70000, "\u0000", "a\u0000b", "\n", "\u2028", "\u202e", "é", "𐍈" * 64, "١٢", "..",
    "../../etc/passwd", "%00", "%", "'", "\"; DROP TABLE servers; --", "<a/>&amp;", "{0}{x}", "${x}", "null", "true",
    "all", "in:", "in:a\rb", "in:\"", "gt:0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-13-01", "2026-01-01T00:00:00Z", "(", "(?P<a>", "[", "*", "\\", "(a+)+$",
    "id", "name", "size", "created_at", "desc", "ACTIVE", "DELETED", [], [None], [[]], [{}], {}, {"a": None}, {"": ""},
    {"a": {"a": {"a": []}}},
]  # fmt: skip
KEYS = [
    "id",
    "name",
    "user_id",
    "project_id",
    "limit",
    "marker",
    "sort_key",
    "sort_dir",
    "sort",
    "status",
    "tags",
    "deleted",
    "all_tenants",
    "changes-since",
    "ip",
    "flavor",
    "image",
    "minDisk",
    "is_public",
    "created_at",
    "size_min",
    "tag",
    "owner",
    "visibility",
    "domain_id",
    "enabled",
    "expires_at",
    "user.id",
    "effective",
    "with_servers",
    "reserved",
    "tenant_id",
    "member_status",
    "min_disk",
    "size",
    "in",
]
BODIES: list[Any] = [
    {"server": {"name": "x", "flavorRef": "tiny", "imageRef": "{image}", "networks": "none"}},
    {"server": {"name": "y", "description": "z", "accessIPv4": "1.2.3.4", "OS-DCF:diskConfig": "AUTO"}},
    {"flavor": {"name": "f", "ram": 64, "vcpus": 1, "disk": 1, "swap": 0, "rxtx_factor": 1.0, "id": "f"}},
    {"extra_specs": {"a": "b"}},
    {"addTenantAccess": {"tenant": "{project}"}},
    {"keypair": {"name": "k", "type": "ssh", "public_key": "ssh-rsa AAAA", "user_id": "u"}},
    {"quota_set": {"cores": 5, "ram": -1, "force": True}},
    {"quota_class_set": {"cores": 5}},
    {"metadata": {"a": "b"}},
    {"meta": {"a": "b"}},
    {"tags": ["a", "b"]},
    {"reboot": {"type": "SOFT"}},
    {"os-getConsoleOutput": {"length": 5}},
    {"lock": {"locked_reason": "why"}},
    {"status": "disabled", "disabled_reason": "why", "forced_down": False, "host": "alpha", "binary": "nova-compute"},
    {"name": "i", "visibility": "private", "owner": "{project}", "disk_format": "raw", "container_format": "bare",
     "min_disk": 0, "min_ram": 0, "tags": ["t"], "protected": False, "a": "b"},
    [{"op": "add", "path": "/name", "value": "n"}, {"op": "replace", "path": "/owner", "value": "{project}"}],
    {"member": "{project}"},
    {"method": {"name": "glance-direct"}},
    {"project": {"name": "p", "domain_id": "default", "parent_id": "{project}", "enabled": True, "tags": ["a"]}},
    {"user": {"name": "u", "domain_id": "default", "password": "p", "email": "e", "default_project_id": "{project}"}},
    {"user": {"original_password": "p", "password": "q"}},
    {"group": {"name": "g", "domain_id": "default", "description": "d"}},
    {"role": {"name": "r", "domain_id": "default", "options": {}}},
    {"domain": {"name": "d", "enabled": True, "description": ""}},
    {"service": {"type": "t", "name": "n", "enabled": True}},
    {"endpoint": {"service_id": "s", "interface": "public", "url": "http://x/", "region": "r"}},
    {"region": {"id": "r", "parent_region_id": "r"}},
    {"application_credential": {"name": "c", "expires_at": "2030-01-01", "roles": [{"name": "member"}]}},
    {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "u", "domain": {"id": "default"},
     "password": "p"}}}, "scope": {"project": {"name": "p", "domain": {"name": "d"}}}}},
]  # fmt: skip
PATCH = "application/openstack-images-v2.1-json-patch"
ASK_A_SECRET = ("/identity/v3/auth/tokens", "/identity/v3/users/<user_id>/password")
"""Rules that answer 401 to a wrong secret in the body."""
TYPES = ("application/json", PATCH, "application/octet-stream", "text/plain", "")


@pytest.fixture(scope="module")
def own_world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One of its own: some nonsense is sense and changes things."""
    made = World(tmp_path_factory.mktemp("nonsense"))
    yield made
    made.close()


class Nonsense:
    """Requests by a seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.dice = world, random.Random(seed)
        self.known = [*world.names.values(), "default", "tiny", "alpha", "admin", world.member.user_id]
        app = world.member.http.application
        self.routes = [
            (rule, method)
            for rule in sorted(app.url_map.iter_rules(), key=str)
            for method in sorted(rule.methods - {"OPTIONS"})
        ]

    def word(self) -> Any:
        return self.dice.choice(self.known if self.dice.random() < 0.2 else WORDS)

    def spoiled(self, value: Any) -> Any:
        """`value` with one thing in it replaced."""
        if isinstance(value, dict) and value and self.dice.random() < 0.9:
            key = self.dice.choice(sorted(value))
            changed = dict(value)
            changed[key] = self.spoiled(value[key])
            if self.dice.random() < 0.1:
                changed[str(self.word())] = self.word()
            return changed
        if isinstance(value, list) and value and self.dice.random() < 0.8:
            at = self.dice.randrange(len(value))
            return [*value[:at], self.spoiled(value[at]), *value[at + 1 :]]
        return self.word() if self.dice.random() < 0.9 else value

    def path(self, rule: Any) -> str:
        parts = {name: str(self.word()).replace("/", "-") or "x" for name in rule.arguments}
        known = {n: self.dice.choice([str(w) for w in self.known]) for n in rule.arguments}
        chosen = {n: known[n] if self.dice.random() < 0.7 else parts[n][:2000] for n in rule.arguments}
        text = str(rule)
        for name, value in chosen.items():
            text = text.replace(f"<{name}>", quote(value, safe=""))
        pairs = [f"{self.dice.choice(KEYS)}={quote(str(self.word())[:2000], safe='')}"
                 for _ in range(self.dice.choice((0, 0, 1, 1, 2, 3)))]  # fmt: skip
        return text + ("?" + "&".join(pairs) if pairs else "")

    def body(self, rule: Any) -> Any:
        noun = str(rule).rstrip("/").split("/")[-1].rstrip("s>").removeprefix("<")
        fitting = [b for b in BODIES if isinstance(b, dict) and noun in b]
        found = self.dice.choice(fitting if fitting and self.dice.random() < 0.5 else BODIES)
        found = self.world.fill(found)
        for _ in range(self.dice.choice((0, 1, 1, 2))):
            found = self.spoiled(found)
        return found


def test_nothing_that_is_asked_makes_the_api_fail(own_world: World) -> None:
    nonsense, askers = Nonsense(own_world, SEED), Askers(own_world)
    dice, failed, statuses = nonsense.dice, [], Counter[int]()
    for number in range(REQUESTS):
        rule, method = nonsense.routes[number % len(nonsense.routes)]
        path = nonsense.path(rule)
        token = (own_world.admin if dice.random() < 0.8 else own_world.member).token or ""
        minor = dice.choice((1, 30, 60, 75, 90, 104))
        headers = {"X-Auth-Token": token, "OpenStack-API-Version": f"compute 2.{minor}"}
        headers["X-Subject-Token"] = token if method == "GET" else "x"  # or the tests would log out
        body, more = None, {}
        if method in ("POST", "PUT", "PATCH"):
            body = nonsense.body(rule)
            kind = PATCH if method == "PATCH" and isinstance(body, list) else TYPES[0]
            more = {
                "data": orjson.dumps(body),
                "content_type": kind if dice.random() < 0.85 else dice.choice(TYPES),
            }
        reply = own_world.member.http.open(path, method=method, headers=headers, **more)
        statuses[reply.status_code] += 1
        if reply.status_code >= 500 and reply.status_code != 501:  # not in this cloud
            failed.append((reply.status_code, method, path[:300], str(body)[:300], reply.text[:200]))
        if reply.status_code == 401 and str(rule) not in ASK_A_SECRET:
            failed.append((401, method, path[:300], askers.voided[-3:]))
        reply.close()
        askers.after(method, path, reply.status_code)
    assert not failed, "\n".join(map(str, failed[:20]))
    assert statuses[200] > REQUESTS / 20, statuses


# --- from the documents ------------------------------------------------------------------------

MINORS = (1, 17, 35, 56, 75, 93, 104)
FROM_DOCUMENTS = 1500
"""About eight seconds."""


class Documented(Nonsense):
    """Requests that the OpenAPI documents allow, most of them with one thing wrong."""

    def __init__(self, world: World, seed: int, minors: Sequence[int] = MINORS) -> None:
        super().__init__(world, seed)
        self.operations = []
        server = world.names["server"]
        self.there = {
            "servers": server, "os-volumes_boot": server, "flavors": "tiny", "os-keypairs": "key",
            "os-quota-sets": world.names["project"], "os-quota-class-sets": "default", "metadata": "a",
            "os-simple-tenant-usage": world.names["project"], "images": world.names["image"], "os-hosts": "alpha",
        }  # fmt: skip
        """Word in the path -> an id that may stand behind it."""
        for minor in minors:
            found = document_of(minor)
            values = Dice(self.dice, found["components"]["schemas"], self.known)
            for path, item in found["paths"].items():
                for method, one in item.items():
                    if "410" not in one["responses"]:
                        self.operations.append((minor, values, path, method.upper(), one))

    def url(self, path: str, operation: Any) -> str:
        """The path with ids, and some query keys."""
        pairs = []
        for parameter in operation["parameters"]:
            name, place = parameter.get("name"), parameter.get("in")
            if place == "path":
                before = path.split(f"/{{{name}}}")[0].rsplit("/", 1)[-1]
                luck = self.dice.random()
                chosen = self.dice.choice(self.known) if luck < 0.9 else str(self.word())[:2000]
                chosen = self.there[before] if luck < 0.7 and before in self.there else chosen
                path = path.replace(f"{{{name}}}", quote(str(chosen).replace("/", "-") or "x", safe=""))
            elif place == "query" and self.dice.random() < 0.25:
                fits = Dice(self.dice, {}, self.known).value(parameter["schema"], name)
                value = fits if self.dice.random() < 0.6 else self.word()
                pairs.append(f"{name}={quote(str(value)[:2000], safe='')}")
        return path + ("?" + "&".join(pairs) if pairs else "")

    def asked(self, values: Dice, operation: Any) -> Any:
        """A body, or None when the operation reads none."""
        if "requestBody" not in operation:
            return None
        schema = operation["requestBody"]["content"]["application/json"].get("schema", {})
        body = values.value(schema)
        return self.spoiled(body) if self.dice.random() < 0.5 else body


def test_what_the_documents_allow_is_answered_as_they_say_and_makes_nothing_fail(own_world: World) -> None:
    requests = Documented(own_world, SEED + 1)
    dice, failed, statuses = requests.dice, [], Counter[int]()
    for number in range(FROM_DOCUMENTS):
        minor, values, path, method, operation = requests.operations[
            number if number < len(requests.operations) else dice.randrange(len(requests.operations))
        ]
        url, body = requests.url(path, operation), requests.asked(values, operation)
        caller = own_world.admin if dice.random() < 0.4 else own_world.member
        reply = caller(method, url, body, version=f"2.{minor}")
        statuses[reply.status_code] += 1
        if reply.status_code >= 500 and reply.status_code != 501:
            failed.append((reply.status_code, method, minor, url[:300], str(body)[:400], reply.text[:200]))
        elif reply.status_code >= 400:
            assert sentence(reply), (method, minor, url[:300])
        elif found := problem(minor, method, shape_of(path), reply):
            failed.append((found, url[:300], str(body)[:400]))
        reply.close()
    assert not failed, "\n".join(map(str, failed[:20]))
    assert statuses[401] == 0 and statuses[200] > FROM_DOCUMENTS / 10, statuses
