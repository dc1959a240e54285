"""[host_networks]: how a compute host carries the networks of its guests."""

from oslo_config import cfg

GROUP = "host_networks"
OPTS = [
    cfg.StrOpt("tunnel_address", default="",
               help="Address of this host to which others send VXLAN packets. Empty: [compute] my_ip."),
    cfg.PortOpt("vxlan_port", default=4789, min=1,
                help="UDP port of VXLAN (RFC 7348), the same on all hosts. One that another VXLAN of this host uses "
                     "for the same numbers is not free."),
    cfg.DictOpt("physical_interfaces", default={},
                help="Interface of this host on each physical network, as name:interface. It belongs to novalite "
                     "alone, and has no address of its own. With Open vSwitch it may also be a bridge of your own "
                     "there, or a port of one."),
    cfg.StrOpt("switch", default="linuxbridge", choices=["linuxbridge", "openvswitch"],
               help="What carries networks from this host to others: the kernel's own devices, or Open vSwitch. Guests "
                    "are on Linux bridges with their firewall either way; hosts of both kinds carry VXLAN networks "
                    "together."),
    cfg.StrOpt("openvswitch_datapath", default="system", choices=["system", "netdev"],
               help="Where Open vSwitch switches: system, in its kernel module, or netdev, in its own process."),
    cfg.StrOpt("ovsdb", default="",
               help="How ovs-vsctl reaches the database of Open vSwitch, such as unix:/run/openvswitch/db.sock. Empty: "
                    "as it does by itself."),
    cfg.BoolOpt("routers", default=True,
                help="Whether this host may carry routers of projects. One with an external network is carried only "
                     "where that network's physical network has an interface."),
    cfg.IntOpt("dhcp_lease_seconds", mutable=False, default=86400, min=120,
               help="Seconds for which guests are given their addresses."),
    cfg.StrOpt("namespace", default="",
               help="Network namespace in which libvirt runs guests, as a path such as /run/netns/NAME, when it is not "
                    "that of novalite-compute."),
    cfg.FloatOpt("ready_timeout", default=30.0, min=1.0,
                 help="Seconds the networks of a guest may take to be there before its start is given up."),
    cfg.FloatOpt("sync_interval", mutable=True, default=60.0, min=1.0,
                 help="Seconds between looks whether everything is as the conductor wants it. Changes are made "
                      "when they are told; this makes up for what was lost."),
]  # fmt: skip
