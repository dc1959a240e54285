"""[quota]: what a project may use when it has no limits of its own."""

from oslo_config import cfg

GROUP = "quota"

DEFAULTS: dict[str, tuple[int, str]] = {
    # resource: (limit, what is limited)
    "instances": (10, "Servers of a project."),
    "cores": (20, "vCPUs of a project's servers."),
    "ram": (51200, "MB of RAM of a project's servers."),
    "metadata_items": (128, "Metadata items of one server."),
    "injected_files": (5, "Files put into a server at create (microversions to 2.56)."),
    "injected_file_content_bytes": (10240, "Bytes of one such file."),
    "injected_file_path_bytes": (255, "Bytes of the path of one such file."),
    "key_pairs": (100, "Keypairs of one user."),
    "server_groups": (10, "Server groups of a project."),
    "server_group_members": (10, "Servers in one server group."),
}
"""Source: Compute administration guide, "Manage quotas"."""

OPTS = [
    cfg.IntOpt(name, default=limit, min=-1, mutable=True, help=f"{what} -1: no limit.")
    for name, (limit, what) in DEFAULTS.items()
]
