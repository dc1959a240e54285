"""[libvirt]: how guests are made by QEMU through libvirt."""

from oslo_config import cfg, types

CACHE_MODES = ["none", "writeback", "writethrough", "directsync", "unsafe"]

GROUP = "libvirt"
OPTS = [
    # --- the hypervisor ---
    cfg.StrOpt("connection_uri", default="qemu:///system",
               help="Where libvirt is. qemu:///system: its daemon, also qemu:///system?socket=PATH; "
                    "qemu:///embed?root=DIR: inside this process, without a daemon, its files in DIR; "
                    "qemu:///session: an ordinary user's own daemon."),
    cfg.StrOpt("virt_type", default="auto", choices=["auto", "kvm", "qemu"],
               help="kvm, or qemu for emulation, about ten times slower. auto: at start kvm is tried with a "
                    "few instructions, and qemu taken where that fails; the log says which and why."),
    cfg.FloatOpt("call_timeout", default=60.0, min=1.0,
                 help="Seconds libvirt may take to answer one call before it is reported as failed."),
    cfg.FloatOpt("save_timeout", default=900.0, min=1.0,
                 help="The same for saving and restoring a guest's memory, which takes the time of "
                      "writing or reading it."),
    cfg.FloatOpt("connection_wait", default=10.0, min=0.0,
                 help="Seconds an operation waits for a lost libvirtd to come back before it fails."),
    cfg.IntOpt("keepalive_interval", default=5, min=0,
               help="Seconds between signs of life on the connection to libvirtd; three missed ones break "
                    "it, and it is opened anew. 0: none."),
    # --- processor and board ---
    cfg.StrOpt("cpu_mode", default="",
               choices=["", "none", "host-model", "host-passthrough", "custom", "maximum"],
               help="Processor guests see. Empty: host-model with kvm, QEMU's default model (none) with "
                    "qemu. custom: cpu_model."),
    cfg.StrOpt("cpu_model", default="",
               help="Processor model for cpu_mode custom; virsh cpu-models lists them."),
    cfg.StrOpt("machine_type", default="",
               help="Board of guests whose image does not name one (hw_machine_type), such as q35. "
                    "Empty: QEMU's default."),
    cfg.IntOpt("mem_stats_period_seconds", default=10, min=0,
               help="Seconds between memory statistics from guests. 0: none."),
    # --- disks ---
    cfg.StrOpt("disk_bus", default="virtio", choices=["virtio", "scsi", "sata", "ide", "usb"],
               help="Bus of disks whose image does not name one (hw_disk_bus)."),
    cfg.Opt("disk_cachemodes", type=types.Dict(types.String(choices=CACHE_MODES)), default={},
            help="Cache mode by kind of disk, such as file:none. Kinds: file. Modes: none, writeback, "
                 "writethrough, directsync, unsafe. Without one: none where the file system of "
                 "instances_path can do direct I/O, else writeback."),
    cfg.StrOpt("preallocate_images", default="none", choices=["none", "space"],
               help="space: reserve the full size of a guest's disks when they are made, so that a guest "
                    "cannot run out of disk because of others."),
    cfg.IntOpt("disk_command_timeout", default=120, min=1,
               help="Seconds one command that makes a disk may take."),
    cfg.IntOpt("snapshot_timeout", default=3600, min=1, mutable=True,
               help="Seconds that making an image of a guest's disk may take, without sending it."),
    cfg.BoolOpt("snapshot_compression", default=False, mutable=True,
                help="Compress images made of guests' disks (qcow2 only): smaller, and slower to make."),
    cfg.IntOpt("disk_copy_timeout", default=3600, min=1,
               help="Seconds the copy of one disk may take, as a resize makes it."),
    # --- console (screens: [vnc]) ---
    cfg.IntOpt("console_log_max_bytes", default=2 * 1024 * 1024, min=64 * 1024,
               help="Size at which a guest's serial console log is rotated. virtlogd does that for guests "
                    "of a libvirt daemon, at max_size of its own virtlogd.conf (2 MiB unless changed); this "
                    "driver does it for qemu:///embed, and for a log twice this size whoever writes it."),
    cfg.IntOpt("console_log_backups", default=1, min=0,
               help="Rotated console logs kept beside the current one."),
    cfg.FloatOpt("console_log_check_interval", default=10.0, min=0.1,
                 help="Seconds between looks at the size of console logs."),
    cfg.StrOpt("video_model", default="vga", choices=["vga", "virtio", "cirrus", "qxl", "bochs", "none"],
               help="Graphics card of guests whose image does not name one (hw_video_model)."),
    cfg.StrOpt("pointer_model", default="usbtablet", choices=["usbtablet", "none"],
               help="Pointer of guests whose image does not name one (hw_pointer_model)."),
    # --- other devices ---
    cfg.StrOpt("rng_dev_path", default="/dev/urandom",
               help="Source of randomness for guests whose image asks for a generator (hw_rng_model)."),
]
