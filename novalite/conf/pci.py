"""[pci]: devices of hosts that guests may have for themselves."""

from oslo_config import cfg

GROUP = "pci"
OPTS = [
    cfg.MultiStrOpt("device_spec", default=[], deprecated_name="passthrough_whitelist",
                    help="On compute hosts: devices that may be given to guests, as JSON; a device needs to match one "
                         'of several lines. {"vendor_id": "10de", "product_id": "1eb8"}, {"address": "0000:81:00.*", '
                         '"physical_network": "red"}. Keys: vendor_id, product_id, address (text with *, or an object '
                         "of domain, bus, slot and function, each a regular expression; that of a physical function "
                         "stands for its virtual functions too), devname (an interface of the host), which choose; "
                         "physical_network, trusted (true, false) and managed (yes: the hypervisor takes the device "
                         "from the host's driver; no: it has been taken), which say something of the device."),
    cfg.MultiStrOpt("alias", default=[],
                    help="On conductors: a name for a kind of device, which flavors ask for by the extra spec "
                         'pci_passthrough:alias = gpu:1. {"name": "gpu", "vendor_id": "10de", "product_id": "1eb8", '
                         '"device_type": "type-PCI", "numa_policy": "preferred"}. device_type: type-PCI (the default), '
                         "type-PF, type-VF. numa_policy: legacy (the default), required, preferred, socket. Several "
                         "lines of one name are alternatives."),
]
