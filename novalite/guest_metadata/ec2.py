"""Amazon EC2's format, in the versions that the Compute user guide lists ("Metadata service", EC2-compatible).

Machine images and such have numbers there; ours are made of the start of their ids, so they are the same everywhere
without being kept anywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from novalite.guest_metadata.folders import Folder
from novalite.objects.servers import GuestSpec

VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
    "2009-04-04",
)  # fmt: skip
LATEST = "latest"


def versions(spec: GuestSpec) -> dict[str, Folder | bytes]:
    """A folder per version."""
    return {version: Folder(_version(spec, version), label=version) for version in (*VERSIONS, LATEST)}


def _version(spec: GuestSpec, version: str) -> dict[str, Folder | bytes]:
    found: dict[str, Folder | bytes] = {"meta-data": _folder(meta_data(spec, version))}
    if spec.user_data:
        found["user-data"] = base64.b64decode(spec.user_data)
    return found


def _folder(values: Mapping[str, Any], label: str | None = None) -> Folder:
    """Lists are a line per item; of `public-keys` guests are told names and numbers."""
    entries: dict[str, Folder | bytes] = {}
    for name, value in values.items():
        if name == "public-keys":
            entries[name] = Folder({number: _folder({"openssh-key": key["openssh-key"]}, f"{number}={key['_name']}")
                                    for number, key in value.items()})  # fmt: skip
        elif isinstance(value, Mapping):
            entries[name] = _folder(value)
        else:
            lines = value if isinstance(value, list) else [str(value)]
            entries[name] = "\n".join(lines).encode()
    return Folder(entries, label)


def meta_data(spec: GuestSpec, version: str) -> dict[str, Any]:
    """What `meta-data/` of a version holds, and meta-data.json on a config drive."""
    fixed = [one.address for vif in spec.vifs for one in vif.fixed_ips if one.subnet.ip_version == 4]
    found: dict[str, Any] = {
        "ami-id": _number("ami", spec.image_id),
        "ami-launch-index": spec.launch_index,
        "ami-manifest-path": "FIXME",  # the value that guests have always been told
        "instance-id": instance_id(spec),
        "hostname": spec.hostname,
        "local-ipv4": fixed[0] if fixed else "",
        "reservation-id": spec.reservation_id,
        "security-groups": list(spec.security_groups),
    }
    if spec.key_name and spec.public_key:
        found["public-keys"] = {"0": {"_name": spec.key_name, "openssh-key": spec.public_key}}
    if _since(version, "2007-01-19"):
        found |= {
            "local-hostname": spec.hostname,
            "public-hostname": spec.hostname,
            "public-ipv4": spec.floating_ips[0] if spec.floating_ips else "",
        }
    if _since(version, "2007-08-29"):
        found["instance-type"] = spec.flavor.name
    if _since(version, "2007-12-15"):
        found["block-device-mapping"] = _devices(spec)
        for name, prefix in (("kernel_id", "aki"), ("ramdisk_id", "ari")):
            if image := spec.image_properties.get(name):
                found[f"{name.removesuffix('_id')}-id"] = _number(prefix, image)
    if _since(version, "2008-02-01"):
        found["placement"] = {"availability-zone": spec.availability_zone or "nova"}
    if _since(version, "2008-09-01"):
        found["instance-action"] = "none"
    return found


def _since(version: str, first: str) -> bool:
    return version != "1.0" and version >= first


def instance_id(spec: GuestSpec) -> str:
    """The number in the guest's name on its host, as EC2 writes it."""
    return f"i-{spec.instance_name.rpartition('-')[2]}"


def _number(prefix: str, image_id: str | None) -> str:
    return f"{prefix}-{(image_id or '').replace('-', '')[:8] or '00000000'}"


def _devices(spec: GuestSpec) -> dict[str, str]:
    """What disks are called, in the order in which the guest sees them."""
    root = spec.root_device_name or "/dev/vda"
    found = {"ami": root.rpartition("/")[2], "root": root}
    more = (["ephemeral0"] if spec.flavor.ephemeral_gb else []) + (["swap"] if spec.flavor.swap_mb else [])
    for number, name in enumerate(more, start=1):
        found[name] = f"{root[:-1]}{chr(ord(root[-1]) + number)}"
    return found
