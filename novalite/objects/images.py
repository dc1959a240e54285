"""Images as messages: what the control plane knows, and what a compute host needs to fetch one."""

from __future__ import annotations

from pydantic import Field

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
