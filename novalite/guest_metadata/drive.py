"""The files of a config drive (Compute user guide, "Metadata service", config drives): those of the tree, byte for
byte, and EC2's in one JSON file."""

from __future__ import annotations

from novalite.guest_metadata import ec2
from novalite.guest_metadata.folders import Folder
from novalite.guest_metadata.openstack import PASSWORD, to_json
from novalite.objects.servers import GuestSpec

EC2_VERSIONS = ("2009-04-04", ec2.LATEST)


def drive(spec: GuestSpec, whole: Folder) -> dict[str, bytes]:
    """Path to content, of the tree `whole` of the server. A password that a guest leaves is not for its drive."""
    files: dict[str, bytes] = {}
    for version in EC2_VERSIONS:
        files[f"ec2/{version}/meta-data.json"] = to_json(ec2.meta_data(spec, version))
    for path, content in whole.files():
        top, _, rest = path.partition("/")
        if top == "openstack" and not rest.endswith(f"/{PASSWORD}"):
            files[path] = content
        elif top in EC2_VERSIONS and rest == "user-data":
            files[f"ec2/{path}"] = content
    return files
