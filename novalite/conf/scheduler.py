"""[scheduler]: which hosts are fit for a server, and which of them are preferred."""

from oslo_config import cfg

GROUP = "scheduler"
OPTS = [
    cfg.IntOpt("workers", default=4, min=1, help="Threads that answer; a decision is pure computing, so more "
               "than there are cores gains nothing."),
    cfg.ListOpt("enabled_filters", mutable=True, default=[
        "RetryFilter", "AvailabilityZoneFilter", "ComputeFilter", "CoreFilter", "RamFilter", "DiskFilter",
        "SameHostFilter", "DifferentHostFilter", "ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter"],
        help="Filters by name, in the order they are applied and counted. Beside our own, names of the entry "
        "point group novalite.scheduler.filters."),
    cfg.ListOpt("enabled_weighers", mutable=True, default=[
        "RAMWeigher", "CPUWeigher", "DiskWeigher", "ServerGroupSoftAffinityWeigher",
        "ServerGroupSoftAntiAffinityWeigher"],
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
