"""The OpenStack format: what each published version holds (Compute user guide, "Metadata service")."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from novalite.guest_metadata.folders import Folder
from novalite.guest_metadata.network_data import network_data
from novalite.objects.servers import GuestSpec

VERSIONS = (
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
    "2020-10-14",
)  # fmt: skip
LATEST = "latest"
SEED_SINCE = HAS_PASSWORD_SINCE = "2013-04-04"
VENDOR_DATA_SINCE = "2013-10-17"
NETWORK_DATA_SINCE = PROJECT_SINCE = "2015-10-15"
DEVICES_SINCE = "2016-06-30"
VENDOR_DATA2_SINCE = "2016-10-06"
VLAN_OF_DEVICE_SINCE = "2017-02-22"
TRUST_OF_DEVICE_SINCE = "2018-08-27"
DEDICATED_CPUS_SINCE = "2020-10-14"
PASSWORD = "password"


def folder(
    spec: GuestSpec, seed: str, static: Mapping[str, Any], dynamic: Mapping[str, Any], password: str
) -> Folder:
    """`openstack/`: a folder per version, and the server's files in `content/`."""
    user_data = base64.b64decode(spec.user_data) if spec.user_data else None
    networks = to_json(network_data(spec.vifs))
    vendor = to_json(static)
    vendor2 = to_json({**({"static": static} if static else {}), **dynamic})
    found: dict[str, Folder | bytes] = {}
    for version in (*VERSIONS, LATEST):
        files: dict[str, Folder | bytes] = {"meta_data.json": to_json(meta_data(spec, version, seed))}
        if user_data is not None:
            files["user_data"] = user_data
        if since(version, HAS_PASSWORD_SINCE):
            files[PASSWORD] = password.encode()
        if since(version, VENDOR_DATA_SINCE):
            files["vendor_data.json"] = vendor
        if since(version, NETWORK_DATA_SINCE):
            files["network_data.json"] = networks
        if since(version, VENDOR_DATA2_SINCE):
            files["vendor_data2.json"] = vendor2
        found[version] = Folder(files, label=version)
    contents = {f"{n:04}": base64.b64decode(one["contents"]) for n, one in enumerate(spec.personality)}
    return Folder({**found, "content": Folder(contents, label="content")} if contents else found)


def since(version: str, first: str) -> bool:
    """Whether a version has what came with `first`: dates compare as text, and `latest` comes after all of them."""
    return version >= first


def to_json(value: Any) -> bytes:
    """As compact as people can still read it."""
    return json.dumps(value).encode()


def meta_data(spec: GuestSpec, version: str, seed: str) -> dict[str, Any]:
    """meta_data.json of a version. A password is in it only where the caller gave one, for a config drive."""
    found: dict[str, Any] = {"uuid": spec.id}
    if spec.metadata:
        found["meta"] = spec.metadata
    if spec.personality:
        found["files"] = [{"content_path": f"/content/{number:04}", "path": one["path"]}
                          for number, one in enumerate(spec.personality)]  # fmt: skip
    if spec.admin_pass:
        found["admin_pass"] = spec.admin_pass
    if spec.key_name and spec.public_key:
        found["public_keys"] = {spec.key_name: spec.public_key}
        found["keys"] = [{"name": spec.key_name, "type": key_type(spec.public_key), "data": spec.public_key}]
    found |= {
        "hostname": spec.hostname,
        "name": spec.name,
        "launch_index": spec.launch_index,
        "availability_zone": spec.availability_zone or "nova",
    }
    if since(version, SEED_SINCE):
        found["random_seed"] = seed
    if since(version, PROJECT_SINCE):
        found["project_id"] = spec.project_id
    if since(version, DEVICES_SINCE):
        found["devices"] = devices(spec, version)
    if since(version, DEDICATED_CPUS_SINCE):
        found["dedicated_cpus"] = list(spec.dedicated_cpus)
    return found


def key_type(public_key: str) -> str:
    """"x509" for a certificate, else "ssh" (the types of key pairs)."""
    return "x509" if public_key.lstrip().startswith("-----BEGIN") else "ssh"


def devices(spec: GuestSpec, version: str) -> list[dict[str, Any]]:
    """The devices that the user gave a tag. Where in the machine they are only the hypervisor knows; guests know
    them by their MAC address."""
    found = []
    for vif in spec.vifs:
        if not vif.tag:
            continue
        device: dict[str, Any] = {"type": "nic", "bus": "none", "address": "none", "mac": vif.mac, "tags": [vif.tag]}
        if since(version, VLAN_OF_DEVICE_SINCE) and vif.network_type == "vlan" and vif.vnic_type == "direct":
            device["vlan"] = vif.segmentation_id
        if since(version, TRUST_OF_DEVICE_SINCE):
            device["vf_trusted"] = False
        found.append(device)
    return found
