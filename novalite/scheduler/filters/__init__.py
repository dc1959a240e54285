"""Every filter by its name in `[scheduler] enabled_filters`. A new one is a file here and a line below."""

from novalite.scheduler.filters.availability_zone import AvailabilityZoneFilter
from novalite.scheduler.filters.capacity import CoreFilter, DiskFilter, RamFilter
from novalite.scheduler.filters.compute import ComputeFilter
from novalite.scheduler.filters.retry import RetryFilter
from novalite.scheduler.filters.same_host import DifferentHostFilter, SameHostFilter
from novalite.scheduler.filters.server_group import ServerGroupAffinityFilter, ServerGroupAntiAffinityFilter

FILTERS: dict[str, type] = {
    "AvailabilityZoneFilter": AvailabilityZoneFilter,
    "ComputeFilter": ComputeFilter,
    "CoreFilter": CoreFilter,
    "DifferentHostFilter": DifferentHostFilter,
    "DiskFilter": DiskFilter,
    "RamFilter": RamFilter,
    "RetryFilter": RetryFilter,
    "SameHostFilter": SameHostFilter,
    "ServerGroupAffinityFilter": ServerGroupAffinityFilter,
    "ServerGroupAntiAffinityFilter": ServerGroupAntiAffinityFilter,
}
