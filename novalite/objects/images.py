"""Images as messages: what the control plane knows, and what a compute host needs to fetch one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from novalite.errors import Conflict, Forbidden
from novalite.objects.base import Message


class Image(Message):
    """An image record. `size` and `virtual_size` in bytes, `min_disk` in GB, `min_ram` in MB."""

    id: str
    name: str | None = None
    status: str = "queued"
    visibility: str = "shared"
    owner: str | None = None
    protected: bool = False
    os_hidden: bool = False
    disk_format: str | None = None
    container_format: str | None = None
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    tags: tuple[str, ...] = ()
    created_at: str | None = None
    updated_at: str | None = None
    properties: dict[str, str] = Field(default_factory=dict)


class ImageSource(Message):
    """Everything a host needs to fetch one image over HTTP and to trust what it got.

    `token` opens this one image for a short time, so that a compute node keeps no credentials.
    """

    id: str
    url: str
    token: str = ""
    disk_format: str
    size: int | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    min_disk: int = 0
    properties: dict[str, str] = Field(default_factory=dict)


class ImageTarget(Message):
    """Where a host sends the bytes of one queued image. `token` writes this one image and does nothing else."""

    id: str
    url: str
    token: str = ""
    disk_format: str


# --- what may be asked and changed -----------------------------------------------------------------

STATUSES = (
    "queued", "saving", "uploading", "importing", "active", "deactivated", "killed",
    "pending_delete", "deleted",
)  # fmt: skip
VISIBILITIES = ("public", "private", "shared", "community")
MEMBER_STATUSES = ("pending", "accepted", "rejected")
DISK_FORMATS = ("raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami", "aki", "ari", "ploop")
CONTAINER_FORMATS = ("bare", "ovf", "ova", "ami", "aki", "ari", "docker", "compressed")
SORT_KEYS = (
    "id", "name", "status", "visibility", "owner", "disk_format", "container_format", "size", "virtual_size",
    "min_disk", "min_ram", "protected", "created_at", "updated_at",
)  # fmt: skip
COLUMNS = (
    "id", "name", "status", "owner", "disk_format", "container_format", "size", "virtual_size", "checksum",
    "os_hash_algo", "os_hash_value", "min_disk", "min_ram", "protected",
)  # fmt: skip
"""Fields a list may be filtered by for equality; every other unknown key names a property."""
READ_ONLY = frozenset({
    "id", "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at",
    "updated_at", "file", "self", "schema", "direct_url", "locations", "stores", "deleted", "deleted_at",
})  # fmt: skip
"""Fields that no request may set."""
FIXED_ONCE_QUEUED = frozenset({"disk_format", "container_format"})
BASE = frozenset({
    "name", "visibility", "owner", "protected", "os_hidden", "disk_format", "container_format", "min_disk",
    "min_ram", "tags",
})  # fmt: skip
"""Fields that requests may set and that are not properties."""


class TimeTest(Message):
    """One test of a time: `op` is gt, gte, lt, lte, eq or neq; `moment` is ISO, UTC."""

    column: Literal["created_at", "updated_at"]
    op: Literal["gt", "gte", "lt", "lte", "eq", "neq"]
    moment: str


class ImageQuery(Message):
    """Which images to list. `equals`: any of the values, by column. Sizes in bytes."""

    equals: dict[str, list[str | int | bool]] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    size_min: int | None = None
    size_max: int | None = None
    times: tuple[TimeTest, ...] = ()
    visibility: Literal["public", "private", "shared", "community", "all"] | None = None
    member_status: Literal["pending", "accepted", "rejected", "all"] = "accepted"
    os_hidden: bool = False
    sort: tuple[tuple[str, Literal["asc", "desc"]], ...] = (("created_at", "desc"),)
    limit: int = 25
    marker: str | None = None


class ImageChange(Message):
    """One operation of a JSON patch; `name` is a field or a property."""

    op: Literal["add", "replace", "remove"]
    name: str
    value: Any = None


class StoredBytes(Message):
    """What the store found out while it took the bytes of an image."""

    location: str
    size: int
    checksum: str
    os_hash_algo: str = "sha512"
    os_hash_value: str
    virtual_size: int | None = None


def patched(image: Image, changes: Iterable[ImageChange]) -> Image:
    """The image after these changes, whose values have been validated. Pure.

    Forbidden for fields that may not change (any more), Conflict for properties that are not there.
    """
    fields: dict[str, Any] = {}
    properties = dict(image.properties)
    for change in changes:
        name = change.name
        if name in READ_ONLY:
            raise Forbidden(f"Attribute '{name}' is read-only.")
        if name in FIXED_ONCE_QUEUED and image.status != "queued":
            raise Forbidden(f"Attribute '{name}' can only be changed while the image is queued.")
        if name in BASE:
            if change.op == "remove":
                raise Forbidden(f"Attribute '{name}' cannot be removed.")
            fields[name] = change.value
            continue
        if change.op != "add" and name not in properties:
            raise Conflict(f"The image has no property '{name}'.")
        if change.op == "remove":
            del properties[name]
        else:
            properties[name] = change.value
    return image.model_copy(update=fields | {"properties": properties})
