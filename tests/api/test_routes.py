"""Every route of the published API is served, at exactly the versions it has: none missing, none too many.

The tables are the API reference's: 154 live routes, 48 that are gone, 7 of the alias /os-volumes_boot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from novalite.api.app import routes
from novalite.api.microversions import MAX
from novalite.api.routing import Row
from tests.api.support import ApiUnderTest

LIVE = """
GET /versions/{}
GET /extensions
GET /extensions/{}
GET /servers
POST /servers
GET /servers/detail
GET /servers/{}
PUT /servers/{}
DELETE /servers/{}
POST /servers/{}/action
GET /servers/{}/diagnostics
GET /servers/{}/ips
GET /servers/{}/ips/{}
GET /servers/{}/metadata
POST /servers/{}/metadata
PUT /servers/{}/metadata
GET /servers/{}/metadata/{}
PUT /servers/{}/metadata/{}
DELETE /servers/{}/metadata/{}
GET /servers/{}/migrations 23-
GET /servers/{}/migrations/{} 23-
DELETE /servers/{}/migrations/{} 24-
POST /servers/{}/migrations/{}/action 22-
GET /servers/{}/os-instance-actions
GET /servers/{}/os-instance-actions/{}
GET /servers/{}/os-interface
POST /servers/{}/os-interface
GET /servers/{}/os-interface/{}
DELETE /servers/{}/os-interface/{}
GET /servers/{}/os-server-password
DELETE /servers/{}/os-server-password
GET /servers/{}/os-volume_attachments
POST /servers/{}/os-volume_attachments
GET /servers/{}/os-volume_attachments/{}
PUT /servers/{}/os-volume_attachments/{}
DELETE /servers/{}/os-volume_attachments/{}
POST /servers/{}/remote-consoles 6-
GET /servers/{}/os-security-groups
GET /servers/{}/shares 97-
POST /servers/{}/shares 97-
GET /servers/{}/shares/{} 97-
DELETE /servers/{}/shares/{} 97-
GET /servers/{}/tags 26-
PUT /servers/{}/tags 26-
DELETE /servers/{}/tags 26-
GET /servers/{}/tags/{} 26-
PUT /servers/{}/tags/{} 26-
DELETE /servers/{}/tags/{} 26-
GET /servers/{}/topology 78-
GET /flavors
POST /flavors
GET /flavors/detail
GET /flavors/{}
PUT /flavors/{} 55-
DELETE /flavors/{}
POST /flavors/{}/action
GET /flavors/{}/os-extra_specs
POST /flavors/{}/os-extra_specs
GET /flavors/{}/os-extra_specs/{}
PUT /flavors/{}/os-extra_specs/{}
DELETE /flavors/{}/os-extra_specs/{}
GET /flavors/{}/os-flavor-access
GET /limits
GET /os-availability-zone
GET /os-availability-zone/detail
GET /os-keypairs
POST /os-keypairs
GET /os-keypairs/{}
DELETE /os-keypairs/{}
GET /os-quota-class-sets/{}
PUT /os-quota-class-sets/{}
GET /os-quota-sets/{}
PUT /os-quota-sets/{}
DELETE /os-quota-sets/{}
GET /os-quota-sets/{}/detail
GET /os-quota-sets/{}/defaults
GET /os-server-groups
POST /os-server-groups
GET /os-server-groups/{}
DELETE /os-server-groups/{}
GET /os-simple-tenant-usage
GET /os-simple-tenant-usage/{}
GET /os-aggregates
POST /os-aggregates
GET /os-aggregates/{}
PUT /os-aggregates/{}
DELETE /os-aggregates/{}
POST /os-aggregates/{}/action
POST /os-aggregates/{}/images 81-
POST /os-assisted-volume-snapshots
DELETE /os-assisted-volume-snapshots/{}
GET /os-console-auth-tokens/{}
GET /os-hosts 1-42
GET /os-hosts/{} 1-42
PUT /os-hosts/{} 1-42
GET /os-hosts/{}/reboot 1-42
GET /os-hosts/{}/shutdown 1-42
GET /os-hosts/{}/startup 1-42
GET /os-hypervisors
GET /os-hypervisors/detail
GET /os-hypervisors/statistics 1-87
GET /os-hypervisors/{}
GET /os-hypervisors/{}/search 1-52
GET /os-hypervisors/{}/servers 1-52
GET /os-hypervisors/{}/uptime 1-87
GET /os-instance_usage_audit_log
GET /os-instance_usage_audit_log/{}
GET /os-migrations
POST /os-server-external-events
GET /os-services
PUT /os-services/{}
DELETE /os-services/{}
GET /images 1-35
GET /images/detail 1-35
GET /images/{} 1-35
DELETE /images/{} 1-35
GET /images/{}/metadata 1-38
POST /images/{}/metadata 1-38
PUT /images/{}/metadata 1-38
GET /images/{}/metadata/{} 1-38
PUT /images/{}/metadata/{} 1-38
DELETE /images/{}/metadata/{} 1-38
GET /os-baremetal-nodes 1-35
POST /os-baremetal-nodes 1-35
GET /os-baremetal-nodes/{} 1-35
DELETE /os-baremetal-nodes/{} 1-35
POST /os-baremetal-nodes/{}/action
GET /os-floating-ip-pools 1-35
GET /os-floating-ips 1-35
POST /os-floating-ips 1-35
GET /os-floating-ips/{} 1-35
DELETE /os-floating-ips/{} 1-35
GET /os-networks 1-35
GET /os-networks/{} 1-35
POST /os-security-group-rules 1-35
DELETE /os-security-group-rules/{} 1-35
GET /os-security-groups 1-35
POST /os-security-groups 1-35
GET /os-security-groups/{} 1-35
PUT /os-security-groups/{} 1-35
DELETE /os-security-groups/{} 1-35
GET /os-snapshots 1-35
POST /os-snapshots 1-35
GET /os-snapshots/detail 1-35
GET /os-snapshots/{} 1-35
DELETE /os-snapshots/{} 1-35
GET /os-tenant-networks 1-35
GET /os-tenant-networks/{} 1-35
GET /os-volumes 1-35
POST /os-volumes 1-35
GET /os-volumes/detail 1-35
GET /os-volumes/{} 1-35
DELETE /os-volumes/{} 1-35
"""
"""Method, path, and first and last minor version where there are any. `GET /` has a test of its own."""

GONE = """
GET /os-agents
POST /os-agents
PUT /os-agents/{}
DELETE /os-agents/{}
POST /os-cells
GET /os-cells
GET /os-cells/capacities
GET /os-cells/detail
GET /os-cells/info
POST /os-cells/sync_instances
GET /os-cells/{}
PUT /os-cells/{}
DELETE /os-cells/{}
GET /os-cells/{}/capacities
POST /os-certificates
GET /os-certificates/{}
GET /os-cloudpipe
POST /os-cloudpipe
PUT /os-cloudpipe/{}
GET /os-fixed-ips/{}
POST /os-fixed-ips/{}/action
GET /os-floating-ip-dns
PUT /os-floating-ip-dns/{}
DELETE /os-floating-ip-dns/{}
GET /os-floating-ip-dns/{}/entries/{}
PUT /os-floating-ip-dns/{}/entries/{}
DELETE /os-floating-ip-dns/{}/entries/{}
GET /os-floating-ips-bulk
POST /os-floating-ips-bulk
GET /os-floating-ips-bulk/{}
PUT /os-floating-ips-bulk/{}
GET /os-fping
GET /os-fping/{}
POST /os-networks
POST /os-networks/add
DELETE /os-networks/{}
POST /os-networks/{}/action
GET /os-security-group-default-rules
POST /os-security-group-default-rules
GET /os-security-group-default-rules/{}
DELETE /os-security-group-default-rules/{}
POST /os-tenant-networks
DELETE /os-tenant-networks/{}
GET /servers/{}/consoles
POST /servers/{}/consoles
GET /servers/{}/consoles/{}
DELETE /servers/{}/consoles/{}
GET /servers/{}/os-virtual-interfaces
"""
"""Method and path of what answers 410 at every version."""

ALIAS = """
GET /os-volumes_boot -102
POST /os-volumes_boot -102
GET /os-volumes_boot/detail -102
GET /os-volumes_boot/{} -102
PUT /os-volumes_boot/{} -102
DELETE /os-volumes_boot/{} -102
POST /os-volumes_boot/{}/action -102
"""

OURS = """
GET /servers/{}/os-placement-decision
POST /os-placement-decisions
"""
"""What no reference has: see docs/operate.md."""

MINORS = range(1, MAX[1] + 1)


def _table(text: str) -> dict[tuple[str, str], frozenset[int]]:
    found = {}
    for line in text.split("\n"):
        if line:
            method, path, *versions = line.split()
            low, _, high = (versions or ["-"])[0].partition("-")
            found[method, path] = frozenset(range(int(low or 1), int(high or MAX[1]) + 1))
    return found


def _served() -> dict[tuple[str, str], frozenset[int]]:
    found: dict[tuple[str, str], frozenset[int]] = {}
    for row in routes():
        key = row.method, _shape(row.path)
        found[key] = found.get(key, frozenset()) | {minor for minor in MINORS if row.at(minor)}
    return found


def _shape(path: str) -> str:
    return re.sub("<[^>]*>", "{}", path)


def test_the_tables_hold_what_the_reference_counts() -> None:
    assert (len(_table(LIVE)) + 1, len(_table(GONE)), len(_table(ALIAS))) == (154, 48, 7)


def test_every_route_is_served_at_the_versions_it_has() -> None:
    wanted = _table(LIVE) | _table(GONE) | _table(ALIAS) | _table(OURS)
    served = _served()
    missing = [f"{method} {path}" for method, path in wanted if (method, path) not in served]
    assert missing == []
    assert [key for key in served if key not in wanted] == []
    wrong = {key: sorted(wanted[key] ^ served[key]) for key in served if wanted[key] != served[key]}
    assert wrong == {}


def test_the_url_map_knows_every_row() -> None:
    api = ApiUnderTest()
    known = {(m, _shape(str(r))) for r in api.app.url_map.iter_rules() for m in r.methods or ()}
    assert {("GET", "/v2.1/"), ("GET", "/")} <= known
    assert [r for r in routes() if (r.method, "/v2.1" + _shape(r.path)) not in known] == []


def test_rows_of_one_path_name_its_parts_alike() -> None:
    """One rule of the url map serves them all, so a handler is called with the first row's names."""
    names: dict[str, set[str]] = {}
    for row in routes():
        names.setdefault(_shape(row.path), set()).add(row.path)
    assert {shape: paths for shape, paths in names.items() if len(paths) > 1} == {}


def _gone() -> Iterator[Row]:
    gone = _table(GONE)
    return (row for row in routes() if (row.method, _shape(row.path)) in gone)


@pytest.mark.parametrize("version", ["2.1", "2.36", "latest"])
def test_what_is_gone_says_so_to_everybody_with_a_token(version: str) -> None:
    api = ApiUnderTest()
    for row in _gone():
        path = re.sub("<[^>]*>", "x", row.path)
        reply = api.request(row.method, path, version=version, token="nobody")
        assert (reply.status_code, list(reply.get_json())) == (410, ["computeFault"]), (row.method, path)
        assert api.request(row.method, path, version=version, token=None).status_code == 401
