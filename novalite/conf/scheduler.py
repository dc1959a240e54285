"""[scheduler]: which hosts are fit for a server, and which of them are preferred."""

from oslo_config import cfg

GROUP = "scheduler"
OPTS = [
    cfg.IntOpt("workers", default=4, min=1, help="Threads that answer; a decision is pure computing, so more "
               "than there are cores gains nothing."),
    cfg.StrOpt("mode", mutable=True, default="filter", choices=[
        ("filter", "filters, then weighers"),
        ("chance", "any host that passes the filters, at random"),
        ("caching", "the same as filter, which always decides from what it keeps in memory")],
               help="How a host is chosen among those that are fit."),
    cfg.ListOpt("enabled_filters", mutable=True, default=[
        "RetryFilter", "AvailabilityZoneFilter", "ComputeFilter", "CoreFilter", "RamFilter", "DiskFilter",
        "SameHostFilter", "DifferentHostFilter", "ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter",
        "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "TraitsFilter",
        "PciPassthroughFilter", "NUMATopologyFilter"],
        help="Filters by name, in the order they are applied and counted. Beside our own, names of the entry "
        "point group novalite.scheduler.filters."),
    cfg.ListOpt("enabled_weighers", mutable=True, default=[
        "RAMWeigher", "CPUWeigher", "DiskWeigher", "ServerGroupSoftAffinityWeigher",
        "ServerGroupSoftAntiAffinityWeigher", "BuildFailureWeigher", "PCIWeigher"],
                help="Weighers by name. Beside our own, names of the entry point group "
                "novalite.scheduler.weighers."),
    cfg.IntOpt("host_subset_size", mutable=True, default=1, min=1,
               help="Take a host at random among this many best ones. "
               "More than 1 trades the best fit for fewer schedulers proposing the same host."),
    cfg.BoolOpt("shuffle_best_same_weighed_hosts", mutable=True, default=True,
                help="Choose at random among hosts of equal "
                "weight, so that several schedulers spread; off: in the order hosts became known."),
    cfg.IntOpt("alternates", mutable=True, default=3, min=0,
               help="Further hosts named after the best one, for the "
               "conductor to try when a claim or a build fails, before it asks again."),
    cfg.FloatOpt("ram_weight_multiplier", mutable=True, default=1.0,
                 help="Free memory attracts; negative: packs hosts. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("cpu_weight_multiplier", mutable=True, default=1.0,
                 help="Free vCPUs attract; negative: packs hosts. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("disk_weight_multiplier", mutable=True, default=1.0,
                 help="Free disk attracts; negative: packs hosts. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("soft_affinity_weight_multiplier", mutable=True, default=1.0, min=0.0,
                 help="How much hosts that carry members attract servers of a soft-affinity group. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("soft_anti_affinity_weight_multiplier", mutable=True, default=1.0, min=0.0,
                 help="How much hosts that carry few members attract servers of a soft-anti-affinity group. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("io_ops_weight_multiplier", mutable=True, default=-1.0,
                 help="IoOpsWeigher: how much hosts attract that are building, copying or imaging servers; negative: "
                 "repel. Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("num_instances_weight_multiplier", mutable=True, default=0.0,
                 help="NumInstancesWeigher: how much hosts with many servers attract; negative: repel. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("hypervisor_version_weight_multiplier", mutable=True, default=1.0,
                 help="HypervisorVersionWeigher: how much newer hypervisors attract. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("build_failure_weight_multiplier", mutable=True, default=1000000.0, min=0.0,
                 help="BuildFailureWeigher: how much hosts repel whose last builds failed. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("image_cache_weight_multiplier", mutable=True, default=1.0,
                 help="ImageCacheLocalityWeigher: how much hosts attract that keep the image already. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("pci_weight_multiplier", mutable=True, default=1.0, min=0.0,
                 help="PCIWeigher: how much hosts with few free PCI devices attract, of those that have enough. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("metrics_weight_multiplier", mutable=True, default=1.0,
                 help="MetricsWeigher: how much the sum of metrics counts. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.ListOpt("metrics_weight_setting", mutable=True, default=[],
                help="MetricsWeigher: metrics and their factors, as cpu.idle.percent=1.0, network.mbps=-0.1. "
                "Compute hosts measure what their [compute] monitors name."),
    cfg.BoolOpt("metrics_required", mutable=True, default=True,
                help="MetricsWeigher: hosts that lack one of the metrics come after all others."),
    cfg.FloatOpt("metrics_weight_of_unavailable", mutable=True, default=-10000.0,
                 help="MetricsWeigher: what a host weighs that lacks a metric which is not required."),
    cfg.IntOpt("max_instances_per_host", mutable=True, default=50, min=1,
               help="NumInstancesFilter: servers a host may carry. Aggregate metadata of the same name overrides it."),
    cfg.IntOpt("max_io_ops_per_host", mutable=True, default=8, min=1,
               help="IoOpsFilter: servers that a host may be building, copying or imaging at once. "
               "Aggregate metadata of the same name overrides it."),
    cfg.FloatOpt("bandwidth_allocation_ratio", mutable=True, default=1.0, min=0.0,
                 help="BandwidthFilter: how much of what its interfaces carry a host may promise. "
                 "Aggregate metadata of the same name overrides it."),
    cfg.ListOpt("isolated_images", mutable=True, default=[],
                help="IsolatedHostsFilter: ids of images that may be used on isolated_hosts only."),
    cfg.ListOpt("isolated_hosts", mutable=True, default=[], help="IsolatedHostsFilter: hosts for isolated_images."),
    cfg.BoolOpt("restrict_isolated_hosts_to_isolated_images", mutable=True, default=True,
                help="IsolatedHostsFilter: keep other images off isolated_hosts."),
    cfg.StrOpt("image_properties_default_architecture", mutable=True,
               help="ImagePropertiesFilter: the architecture of images that name none. Unset: any."),
    cfg.StrOpt("aggregate_image_properties_isolation_namespace", mutable=True,
               help="AggregateImagePropertiesIsolation: only properties that begin so, and the separator, count. "
               "Unset: all."),
    cfg.StrOpt("aggregate_image_properties_isolation_separator", mutable=True, default=".",
               help="AggregateImagePropertiesIsolation: what stands between namespace and property."),
    cfg.FloatOpt("debit_seconds", default=10.0, min=0.1, help="How long a host looks fuller by a server "
                 "that was proposed for it, when no claim is heard of. Steers only: no request is "
                 "refused for it."),
    cfg.FloatOpt("first_read_timeout", mutable=True, default=10.0, min=0.1,
                 help="Seconds a request waits for the first "
                 "list of hosts, before it is told that no conductor answers."),
    cfg.FloatOpt("refusal_wait", mutable=True, default=2.0, min=0.0,
                 help="Seconds a request that would be refused may "
                 "wait for a fresh list of hosts, when the present one may be out of date."),
    cfg.FloatOpt("full_read_interval", mutable=True, default=300.0, min=1.0,
                 help="Seconds between full reads of hosts, "
                 "a safety net beside the changes that are told as they happen."),
]
