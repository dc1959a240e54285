"""What guests read: every published version against golden files, and the drive against the tree."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from io import BytesIO
from typing import Any

import pycdlib
import pytest

from novalite import guest_metadata
from novalite.compute.config_drive import LABEL, ConfigDrives, disc
from novalite.conf import load
from novalite.guest_metadata import ec2, openstack
from novalite.guest_metadata.folders import Folder
from novalite.objects.host_networks import FixedIp, Subnet, Vif
from novalite.objects.servers import GuestSpec
from tests.unit.compute.libvirt.guests import a_flavor, a_guest

SEED = "c2VlZA=="
NET = "b1c0ffee-0000-4000-8000-000000000001"
KEY = "ssh-ed25519 AAAAC3Nz somebody@example.com"


def a_subnet(**facts: Any) -> Subnet:
    return Subnet(**{"id": "s4", "cidr": "10.1.0.0/24", "gateway": "10.1.0.1", "dns": ("10.0.0.53",), **facts})


def a_card(number: int, *addresses: FixedIp, **facts: Any) -> Vif:
    port = f"0a1b2c3d-4e5f-4000-8000-00000000000{number}"
    return Vif(port_id=port, mac=f"fa:16:3e:00:00:0{number}", network_id=NET, fixed_ips=addresses, **facts)


def full() -> GuestSpec:
    """A server with everything that a guest can read."""
    six = a_subnet(id="s6", cidr="2001:db8::/64", ip_version=6, gateway="2001:db8::1", ipv6_address_mode="slaac")
    static = a_subnet(id="s5", cidr="10.2.0.0/16", gateway="10.2.0.1", dhcp=False, dns=("10.0.0.53", "10.0.0.54"),
                      host_routes=(("10.9.0.0/16", "10.2.0.9"),))  # fmt: skip
    return a_guest(
        {"kernel_id": "11111111-0000-4000-8000-000000000000", "ramdisk_id": "22222222-0000-4000-8000-000000000000"},
        a_flavor(ephemeral_gb=1, swap_mb=64),
        key_name="mine", public_key=KEY, metadata={"role": "web"}, user_data=b64encode(b"#!/bin/sh\necho hello\n"),
        personality=({"path": "/etc/motd", "contents": b64encode(b"welcome")},
                     {"path": "/bin.dat", "contents": b64encode(b"\x00\xff")}),
        vifs=(
            a_card(1, FixedIp(address="10.1.0.5", subnet=a_subnet()), FixedIp(address="10.1.0.6", subnet=a_subnet()),
                   FixedIp(address="2001:db8::f816:3eff:fe00:1", subnet=six), tag="front"),
            a_card(2, FixedIp(address="10.2.0.7", subnet=static), mtu=1500),
        ),
        image_id="3f1c3c7e-0a5b-4d54-8d3c-6a2f1d9f7b21", reservation_id="r-0000abcd", availability_zone="az1",
        root_device_name="/dev/vda", security_groups=("default", "web"), floating_ips=("203.0.113.9",), launch_index=3,
    )  # fmt: skip


def tree(spec: GuestSpec | None = None, **more: Any) -> Folder:
    vendor = guest_metadata.Vendor({"support": "ops@example.com"}, {"license": {"key": "42"}})
    return guest_metadata.tree(spec or full(), SEED, vendor, **more)


def read(folder: Folder, path: str) -> str:
    found = guest_metadata.look(folder, path)
    assert found is not None, path
    return found.content.decode(errors="backslashreplace")


def test_every_version_of_both_formats_is_as_published(golden):
    """One file shows the whole tree: `== path`, then what is there; listings of folders end in a slash."""
    whole, parts = tree(password="bGVmdA=="), []

    def walk(folder: Folder, above: str) -> None:
        parts.append(f"== {above or '/'}\n{folder.listing().decode()}\n")
        for name, entry in folder.entries.items():
            if isinstance(entry, Folder):
                walk(entry, f"{above}{name}/")
            elif name.endswith(".json"):
                parts.append(f"== {above}{name}\n{json.dumps(json.loads(entry), indent=1)}\n")
            else:
                parts.append(f"== {above}{name}\n{entry.decode(errors='backslashreplace')}\n")

    for name in ("openstack", *ec2.VERSIONS, ec2.LATEST):
        parts = []
        walk(whole.entries[name], f"{name}/")  # type: ignore[arg-type]
        golden(f"metadata/{name}.txt", "".join(parts))
    assert read(whole, "/").split() == [*ec2.VERSIONS, "latest", "openstack/"]


FIELDS = {
    "2012-08-10": ({"meta_data.json", "user_data"}, {"uuid", "meta", "files", "public_keys", "keys", "hostname", "name",
                                                     "launch_index", "availability_zone"}),
    "2013-04-04": ({"password"}, {"random_seed"}),
    "2013-10-17": ({"vendor_data.json"}, set()),
    "2015-10-15": ({"network_data.json"}, {"project_id"}),
    "2016-06-30": (set(), {"devices"}),
    "2016-10-06": ({"vendor_data2.json"}, set()),
    "2017-02-22": (set(), set()),
    "2018-08-27": (set(), set()),
    "2020-10-14": (set(), {"dedicated_cpus"}),
    "latest": (set(), set()),
}  # fmt: skip
"""What came with each version: files, and fields of meta_data.json."""


def test_each_version_has_what_came_with_it_and_nothing_newer():
    whole, files, fields = tree(), set(), set()
    assert read(whole, "openstack/").split() == [*FIELDS, "content"]
    for version, (more_files, more_fields) in FIELDS.items():
        files, fields = files | more_files, fields | more_fields
        assert set(read(whole, f"openstack/{version}").split()) == files
        assert json.loads(read(whole, f"openstack/{version}/meta_data.json")).keys() == fields


def test_what_a_server_lacks_is_not_there():
    plain = tree(a_guest())
    assert guest_metadata.look(plain, "openstack/latest/user_data") is None
    assert guest_metadata.look(plain, "latest/user-data") is None
    assert guest_metadata.look(plain, "openstack/content") is None
    assert guest_metadata.look(plain, "latest/meta-data/public-keys") is None
    shown = json.loads(read(plain, "openstack/latest/meta_data.json"))
    assert shown.keys().isdisjoint({"meta", "files", "public_keys", "keys", "admin_pass"})
    networks = json.loads(read(plain, "openstack/latest/network_data.json"))
    assert networks == {"links": [], "networks": [], "services": []}
    own = json.loads(read(tree(a_guest(dedicated_cpus=(1, 2))), "openstack/latest/meta_data.json"))
    assert (shown["dedicated_cpus"], own["dedicated_cpus"]) == ([], [1, 2])


def test_keys_are_told_by_their_type():
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    keys = json.loads(read(tree(a_guest(key_name="win", public_key=certificate)), "openstack/latest/meta_data.json"))
    assert keys["keys"] == [{"name": "win", "type": "x509", "data": certificate}]
    assert read(tree(), "latest/meta-data/public-keys/") == "0=mine"
    assert read(tree(), "latest/meta-data/public-keys/0") == "openssh-key"
    assert read(tree(), "latest/meta-data/public-keys/0/openssh-key") == KEY


@pytest.mark.parametrize("path", [
    "../etc/passwd", "openstack/../../etc/passwd", "openstack/latest/../../..", "/etc/passwd", "openstack/latest/meta",
    "openstack/2011-01-01/meta_data.json", "openstack/latest/meta_data.json/uuid", "openstack/content/0002",
    "%2e%2e/etc/passwd", "latest/meta-data/public-keys/1", "openstack/latest/meta_data.json\x00",
])  # fmt: skip
def test_no_path_leads_out_of_the_tree(path):
    assert guest_metadata.look(tree(), path) is None


def test_a_config_drive_is_the_tree_byte_for_byte():
    whole = tree()
    files = guest_metadata.drive(full(), whole)
    of_ec2 = {path: content for path, content in files.items() if path.startswith("ec2/")}
    for path, content in files.items():
        if path not in of_ec2:
            assert guest_metadata.look(whole, path).content == content  # type: ignore[union-attr]
    assert len(files) - len(of_ec2) == len([path for path, _ in whole.entries["openstack"].files()  # type: ignore[union-attr]
                                            if not path.endswith("password")])  # fmt: skip
    assert of_ec2.keys() == {f"ec2/{v}/{f}" for v in ("2009-04-04", "latest") for f in ("meta-data.json", "user-data")}
    assert json.loads(files["ec2/latest/meta-data.json"])["public-keys"] == {"0": {"_name": "mine", "openssh-key": KEY}}


def test_the_administrators_password_is_where_the_spec_has_one():
    with_one = full().model_copy(update={"admin_pass": "s3cret"})
    assert json.loads(read(tree(with_one), "openstack/latest/meta_data.json"))["admin_pass"] == "s3cret"
    assert "s3cret" not in repr(with_one)


def test_a_disc_holds_the_files_by_all_of_its_names():
    files = guest_metadata.drive(full(), tree())
    iso = pycdlib.PyCdlib()
    made = disc(files)
    iso.open_fp(BytesIO(made))
    assert iso.pvd.volume_identifier.decode().rstrip() == LABEL
    for path, content in files.items():
        for kind in ("rr_path", "joliet_path"):
            out = BytesIO()
            iso.get_file_from_iso_fp(out, **{kind: f"/{path}"})
            assert out.getvalue() == content, (kind, path)
    iso.close()
    assert len(made) < 2 << 20


@pytest.mark.skipif(shutil.which("mcopy") is None, reason="mtools is not installed")
def test_a_disk_holds_the_files_and_no_others(tmp_path):
    drives = ConfigDrives(load.for_tests({"metadata.config_drive_format": "vfat"}))
    path = tmp_path / "disk.config"
    drives.write(path, full())
    assert drives.device == "disk" and path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["disk.config"], "nothing lies about"
    subprocess.run(["mcopy", "-s", "-i", path, "::/*", tmp_path], check=True)
    files = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file() and one != path}
    assert files == guest_metadata.drive(full(), tree()).keys()
    assert (tmp_path / "openstack/latest/user_data").read_bytes() == b"#!/bin/sh\necho hello\n"
    assert b"CONFIG-2" in path.read_bytes()[: 1 << 20]


def test_both_formats_know_the_versions_that_were_published():
    assert len(openstack.VERSIONS) == 9 and len(ec2.VERSIONS) == 9
    assert list(openstack.VERSIONS) == sorted(openstack.VERSIONS)
