"""Every filter by its name in `[scheduler] enabled_filters`. A new one is a file here and a line below.

Filters over aggregates' overrides are second names: every number that aggregates may override is looked up so.
"""

from novalite.scheduler.filters.aggregate_image_properties import AggregateImagePropertiesIsolation
from novalite.scheduler.filters.aggregate_instance_extra_specs import AggregateInstanceExtraSpecsFilter
from novalite.scheduler.filters.aggregate_multi_tenancy import AggregateMultiTenancyIsolation
from novalite.scheduler.filters.aggregate_type import AggregateTypeAffinityFilter
from novalite.scheduler.filters.all_hosts import AllHostsFilter
from novalite.scheduler.filters.availability_zone import AvailabilityZoneFilter
from novalite.scheduler.filters.bandwidth import BandwidthFilter
from novalite.scheduler.filters.capacity import CoreFilter, DiskFilter, RamFilter
from novalite.scheduler.filters.compute import ComputeFilter
from novalite.scheduler.filters.compute_capabilities import ComputeCapabilitiesFilter
from novalite.scheduler.filters.hypervisor_extra_specs import HypervisorInstanceExtraSpecsFilter
from novalite.scheduler.filters.image_properties import ImagePropertiesFilter
from novalite.scheduler.filters.io_ops import IoOpsFilter
from novalite.scheduler.filters.isolated_hosts import IsolatedHostsFilter
from novalite.scheduler.filters.json_query import JsonFilter
from novalite.scheduler.filters.num_instances import NumInstancesFilter
from novalite.scheduler.filters.numa_topology import NUMATopologyFilter
from novalite.scheduler.filters.pci_passthrough import PciPassthroughFilter
from novalite.scheduler.filters.physical_network import PhysicalNetworkFilter
from novalite.scheduler.filters.retry import RetryFilter
from novalite.scheduler.filters.same_host import DifferentHostFilter, SameHostFilter
from novalite.scheduler.filters.server_group import ServerGroupAffinityFilter, ServerGroupAntiAffinityFilter
from novalite.scheduler.filters.simple_cidr import SimpleCIDRAffinityFilter
from novalite.scheduler.filters.traits import TraitsFilter

FILTERS: dict[str, type] = {
    "AggregateCoreFilter": CoreFilter,
    "AggregateDiskFilter": DiskFilter,
    "AggregateImagePropertiesIsolation": AggregateImagePropertiesIsolation,
    "AggregateInstanceExtraSpecsFilter": AggregateInstanceExtraSpecsFilter,
    "AggregateIoOpsFilter": IoOpsFilter,
    "AggregateMultiTenancyIsolation": AggregateMultiTenancyIsolation,
    "AggregateNumInstancesFilter": NumInstancesFilter,
    "AggregateRamFilter": RamFilter,
    "AggregateTypeAffinityFilter": AggregateTypeAffinityFilter,
    "AllHostsFilter": AllHostsFilter,
    "AvailabilityZoneFilter": AvailabilityZoneFilter,
    "BandwidthFilter": BandwidthFilter,
    "ComputeCapabilitiesFilter": ComputeCapabilitiesFilter,
    "ComputeFilter": ComputeFilter,
    "CoreFilter": CoreFilter,
    "CpuBindFilter": NUMATopologyFilter,
    "DifferentHostFilter": DifferentHostFilter,
    "DiskFilter": DiskFilter,
    "HypervisorInstanceExtraSpecsFilter": HypervisorInstanceExtraSpecsFilter,
    "ImagePropertiesFilter": ImagePropertiesFilter,
    "IoOpsFilter": IoOpsFilter,
    "IsolatedHostsFilter": IsolatedHostsFilter,
    "JsonFilter": JsonFilter,
    "NUMATopologyFilter": NUMATopologyFilter,
    "NumInstancesFilter": NumInstancesFilter,
    "PciPassthroughFilter": PciPassthroughFilter,
    "PhysicalNetworkFilter": PhysicalNetworkFilter,
    "RamFilter": RamFilter,
    "RetryFilter": RetryFilter,
    "SameHostFilter": SameHostFilter,
    "ServerGroupAffinityFilter": ServerGroupAffinityFilter,
    "ServerGroupAntiAffinityFilter": ServerGroupAntiAffinityFilter,
    "SimpleCIDRAffinityFilter": SimpleCIDRAffinityFilter,
    "TraitsFilter": TraitsFilter,
    "TypeAffinityFilter": AggregateTypeAffinityFilter,
}
