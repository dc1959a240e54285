"""Every weigher by its name in `[scheduler] enabled_weighers`. A new one is a file here and a line below."""

from novalite.scheduler.weighers.capacity import CPUWeigher, DiskWeigher, RAMWeigher
from novalite.scheduler.weighers.server_group import (
    ServerGroupSoftAffinityWeigher,
    ServerGroupSoftAntiAffinityWeigher,
)

WEIGHERS: dict[str, type] = {
    "CPUWeigher": CPUWeigher,
    "DiskWeigher": DiskWeigher,
    "RAMWeigher": RAMWeigher,
    "ServerGroupSoftAffinityWeigher": ServerGroupSoftAffinityWeigher,
    "ServerGroupSoftAntiAffinityWeigher": ServerGroupSoftAntiAffinityWeigher,
}
