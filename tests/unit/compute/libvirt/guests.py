"""Specs of guests for tests of the libvirt driver; each takes only what the test is about."""

from __future__ import annotations

from typing import Any

from novalite.objects.flavors import Flavor
from novalite.objects.images import ImageSource
from novalite.objects.servers import GuestSpec

SERVER = "7d3b9a52-5c1e-4f0e-9d53-2f6f0b1c9a10"
IMAGE = "3f1c3c7e-0a5b-4d54-8d3c-6a2f1d9f7b21"


def a_flavor(**facts: Any) -> Flavor:
    """A small flavor."""
    small = {"flavor_id": "1", "name": "small", "vcpus": 1, "ram_mb": 128, "disk_gb": 1}
    return Flavor(**{**small, **facts})


def an_image(**facts: Any) -> ImageSource:
    """An image in the cache."""
    return ImageSource(**{"id": IMAGE, "url": "http://127.0.0.1/", "disk_format": "qcow2", **facts})


def a_guest(
    properties: dict[str, str] | None = None, flavor: Flavor | None = None, **facts: Any
) -> GuestSpec:
    """A server of one image; `properties` are the image's."""
    default = {
        "id": SERVER,
        "name": "web",
        "hostname": "web",
        "instance_name": "instance-0000002a",
        "project_id": "project-1",
        "user_id": "user-1",
        "image": an_image(),
        "created_at": "2026-01-02T03:04:05",
    }
    asked = {"flavor": flavor or a_flavor(), "image_properties": properties or {}}
    return GuestSpec(**{**default, **asked, **facts})
