"""[compute]: one hypervisor host: its driver, disks, limits and how it looks after itself."""

import socket

from oslo_config import cfg


def address_of_this_host() -> str:
    """The address this machine would use towards the world; loopback when it has no route there.

    Connecting a datagram socket sends nothing: the kernel only picks the source address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 of RFC 5737: routed like any public address
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


GROUP = "compute"
OPTS = [
    cfg.StrOpt("driver", default="libvirt",
               help="Hypervisor driver: libvirt, fake, the name of an entry point in group "
                    "novalite.virt_drivers, or module:Class."),
    cfg.FloatOpt("driver_start_timeout", default=0.0, min=0.0,
                 help="Seconds to wait for the hypervisor at start before the daemon gives up. 0: wait, "
                      "saying so in the log, until it answers."),
    cfg.StrOpt("instances_path", default="$state_path/instances",
               help="Directory of guests' disks and of the image cache (_base in it)."),
    cfg.ListOpt("monitors", default=[], item_type=cfg.types.String(choices=["cpu", "load", "memory", "network"]),
                help="What this host measures of itself for the MetricsWeigher and the BandwidthFilter: cpu, load, "
                "memory, network."),
    cfg.HostAddressOpt("my_ip", default=address_of_this_host(), sample_default="<address of this host>",
                       help="Address of this host as operators and other hosts reach it."),
    # --- what the host offers ---
    cfg.FloatOpt("cpu_allocation_ratio", mutable=True, default=16.0, min=0.1,
                 help="Virtual CPUs sold per CPU."),
    cfg.FloatOpt("ram_allocation_ratio", mutable=True, default=1.5, min=0.1,
                 help="Memory sold per MB of memory."),
    cfg.FloatOpt("disk_allocation_ratio", mutable=True, default=1.0, min=0.1,
                 help="Disk sold per GB of disk."),
    cfg.IntOpt("reserved_host_cpus", mutable=True, default=0, min=0,
               help="CPUs kept for the host itself."),
    cfg.IntOpt("reserved_host_memory_mb", mutable=True, default=512, min=0,
               help="MB of memory kept for the host itself."),
    cfg.IntOpt("reserved_host_disk_mb", mutable=True, default=0, min=0,
               help="MB of disk kept for the host itself."),
    cfg.StrOpt("cpu_dedicated_set", default="",
               help="CPUs that are given to one vCPU each, of guests that ask for that (hw:cpu_policy): 4-12,^8,15. "
                    "Empty: none, so that such guests find no place here."),
    cfg.StrOpt("cpu_shared_set", default="",
               help="CPUs over which the vCPUs of all other guests float, and QEMU's own threads where a flavor says "
                    "hw:emulator_threads_policy=share; cpu_allocation_ratio counts for them. Empty: all that are not "
                    "in cpu_dedicated_set."),
    cfg.MultiStrOpt("reserved_huge_pages", default=[],
                    help="Pages kept for the host, by cell and size: node:0,size:2048,count:64 . May be given several "
                         "times; the size is in kB, or has a unit, as 1GB."),
    # --- work ---
    cfg.IntOpt("max_concurrent_builds", default=10, min=1,
               help="Guests built at the same time; others wait."),
    cfg.IntOpt("workers", default=16, min=1,
               help="Threads for everything that is not a build: power actions, removals. A slow build "
                    "never holds these up."),
    cfg.FloatOpt("report_retry_seconds", default=600.0, min=0.0,
                 help="How long the outcome of finished work is offered to a conductor that cannot be "
                      "reached. It is also told again when asked again."),
    cfg.IntOpt("shutdown_timeout", mutable=True, default=60, min=0,
               help="Seconds a guest may take to shut down cleanly before it is forced off. The image "
                    "property os_shutdown_timeout overrides it for one guest. 0: at once."),
    cfg.IntOpt("reboot_timeout", mutable=True, default=60, min=0,
               help="Seconds a guest may take for a soft reboot before it is reset."),
    cfg.StrOpt("default_ephemeral_format", default="ext4", choices=("ext4", "ext3", "ext2", "xfs", "vfat"),
               help="File system of ephemeral disks."),
    cfg.IntOpt("console_max_bytes", mutable=True, default=100 * 1024, min=1024,
               help="Most bytes of a serial console that one answer carries: its end."),
    # --- looking after itself ---
    cfg.BoolOpt("resume_guests_state_on_host_boot", default=False,
                help="At start, start guests that should be running and are not."),
    cfg.IntOpt("sync_power_state_interval", mutable=True, default=600, min=0,
               help="Seconds between comparisons of guests with what the conductor believes; changes are "
                    "also reported as they happen. 0: never."),
    cfg.FloatOpt("lifecycle_event_delay", default=0.3, min=0.0,
                 help="Seconds to let a guest settle after the hypervisor said it changed, so that a "
                      "reboot is not reported as a stop."),
    cfg.StrOpt("running_deleted_instance_action", default="reap", choices=("reap", "shutdown", "log", "noop"),
               help="What to do with guests whose server was deleted or lives on another host: destroy, "
                    "switch off and keep, only log, nothing."),
    cfg.StrOpt("unknown_guest_action", default="log", choices=("reap", "log", "noop"),
               help="The same for guests that the conductor has never heard of. They may be all that is "
                    "left of a server after an old database backup was restored, so they are kept unless "
                    "told otherwise."),
    cfg.IntOpt("running_deleted_instance_poll_interval", mutable=True, default=600, min=0,
               help="Seconds between looks for such guests. 0: only at start."),
    cfg.IntOpt("instance_delete_interval", mutable=True, default=300, min=0,
               help="Seconds between tries to remove files that were left when a guest could not be removed "
                    "altogether, or its build was cut off. 0: only at start."),
    # --- images ---
    cfg.ListOpt("image_formats", mutable=True, default=["raw", "qcow2", "iso"],
                help="Disk formats taken as the base of a root disk. Also possible: vmdk, vdi, vhd, vhdx."),
    cfg.IntOpt("image_download_timeout", mutable=True, default=3600, min=1,
               help="Seconds one image may take to arrive."),
    cfg.IntOpt("image_read_timeout", mutable=True, default=60, min=1,
               help="Seconds without a byte after which a download is broken off."),
    cfg.IntOpt("image_download_attempts", mutable=True, default=3, min=1,
               help="How often a broken-off download is begun."),
    cfg.IntOpt("image_upload_timeout", mutable=True, default=3600, min=1,
               help="Seconds an image made of a server may take to be sent and stored."),
    cfg.IntOpt("image_upload_attempts", mutable=True, default=5, min=1,
               help="How often a broken-off upload is begun, after 2, 4, 8, … seconds."),
    cfg.StrOpt("image_ca_file", mutable=True, default="",
               help="Certificates to trust for an image service on https. Empty: those of the system."),
    cfg.IntOpt("image_min_free_mb", mutable=True, default=256, min=0,
               help="MB that a download must leave free."),
    cfg.BoolOpt("remove_unused_base_images", mutable=True, default=True,
                help="Remove cached images that no guest uses."),
    cfg.IntOpt("remove_unused_original_minimum_age_seconds", mutable=True, default=86400, min=0,
               help="How long a cached image must have been unused before it is removed."),
    cfg.IntOpt("image_cache_manager_interval", mutable=True, default=2400, min=0,
               help="Seconds between looks for unused cached images. 0: never."),
]
