"""[fake_driver]: the hypervisor in memory, for demos, load and tests."""

from oslo_config import cfg
from oslo_config.types import Dict, Float, Integer

GROUP = "fake_driver"
OPTS = [
    cfg.IntOpt("vcpus", default=64, min=1,
               help="CPUs of the host."),
    cfg.IntOpt("ram_mb", default=262144, min=1,
               help="MB of memory of the host."),
    cfg.IntOpt("disk_gb", default=10240, min=1,
               help="GB of disk of the host."),
    cfg.MultiStrOpt("pci_devices", default=[],
                    help='Devices that the host pretends to have, as JSON, each line a bus of its own: {"vendor_id": '
                         '"10de", "product_id": "1eb8", "numa_node": 0, "count": 2}. With "parts": 4 and '
                         '"part_product_id" each is a physical function with so many virtual ones. What may be given '
                         "to guests says [pci] device_spec."),
    cfg.IntOpt("numa_cells", default=0, min=0, max=64,
               help="NUMA cells that the host pretends to have, of CPUs and memory in equal parts. 0: it says nothing "
                    "of cells, and takes no guests that ask for them."),
    cfg.IntOpt("threads_per_core", default=1, min=1, max=8,
               help="With numa_cells: threads of each core; they have numbers in a row."),
    cfg.Opt("huge_pages", type=Dict(Integer(min=0)), default={},
            help="With numa_cells: pages of each cell by their size in kB: 2048:512,1048576:2 ."),
    cfg.BoolOpt("needs_images", default=False,
                help="Fetch images into the cache as a real driver would."),
    cfg.Opt("delays", type=Dict(Float(min=0.0)), default={},
            help="Seconds an operation takes, by operation: spawn:0.5,stop:2 . Operations: spawn, "
                 "disks, guest_start, destroy, start, stop, reboot, pause, unpause, suspend, resume, "
                 "console, inventory, guests, resize_disks, resize_start, resize_put_back, resize_confirm, "
                 "attach_interface, detach_interface."),
    cfg.StrOpt("failures_file", default="",
               help='JSON file of failures to play, read again when it changes: {"spawn": {"reason": '
                    '"disk is broken", "times": 2, "delay": 1.0}}. Without times it fails for good; '
                    "without reason it is only slow. {host} in the path becomes the host's name."),
    cfg.StrOpt("state_file", default="",
               help="File in which guests outlive the daemon. Empty: they end with it. {host} in the path "
                    "becomes the host's name."),
]
