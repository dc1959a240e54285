"""[quota]: what a project may use when nobody said otherwise; -1 means no limit."""

from oslo_config import cfg

GROUP = "quota"
DEFAULTS = {
    "instances": (10, "Servers per project."),
    "cores": (20, "vCPUs of all servers of a project."),
    "ram": (51200, "MB of RAM of all servers of a project."),
    "metadata_items": (128, "Metadata items per server."),
    "injected_files": (5, "Files handed to a new server (microversions to 2.56)."),
    "injected_file_content_bytes": (10240, "Bytes of one such file."),
    "injected_file_path_bytes": (255, "Bytes of the path of one such file."),
    "key_pairs": (100, "Keypairs per user."),
    "server_groups": (10, "Server groups per project."),
    "server_group_members": (10, "Servers per server group."),
}
"""Default and meaning by resource (API reference: quota sets)."""
OPTS = [cfg.IntOpt(name, default=default, min=-1, help=text) for name, (default, text) in DEFAULTS.items()]
