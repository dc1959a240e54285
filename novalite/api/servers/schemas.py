"""What may stand in the bodies of POST and PUT /servers, by microversion."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo

from novalite.api.schemas import (
    NOT_GIVEN,
    AnyInt,
    Body,
    Bool,
    Description,
    Metadata,
    Name,
    PositiveInt,
    RequiredSince,
    Says,
    Since,
    Spans,
    Until,
    Uuid,
    wrong,
)

MAX_USER_DATA = 65535
MAX_PATH = 4096
"""Characters of a path in a server; the quota of a project is lower."""
MAX_TAGS = 50
MAX_LIST = 256
"""Entries of lists for which the API names no limit."""
MAX_CONTENTS = 114_688
"""Characters of a file: quotas say what is too much, this only what is no file."""
MAX_TAG = 60
MAX_REFERENCE = 2048
MAX_CERTIFICATES = 50
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}\Z")
_DOMAIN_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
FQDN_SINCE = 94


def _ip(version: int, value: str) -> str:
    try:
        return str((ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(value))
    except ValueError:
        raise wrong(f"It must be an IPv{version} address.") from None


def _base64(value: str) -> str:
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise wrong("It must be base64.") from None
    return value


def _reference(value: Any) -> str:
    """An id, or a URL that ends in it; some clients send flavor ids as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or len(value) > MAX_REFERENCE:
        raise wrong("It must be an id or a URL.")
    return value.rstrip("/").rsplit("/", 1)[-1]


def _image_id(value: str) -> str:
    return value if value == "" else _checked_uuid(value)


def _checked_uuid(value: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", value):
        raise wrong("It must be the UUID of an image.")
    return value


def _host_name(value: str, info: ValidationInfo) -> str:
    """One label; from 2.94 on a full domain name (RFC 1123)."""
    whole = int(info.context or 1) >= FQDN_SINCE
    if len(value) > (255 if whole else 63) or not (_DOMAIN_NAME if whole else _HOST_NAME).match(value):
        raise wrong("It must be a host name of letters, digits and hyphens.")
    return value


def check_tag(value: str) -> str:
    """A tag has 1 to 60 characters, none of them a slash or a comma."""
    if not 1 <= len(value) <= MAX_TAG:
        raise wrong(f"A tag has 1 to {MAX_TAG} characters.")
    if "/" in value or "," in value:
        raise wrong("A tag must not contain a slash or a comma.")
    return value


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise wrong("It must not name anything twice.")
    return values


def _uuids(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1, max_length=255)]
ShortText = Annotated[str, Field(max_length=255)]
LegacyDevice = Annotated[dict[str, Any], Field(max_length=32)]
Reference = Annotated[
    str, BeforeValidator(_reference), Field(min_length=1, max_length=255), Says(type=["string", "integer"])
]
ImageUuid = Annotated[
    str,
    BeforeValidator(_reference),
    AfterValidator(_checked_uuid),
    Says(maxLength=MAX_REFERENCE, description="An id, or a URL ending in it."),
]
ImageReference = Annotated[
    str,
    BeforeValidator(_reference),
    AfterValidator(_image_id),
    Says(maxLength=MAX_REFERENCE, description="An id, or a URL ending in it."),
]
Ipv4 = Annotated[str, AfterValidator(lambda value: _ip(4, value)), Says(format="ipv4")]
Ipv6 = Annotated[str, AfterValidator(lambda value: _ip(6, value)), Says(format="ipv6")]
UserData = Annotated[
    str, Field(max_length=MAX_USER_DATA), AfterValidator(_base64), Says(contentEncoding="base64")
]
HostName = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_host_name),
    Says(maxLength=255, pattern=f"^{_LABEL}(\\.{_LABEL})*$", description="One label before 2.94."),
]
Tag = Annotated[str, AfterValidator(check_tag), Says(minLength=1, maxLength=MAX_TAG, pattern="^[^,/]*$")]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_unique)]
Certificates = Annotated[
    list[Text], Field(min_length=1, max_length=MAX_CERTIFICATES), AfterValidator(_unique)
]
Password = Annotated[str, Field(max_length=255)]
DiskConfig = Literal["AUTO", "MANUAL"]
UuidOrList = Annotated[list[Uuid], BeforeValidator(_uuids), Field(max_length=MAX_LIST)]
TAG_OF_NETWORK = Spans((32, 36), (42, None))
TAG_OF_DEVICE = Spans((32, 32), (42, None))


class Network(Body):
    """One entry of `networks`."""

    uuid: Uuid | None = None
    port: Uuid | None = None
    fixed_ip: Ipv4 | Ipv6 | None = None
    tag: Annotated[Tag | None, TAG_OF_NETWORK] = None


class SecurityGroup(Body):
    """One entry of `security_groups`."""

    name: Text


class File(Body):
    """One entry of `personality`."""

    path: Annotated[str, Field(min_length=1, max_length=MAX_PATH)]
    contents: Annotated[str, Field(max_length=MAX_CONTENTS), AfterValidator(_base64)]


class BlockDevice(Body):
    """One entry of `block_device_mapping_v2`."""

    source_type: Literal["image", "volume", "snapshot", "blank"]
    destination_type: Literal["local", "volume"] | None = None
    uuid: Uuid | None = None
    boot_index: AnyInt | None = None
    volume_size: PositiveInt | None = None
    delete_on_termination: Bool = False
    device_name: ShortText | None = None
    device_type: ShortText | None = None
    disk_bus: ShortText | None = None
    guest_format: ShortText | None = None
    no_device: Any = None
    tag: Annotated[Tag | None, TAG_OF_DEVICE] = None
    volume_type: Annotated[ShortText | None, Since(67)] = None


class Hints(Body):
    """`os:scheduler_hints`; hints nobody here knows are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    group: Uuid | None = None
    same_host: UuidOrList | None = None
    different_host: UuidOrList | None = None
    build_near_host_ip: Ipv4 | Ipv6 | None = None
    cidr: Annotated[str, Field(max_length=64, pattern=r"^/[0-9a-f.:]+$")] | None = None


class NewServer(Body):
    """The `server` of POST /servers."""

    name: Name
    flavorRef: Reference
    imageRef: ImageReference | None = None
    networks: Annotated[
        Annotated[list[Network], Field(max_length=MAX_LIST)] | Literal["auto", "none"] | None, RequiredSince(37)
    ] = None
    key_name: Text | None = None
    metadata: Metadata = Field(default_factory=dict)
    user_data: UserData | None = None
    security_groups: list[SecurityGroup] = Field(default_factory=list, max_length=MAX_LIST)
    availability_zone: Text | None = None
    config_drive: Bool | None = None
    adminPass: Password | None = None
    accessIPv4: Ipv4 | None = None
    accessIPv6: Ipv6 | None = None
    disk_config: DiskConfig = Field("MANUAL", alias="OS-DCF:diskConfig")
    min_count: PositiveInt | None = None
    max_count: PositiveInt | None = None
    return_reservation_id: Bool = False
    block_device_mapping: list[LegacyDevice] = Field(default_factory=list, max_length=MAX_LIST)
    block_device_mapping_v2: list[BlockDevice] = Field(default_factory=list, max_length=MAX_LIST)
    personality: Annotated[list[File], Until(56)] = Field(default_factory=list, max_length=MAX_LIST)
    description: Annotated[Description | None, Since(19)] = None
    tags: Annotated[Tags, Since(52)] = Field(default_factory=list)
    trusted_image_certificates: Annotated[Certificates | None, Since(63)] = None
    host: Annotated[Text | None, Since(74)] = None
    hypervisor_hostname: Annotated[Text | None, Since(74)] = None
    hostname: Annotated[HostName | None, Since(90)] = None


class CreateServer(Body):
    """POST /servers."""

    server: NewServer
    hints: Hints | None = Field(None, alias="os:scheduler_hints")
    hints_alias: Hints | None = Field(None, alias="OS-SCH-HNT:scheduler_hints")


class ServerChanges(Body):
    """The `server` of PUT /servers/{id}; only what is given changes."""

    name: Name = NOT_GIVEN
    accessIPv4: Ipv4 | None = None
    accessIPv6: Ipv6 | None = None
    disk_config: DiskConfig = Field(NOT_GIVEN, alias="OS-DCF:diskConfig")
    description: Annotated[Description | None, Since(19)] = None
    hostname: Annotated[HostName, Since(90)] = NOT_GIVEN
    pinned_availability_zone: Annotated[Text | None, Since(104)] = None


class UpdateServer(Body):
    """PUT /servers/{id}."""

    server: ServerChanges
