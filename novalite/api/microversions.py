"""The history of the compute API as a table, and how a request picks its version.

Source: Compute API guide, "Microversions"; one line each, in our own words.
"""

from __future__ import annotations

import re

from werkzeug.datastructures import Headers

from novalite.errors import BadRequest, NotAcceptable

Version = tuple[int, int]

HISTORY: dict[int, str] = {
    1: "The base: as v2.0, with strict input checks.",
    2: "Keypairs have a type, ssh or x509; create answers 201 and delete 204.",
    3: "Servers show reservation_id, launch_index, kernel_id, ramdisk_id, hostname, root_device_name and "
    "user_data to admins, and delete_on_termination of their volumes.",
    4: "Fixed IPs show reserved.",
    5: "Everybody may filter servers by ip6.",
    6: "POST remote-consoles takes the place of the os-get…Console actions.",
    7: "Access to a public flavor cannot be changed: 409.",
    8: "Console protocol mks of type webmks.",
    9: "Servers show locked.",
    10: "Admins may name the user whose keypairs they handle.",
    11: "Services can be forced down.",
    12: "Virtual interfaces show net_id.",
    13: "Server groups show project_id and user_id.",
    14: "Evacuate has no onSharedStorage and answers no adminPass.",
    15: "Server groups may prefer rather than demand (anti-)affinity.",
    16: "Servers show host_status.",
    17: "Action trigger_crash_dump.",
    18: "The project id in the URL is optional.",
    19: "Servers have a description.",
    20: "Volumes attach and detach while a server is shelved.",
    21: "Instance actions of deleted servers can be read.",
    22: "A live migration can be forced to complete.",
    23: "Live migrations of a server can be listed and shown.",
    24: "A running live migration can be aborted.",
    25: "Live migration decides block_migration itself with auto; disk_over_commit is gone.",
    26: "Servers have tags.",
    27: "Header OpenStack-API-Version.",
    28: "cpu_info of a hypervisor is an object.",
    29: "Evacuate takes force; a named host is checked first.",
    30: "Live migrate takes force; a named host is checked first.",
    31: "Console tokens of every type can be looked up.",
    32: "Networks and block devices take a tag at create.",
    33: "Hypervisors are paged; the tag of block devices is lost.",
    34: "Live migration is checked after the answer.",
    35: "Keypairs are paged.",
    36: "Proxies to images, networks and volumes end.",
    37: "networks is required at create: a list, auto or none.",
    38: "An unknown status filter is a 400 for everybody.",
    39: "The image metadata proxy ends.",
    40: "Usage is paged.",
    41: "Aggregates show their uuid.",
    42: "Tags of networks and block devices are back.",
    43: "os-hosts ends.",
    44: "Actions on fixed and floating IPs, and virtual interfaces, end.",
    45: "createImage and createBackup answer image_id in the body.",
    46: "Header X-OpenStack-Request-ID.",
    47: "Servers show their flavor instead of a link to it.",
    48: "Diagnostics have one shape for all hypervisors.",
    49: "Attached interfaces and volumes take a tag.",
    50: "Quota classes know server groups and forget networks.",
    51: "Event volume-extended; everybody sees the events of an instance action.",
    52: "Tags at create.",
    53: "Services and hypervisors are identified by uuid.",
    54: "Rebuild takes key_name.",
    55: "Flavors have a description.",
    56: "Migrate takes a host.",
    57: "personality is gone; rebuild takes user_data.",
    58: "Instance actions are paged and show updated_at.",
    59: "Migrations are paged and show their uuid.",
    60: "Volumes may be attached to several servers.",
    61: "Flavors show extra_specs.",
    62: "Events of instance actions show hostId, and host to admins.",
    63: "Trusted image certificates.",
    64: "Server groups have one policy and rules.",
    65: "Queued live migrations can be aborted.",
    66: "Filter changes-before.",
    67: "Block devices take volume_type.",
    68: "force is gone from evacuate and live migrate.",
    69: "Partial records while a part of the cloud is down.",
    70: "Attachments show their tag.",
    71: "A shown server names its server groups.",
    72: "Servers may use ports that ask for bandwidth.",
    73: "Locking takes and shows a reason; servers filter and sort by locked.",
    74: "Admins may ask for a host or hypervisor at create.",
    75: "Unknown query keys of lists are a 400; update and rebuild answer what show answers.",
    76: "Event power-update.",
    77: "Unshelve takes an availability zone.",
    78: "Server topology.",
    79: "Volume attachments take and show delete_on_termination.",
    80: "Migrations show and filter user_id and project_id.",
    81: "Images can be cached on the hosts of an aggregate.",
    82: "Event accelerator-request-bound.",
    83: "Everybody may use more server filters.",
    84: "Failed events of instance actions show details.",
    85: "delete_on_termination of an attachment can be changed.",
    86: "Extra specs are checked.",
    87: "Volume-booted servers can be rescued.",
    88: "Hypervisors show uptime and no resource numbers.",
    89: "Volume attachments show attachment_id and bdm_uuid, not id.",
    90: "hostname can be chosen, and everybody sees it.",
    91: "Unshelve takes a host, and null to unpin the zone.",
    92: "Keypairs are only imported.",
    93: "Volume-booted servers can be rebuilt with another image.",
    94: "hostname may be a full domain name.",
    95: "Evacuated servers end up stopped.",
    96: "Servers show pinned_availability_zone.",
    97: "Shares can be attached.",
    98: "Servers show properties of their image.",
    99: "Console type spice-direct.",
    100: "Servers show scheduler_hints.",
    101: "Attaching a volume answers 202 without a body.",
    102: "Flavors filter by name and lose rxtx_factor and disabled; every unknown query key is a 400.",
    103: "os-volumes_boot ends.",
    104: "The pinned zone of a server can be changed.",
}
"""Minor version -> what it changed."""

MIN: Version = (2, 1)
MAX: Version = (2, max(HISTORY))

STANDARD_HEADER = "OpenStack-API-Version"
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"
VARY = f"{STANDARD_HEADER}, {LEGACY_HEADER}"
_FORM = re.compile(r"([1-9]\d{0,8})\.([1-9]\d{0,8}|0)\Z")


def text(version: Version) -> str:
    """`2.90` for (2, 90)."""
    return f"{version[0]}.{version[1]}"


def _asked(headers: Headers) -> str | None:
    """What the request says about compute; the standard header wins over the legacy one."""
    for part in (headers.get(STANDARD_HEADER) or "").split(","):
        service, _, wanted = part.strip().partition(" ")
        if service.lower() == "compute" and wanted:
            return wanted.strip()
    legacy = headers.get(LEGACY_HEADER)
    return legacy.strip() if legacy is not None else None


def negotiate(headers: Headers) -> Version:
    """The version a request asks for; the base when it asks for none.

    BadRequest when it is malformed, NotAcceptable when it is out of range.
    """
    asked = _asked(headers)
    if asked is None:
        return MIN
    if asked.lower() == "latest":
        return MAX
    form = _FORM.match(asked)
    if form is None:
        raise BadRequest(
            f"API Version String {asked[:40]} is of invalid format. Must be of format MajorNum.MinorNum."
        )
    version = int(form[1]), int(form[2])
    if not MIN <= version <= MAX:
        raise NotAcceptable(
            f"Version {asked[:40]} is not supported by the API. "
            f"Minimum is {text(MIN)} and maximum is {text(MAX)}."
        )
    return version
