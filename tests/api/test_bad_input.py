"""What is refused: the status, the one sentence, and that nothing is left behind. One row per request.

Words in braces are names of world.World.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests import disks
from tests.api.world import ABSENT, KEY, World, flavor, keypair, new, refused
from tests.flows.harness import check_invariants
from tests.rest import sentence

Row = tuple[str, str, str, Any, int, str]
"""caller, method, path, body, status, part of the sentence"""


def creates(*rows: tuple[Any, int, str]) -> list[Row]:
    """Rows about POST /servers by a member."""
    return [("member", "POST", "/servers", body, status, words) for body, status, words in rows]


CREATES = creates(
    # flavor and image
    (new(flavorRef="none"), 400, "Flavor none could not be found."),
    (new(flavorRef="private"), 400, "Flavor private could not be found."),
    (new(imageRef="{absent}"), 400, "Image {absent} could not be found."),
    (new(imageRef="{foreign_image}"), 400, "Image {foreign_image} could not be found."),
    (new(imageRef="{deleted_image}"), 400, "Image {deleted_image} could not be found."),
    (new(imageRef="{queued}"), 400, "Image {queued} is not active."),
    (new(imageRef="{deactivated}"), 400, "Image {deactivated} is not active."),
    (new(imageRef="{min_disk}"), 400, "Flavor's disk is too small for requested image."),
    (new(imageRef="{deep_disk}"), 400, "image is 3221225472 bytes"),
    (new(imageRef="{large}"), 400, "image is 2147483648 bytes"),
    (new(imageRef="{min_ram}"), 400, "4096 MB needed, the flavor has 64"),
    (new(imageRef="no-uuid"), 400, "server.imageRef. It must be the UUID of an image."),
    (new(imageRef=""), 400, "Neither imageRef nor a boot volume was given."),
    (new(imageRef=None), 400, "Neither imageRef nor a boot volume was given."),
    (new(flavorRef=None), 400, "server.flavorRef. It is required."),
    # wrong types
    ([], 400, "body. It must be an object."),
    ({"server": []}, 400, "server. It must be an object."),
    ({"server": None}, 400, "server. It must be an object."),
    ({}, 400, "server. It is required."),
    (new(name=5), 400, "server.name. It must be a string."),
    (new(name=""), 400, "server.name. It must have at least 1 characters."),
    (new(name="x" * 256), 400, "server.name. It may have at most 255 characters."),
    (new(name=" x"), 400, "server.name. It must not begin or end with blanks."),
    (new(name="a\nb"), 400, "server.name. It may only hold printable characters."),
    (new(name={"a": "b"}), 400, "server.name. It must be a string."),
    (new(flavorRef=[]), 400, "server.flavorRef. It must be an id or a URL."),
    (new(flavorRef=True), 400, "server.flavorRef. It must be an id or a URL."),
    (new(metadata=["a"]), 400, "server.metadata. It must be an object."),
    (new(metadata={"a": 1}), 400, "server.metadata.a. It must be a string."),
    (new(metadata={"a": "x" * 256}), 400, "server.metadata.a. It may have at most 255 characters."),
    (new(metadata={"a/b": "x"}), 400, "server.metadata"),
    (new(min_count="two"), 400, "server.min_count. It must be an integer."),
    (new(min_count=0), 400, "server.min_count. It must be at least 1."),
    (new(min_count=2.5), 400, "server.min_count. It must be an integer."),
    (new(min_count=3, max_count=2), 400, "min_count must be <= max_count"),
    (new(networks=5), 400, "server.networks"),
    (new(networks="some"), 400, "server.networks"),
    (new(networks=None), 400, "server.networks. It is required."),
    (new(networks=[{"uuid": "no-uuid"}]), 400, "server.networks[0].uuid. It must be a UUID."),
    (new(networks=[{"uuid": "{absent}"}]), 400, "no network service"),
    (new(config_drive="perhaps"), 400, "server.config_drive. It must be a boolean."),
    (new(user_data="%%%"), 400, "server.user_data. It must be base64."),
    (new(user_data="A" * 65536), 400, "server.user_data. It may have at most 65535 characters."),
    (new(tags="a"), 400, "server.tags. It must be a list."),
    (new(tags=["a", "a"]), 400, "server.tags. It must not name anything twice."),
    (new(tags=["a,b"]), 400, "server.tags[0]. A tag must not contain a slash or a comma."),
    (new(tags=[str(n) for n in range(51)]), 400, "server.tags. It may have at most 50 items."),
    (new(accessIPv4="1.2.3"), 400, "server.accessIPv4. It must be an IPv4 address."),
    (new(accessIPv6="1.2.3.4"), 400, "server.accessIPv6. It must be an IPv6 address."),
    (new(hostname="no_host"), 400, "server.hostname"),
    (new(hostname="web", min_count=2), 400, "hostname"),
    (new(**{"OS-DCF:diskConfig": "MAYBE"}), 400, "server.OS-DCF:diskConfig"),
    (new(block_device_mapping_v2=[{"source_type": "volume", "uuid": "{absent}"}]), 400, "block storage"),
    (new(block_device_mapping_v2=[{"source_type": "tape"}]), 400, "block_device_mapping_v2[0].source_type"),
    (new(key_name="none"), 400, "Invalid key_name provided."),
    (new(key_name=5), 400, "server.key_name. It must be a string."),
    (new(availability_zone="moon"), 400, "The requested availability zone is not available"),
    (new(availability_zone="a:b:c:d"), 400, "availability_zone must be a zone"),
    (new(availability_zone="nova:alpha"), 403, "os_compute_api:servers:create:forced_host"),
    (new(host="alpha"), 403, "compute:servers:create:requested_destination"),
    ({**new(), "os:scheduler_hints": {"same_host": "no-uuid"}}, 400, "It must be a UUID."),
    ({**new(), "os:scheduler_hints": {"same_host": "{absent}"}}, 400, "could not be found."),
    # unknown keys
    ({**new(), "sever": 1}, 400, "sever. There is no such field"),
    (new(nome="x"), 400, "server.nome. There is no such field in API version 2.104."),
    (new(networks=[{"nett": "x"}]), 400, "server.networks[0].nett. There is no such field"),
    (new(personality=[]), 400, "server.personality. There is no such field in API version 2.104."),
)

QUOTA: list[Row] = [
    ("poor", "POST", "/servers", body, 403, words)
    for body, words in (
        (new(imageRef="{poors_image}", min_count=3), "Quota exceeded for instances: Requested 3, "
                                                     "but already used 0 of 2 instances"),
        (new(imageRef="{poors_image}", min_count=10**9), "Quota exceeded for cores, instances, ram"),
        (new(imageRef="{poors_image}", flavorRef="wide"), "Quota exceeded for cores: Requested 8, "),
        (new(imageRef="{poors_image}", flavorRef="fat"), "Quota exceeded for ram: Requested 512, "),
        (new(imageRef="{poors_image}", metadata=dict.fromkeys("abc", "v")),
         "Quota exceeded for metadata_items: Requested 3, "),
    )
] + [
    ("poor", "POST", "/os-keypairs", {"keypair": {"name": "second", "public_key": KEY, "type": "ssh"}}, 403,
     "Quota exceeded"),
]  # fmt: skip


NOUNS: list[Row] = [
    ("member", "POST", "/os-keypairs", keypair(name="key"), 409, "Key pair 'key' already exists."),
    ("member", "POST", "/os-keypairs", keypair(public_key="ssh-rsa x"), 400, "Keypair data is invalid"),
    ("member", "POST", "/os-keypairs", keypair(public_key=""), 400, "Keypair data is invalid"),
    ("member", "POST", "/os-keypairs", keypair(name="a/b"), 400, "Keypair data is invalid"),
    ("member", "POST", "/os-keypairs", keypair(name=""), 400, "keypair.name"),
    ("member", "POST", "/os-keypairs", keypair(type="dsa"), 400, "keypair.type"),
    ("member", "POST", "/os-keypairs", keypair(colour="red"), 400, "keypair.colour. There is no such field"),
    ("member", "POST", "/os-keypairs", keypair(user_id="somebody"), 403, "Policy doesn't allow"),
    ("member", "DELETE", "/os-keypairs/none", None, 404, "Keypair none not found"),
    ("admin", "POST", "/flavors", flavor(id="tiny"), 409, "already exists"),
    ("admin", "POST", "/flavors", flavor(name="tiny"), 409, "already exists"),
    ("admin", "POST", "/flavors", flavor(ram=0), 400, "flavor.ram. It must be at least 1."),
    ("admin", "POST", "/flavors", flavor(vcpus="many"), 400, "flavor.vcpus. It must be an integer."),
    ("admin", "POST", "/flavors", flavor(ram=2**31), 400, "flavor.ram. It must be at most"),
    ("admin", "POST", "/flavors", flavor(id="a/b"), 400, "flavor.id"),
    ("admin", "POST", "/flavors", flavor(colour="red"), 400, "flavor.colour. There is no such field"),
    ("member", "POST", "/flavors", flavor(), 403, "Policy doesn't allow"),
    ("member", "DELETE", "/flavors/tiny", None, 403, "Policy doesn't allow"),
    ("admin", "DELETE", "/flavors/none", None, 404, "Flavor none could not be found."),
    ("member", "PUT", "/servers/{server}", {"server": {"name": ""}}, 400, "server.name"),
    ("member", "PUT", "/servers/{server}", {"server": {"name": None}}, 400, "server.name"),
    ("member", "PUT", "/servers/{server}", {"server": {"OS-DCF:diskConfig": None}}, 400, "OS-DCF:diskConfig. It must"),
    ("member", "PUT", "/servers/{server}", {"server": {"hostname": None}}, 400, "server.hostname. It must"),
    ("member", "PUT", "/servers/{server}", {"server": {"vcpus": 9}}, 400, "server.vcpus. There is no such"),
    ("member", "PUT", "/servers/{server}/metadata/a", {"meta": {"b": "c"}}, 400, ""),
    ("member", "POST", "/servers/{server}/metadata", {"metadata": {"": "c"}}, 400, "metadata"),
    ("member", "DELETE", "/servers/{server}/metadata/none", None, 404, ""),
    ("member", "GET", "/servers/{server}/os-instance-actions/req-none", None, 404, "not found"),
    ("member", "PUT", "/os-quota-sets/{project}", {"quota_set": {"cores": 1}}, 403, "Policy doesn't allow"),
    ("admin", "PUT", "/os-quota-sets/{project}", {"quota_set": {"cores": -2}}, 400, "quota_set.cores"),
    ("admin", "PUT", "/os-quota-sets/{project}", {"quota_set": {"colours": 1}}, 400, "quota_set.colours"),
]

QUERIES: list[Row] = [
    ("member", "GET", f"/servers?{query}", None, 400, words)
    for query, words in (
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("marker={absent}", "could not be found"),
        ("sort_key=colour", "sort_key"),
        ("sort_dir=up", "sort_dir"),
        ("changes-since=yesterday", "changes-since"),
        ("changes-since=2026-02-01&changes-before=2026-01-01", "changes-since must be less than"),
        ("name=[", "regular expression"),
        ("colour=red", "colour"),
        ("status=HAPPY", "status"),
        ("locked=perhaps", "locked"),
    )
] + [("member", "GET", "/servers?all_tenants=1", None, 403, "get_all_tenants")]

PATHS: list[Row] = [
    ("member", method, path.format(id=server_id), body, 404, f"Instance {server_id} could not be found.")
    for server_id in ("no-uuid", ABSENT, "{gone}")
    for method, path, body in (
        ("GET", "/servers/{id}", None),
        ("PUT", "/servers/{id}", {"server": {"name": "y"}}),
        ("DELETE", "/servers/{id}", None),
        ("POST", "/servers/{id}/action", {"os-stop": None}),
        ("POST", "/servers/{id}/action", {"os-getConsoleOutput": {}}),
        ("POST", "/servers/{id}/action", {"lock": None}),
        ("GET", "/servers/{id}/metadata", None),
        ("POST", "/servers/{id}/metadata", {"metadata": {"a": "b"}}),
    )
]

STATES: list[Row] = [
    ("member", "POST", "/servers/{server}/action", body, status, words)
    for body, status, words in (
        ({"os-start": None}, 409, "Cannot 'start' instance {server} while it is in vm_state active"),
        ({"unpause": None}, 409, "Cannot 'unpause' instance {server} while it is in vm_state active"),
        ({"resume": None}, 409, "Cannot 'resume' instance {server} while it is in vm_state active"),
        ({"fly": None}, 400, "fly"),
        ({}, 400, ""),
        ({"os-stop": None, "os-start": None}, 400, ""),
        ({"os-stop": {"now": True}}, 400, "os-stop"),
        ({"reboot": None}, 400, "reboot"),
        ({"reboot": {"type": "WARM"}}, 400, "reboot.type"),
        ({"reboot": {"type": "SOFT", "x": 1}}, 400, "reboot.x. There is no such field"),
        ({"os-getConsoleOutput": {"length": "all"}}, 400, "length. It must be an integer."),
        ({"os-getConsoleOutput": {"length": -2}}, 400, "length. It must be at least -1."),
        ([], 400, ""),
        ("os-stop", 400, ""),
    )
]

ROWS = CREATES + QUOTA + NOUNS + QUERIES + PATHS + STATES


def _name(row: Row) -> str:
    return f"{row[1]} {row[2]} {str(row[3])[:70]}"


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_is_refused_and_leaves_nothing(world: World, row: Row) -> None:
    who, method, path, body, status, words = row
    caller, path, body, words = world.caller(who), world.fill(path), world.fill(body), world.fill(words)
    refused(world, status, words, lambda: caller(method, path, body))


def test_nothing_was_left_by_any_of_them(world: World) -> None:
    check_invariants(world.cloud)
    assert [s["name"] for s in world.cloud.list_all() if not s["deleted"]] == ["web"]


# --- versions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ("2.9999", 406, "Version 2.9999 is not supported by the API. Minimum is 2.1 and maximum is 2.104."),
        ("3.1", 406, "Version 3.1 is not supported"),
        ("2.0", 406, "Version 2.0 is not supported"),
        ("2.x", 400, "API Version String 2.x is of invalid format."),
        ("banana", 400, "API Version String banana is of invalid format."),
        ("2.1.1", 400, "is of invalid format."),
        ("9" * 5000, 400, "is of invalid format."),
        ("2." + "9" * 5000, 400, "is of invalid format."),
    ],
)
def test_versions_that_do_not_exist(world: World, version: str, status: int, words: str) -> None:
    body = world.fill(new())
    refused(world, status, words, lambda: world.member.post("/servers", body, version=version))


# --- bodies ----------------------------------------------------------------------------------

JSON = "application/json"
BODIES = {
    # name: (bytes, content type, status, words)
    "too large": (b'{"x": "' + b"x" * (1 << 20) + b'"}', JSON, 413, "larger than 1048576 bytes"),
    "not JSON": (b"name=web", JSON, 400, "not valid JSON"),
    "half of it": (b'{"server": {"name"', JSON, 400, "not valid JSON"),
    "nothing": (b"", JSON, 400, "must have a body"),
    "a number that is none": (b'{"server": {"min_count": NaN}}', JSON, 400, "not valid JSON"),
    "a huge number": (b'{"server": {"min_count": 1' + b"0" * 5000 + b"}}", JSON, 400, ""),
    "not UTF-8": (b'{"server": {"name": "\xff"}}', JSON, 400, "not valid JSON"),
    "half a character": (b'{"server": {"name": "\\ud800"}}', JSON, 400, "not valid JSON"),
    "a null character": (b'{"server": {"name": "a\\u0000b"}}', JSON, 400, "null characters"),
    "deep lists": (b"[" * 5000 + b"]" * 5000, JSON, 400, ""),
    "deep objects": (b'{"a":' * 500 + b"1" + b"}" * 500, JSON, 400, "nested more than 32 levels deep"),
    "a form": (b"a=b", "application/x-www-form-urlencoded", 415, "Unsupported Content-Type"),
    "text": (b"{}", "text/plain", 415, "must be application/json"),
    "no type": (b"{}", None, 400, "must be application/json"),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ["/servers", "/servers/{server}/action", "/os-keypairs"])
def test_bodies_that_cannot_be_read(world: World, path: str, name: str) -> None:
    data, kind, status, words = BODIES[name]
    asked = world.fill(path)
    refused(world, status, words, lambda: world.member("POST", asked, data=data, content_type=kind))


# --- images ----------------------------------------------------------------------------------

IMAGES = {
    # name: (declared, bytes, words)
    "a backing file": ("qcow2", disks.qcow2(backing=b"/etc/passwd"), "refers to a backing file"),
    "an external data file": ("qcow2", disks.qcow2(incompatible=4), "keeps its data in another file"),
    "a VMDK descriptor named raw": ("raw", disks.vmdk_descriptor(), "declared raw, but its bytes are vmdk"),
    "a VMDK descriptor": ("vmdk", disks.vmdk_descriptor(), "is unacceptable"),
    "a truncated qcow2": ("qcow2", disks.qcow2()[: 100_000], "damaged or bytes are missing"),
    "a qcow2 of a few bytes": ("qcow2", disks.qcow2()[:100], "is unacceptable"),
    "raw named qcow2": ("qcow2", b"\0" * 70_000, "declared qcow2, but its bytes are raw"),
    "qcow2 named raw": ("raw", disks.qcow2(), "declared raw, but its bytes are qcow2"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_that_are_not_what_they_say(world: World, name: str) -> None:
    declared, data, words = IMAGES[name]
    member = world.member
    image = member.image(None, disk_format=declared)
    reply = refused(world, 400, words, lambda: member.upload(image, data))
    assert image in sentence(reply)
    assert member.get(f"/image/v2/images/{image}")["status"] == "queued"
    words = f"Image {image} is not active."
    refused(world, 400, words, lambda: member.create("x", imageRef=image))
    assert member.delete(f"/image/v2/images/{image}").status_code == 204
