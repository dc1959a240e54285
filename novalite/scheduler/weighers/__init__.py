"""Every weigher by its name in `[scheduler] enabled_weighers`. A new one is a file here and a line below."""

from novalite.scheduler.weighers.capacity import CPUWeigher, DiskWeigher, RAMWeigher
from novalite.scheduler.weighers.condition import (
    BuildFailureWeigher,
    HypervisorVersionWeigher,
    IoOpsWeigher,
    NumInstancesWeigher,
)
from novalite.scheduler.weighers.image_cache import ImageCacheLocalityWeigher
from novalite.scheduler.weighers.metrics import MetricsWeigher
from novalite.scheduler.weighers.pci import PCIWeigher
from novalite.scheduler.weighers.server_group import (
    ServerGroupSoftAffinityWeigher,
    ServerGroupSoftAntiAffinityWeigher,
)

WEIGHERS: dict[str, type] = {
    "BuildFailureWeigher": BuildFailureWeigher,
    "CPUWeigher": CPUWeigher,
    "DiskWeigher": DiskWeigher,
    "HypervisorVersionWeigher": HypervisorVersionWeigher,
    "ImageCacheLocalityWeigher": ImageCacheLocalityWeigher,
    "IoOpsWeigher": IoOpsWeigher,
    "MetricsWeigher": MetricsWeigher,
    "NumInstancesWeigher": NumInstancesWeigher,
    "PCIWeigher": PCIWeigher,
    "RAMWeigher": RAMWeigher,
    "ServerGroupSoftAffinityWeigher": ServerGroupSoftAffinityWeigher,
    "ServerGroupSoftAntiAffinityWeigher": ServerGroupSoftAntiAffinityWeigher,
}
