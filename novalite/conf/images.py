"""[images]: the embedded image service: where bytes are, how large and for how long."""

from oslo_config import cfg

GROUP = "images"
OPTS = [
    cfg.StrOpt(
        "store_path",
        default="$state_path/images",
        help="Directory of image files. Every API worker "
        "must see the same one: put it on shared storage when workers run on several machines.",
    ),
    cfg.IntOpt("image_size_cap", default=1 << 40, min=1, help="Bytes of the largest image taken."),
    cfg.IntOpt(
        "min_free_bytes", default=1 << 28, min=0, help="Bytes that an upload must leave free on the store."
    ),
    cfg.BoolOpt("fsync", default=True, help="Write an image through to the disk before it becomes active."),
    cfg.IntOpt(
        "upload_lease",
        default=300,
        min=1,
        help="Seconds after which an upload that no longer shows life "
        "is given up and its image is queued again.",
    ),
    cfg.IntOpt("expire_uploads_interval", default=60, min=1, help="Seconds between looks for such uploads."),
    cfg.StrOpt(
        "host_url",
        default="",
        help="URL under which compute hosts reach the image API, without a version. "
        "Empty: /image of [api] public_url.",
    ),
    cfg.IntOpt(
        "download_token_seconds",
        default=3600,
        min=60,
        help="How long a compute host may begin to fetch the image of a server it was asked to build.",
    ),
    cfg.StrOpt(
        "snapshot_image_format", mutable=True, default="qcow2", choices=["qcow2", "raw"],
        help="Disk format of images made of servers."
    ),
    cfg.ListOpt(
        "non_inheritable_image_properties", mutable=True, default=["cache_in_nova", "bittorrent"],
        help="Properties of its base image that an image of a server does not inherit; those of keys and "
        "signatures never are.",
    ),
    cfg.IntOpt(
        "limit_param_default", mutable=True, default=25, min=1,
        help="Images in one page when the caller does not say."
    ),
    cfg.IntOpt("api_limit_max", mutable=True, default=1000, min=1, help="Most images in one page."),
    cfg.IntOpt(
        "property_quota", mutable=True, default=128, min=0,
        help="Properties, tags and members one image may have of each."
    ),
]
