"""[networks]: which network service there is, what its networks are made of, and how much of it there may be."""

from oslo_config import cfg

GROUP = "networks"
OPTS = [
    cfg.StrOpt(
        "service",
        default="none",
        choices=["embedded", "none"],
        help="embedded: novalite's own, at /network of the API; none: the cloud has no network service.",
    ),
    cfg.ListOpt(
        "project_network_types",
        mutable=True,
        default=["vxlan"],
        item_type=cfg.types.String(choices=["vxlan", "vlan"]),
        help="What networks of projects are made of; the next is taken when one has no segment left.",
    ),
    cfg.StrOpt(
        "vni_range",
        mutable=True,
        default="1:16777215",
        regex=r"\d{1,8}:\d{1,8}",
        help="First and last VXLAN number given to networks of projects.",
    ),
    cfg.ListOpt(
        "vlan_ranges",
        mutable=True,
        default=[],
        help="Physical networks that carry VLANs, each with the numbers that networks of projects may have, as "
        "name:first:last, or name alone for administrators only.",
    ),
    cfg.ListOpt(
        "flat_networks",
        mutable=True,
        default=["*"],
        help="Physical networks that an administrator may make a network of, without any tag; * means any.",
    ),
    cfg.IntOpt(
        "physical_mtu",
        mutable=True,
        default=1500,
        min=576,
        max=65535,
        help="Bytes of the largest packet that the physical networks carry; VXLAN takes 50 of them.",
    ),
    cfg.StrOpt(
        "dns_domain", mutable=True, default="novalocal", help="Domain of the names that ports are known by."
    ),
    cfg.StrOpt(
        "auto_allocated_cidr",
        mutable=True,
        default="10.240.0.0/24",
        help="Addresses of the network that a project gets when it asks for one without saying which.",
    ),
    cfg.IntOpt(
        "page_limit",
        mutable=True,
        default=1000,
        min=1,
        help="Most items in one page of a list, if pages are asked for.",
    ),
    cfg.StrOpt(
        "default_access_ip_network_name",
        mutable=True,
        default="",
        help="Network of which a new server's first addresses become its accessIPv4 and accessIPv6, unless the "
        "request said others. Empty: of none.",
    ),
    cfg.FloatOpt(
        "place_routers_interval",
        mutable=True,
        default=5.0,
        min=0,
        help="Seconds between looks for routers whose host is dead, disabled or no longer able to carry them; "
        "0: they stay where they are.",
    ),
    cfg.IntOpt("bulk_limit", mutable=True, default=100, min=1, help="Most things one request may create."),
    cfg.IntOpt("max_fixed_ips", mutable=True, default=16, min=1, help="Addresses one port may have."),
    cfg.IntOpt(
        "max_address_pairs", mutable=True, default=10, min=0, help="Allowed address pairs of one port."
    ),
    cfg.IntOpt("max_nameservers", mutable=True, default=5, min=0, help="DNS servers of one subnet."),
    cfg.IntOpt("max_routes", mutable=True, default=30, min=0, help="Routes of one subnet or router."),
    cfg.IntOpt("max_tags", mutable=True, default=50, min=0, help="Tags of one thing."),
    cfg.IntOpt(
        "quota_network", mutable=True, default=100, min=-1, help="Networks of a project; -1: no limit."
    ),
    cfg.IntOpt("quota_subnet", mutable=True, default=100, min=-1, help="Subnets of a project; -1: no limit."),
    cfg.IntOpt(
        "quota_subnetpool", mutable=True, default=-1, min=-1, help="Subnet pools of a project; -1: no limit."
    ),
    cfg.IntOpt("quota_port", mutable=True, default=500, min=-1, help="Ports of a project; -1: no limit."),
    cfg.IntOpt("quota_router", mutable=True, default=10, min=-1, help="Routers of a project; -1: no limit."),
    cfg.IntOpt(
        "quota_floatingip", mutable=True, default=50, min=-1, help="Floating IPs of a project; -1: no limit."
    ),
    cfg.IntOpt(
        "quota_security_group",
        mutable=True,
        default=10,
        min=-1,
        help="Security groups of a project, its default one among them; -1: no limit.",
    ),
    cfg.IntOpt(
        "quota_security_group_rule",
        mutable=True,
        default=100,
        min=-1,
        help="Rules of all security groups of a project together; -1: no limit.",
    ),
]
