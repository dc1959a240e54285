"""[api]: where the REST API listens and what it accepts."""

from oslo_config import cfg

GROUP = "api"
OPTS = [
    cfg.HostAddressOpt("listen", default="0.0.0.0", help="Address to listen on."),
    cfg.PortOpt("port", default=8774, help="Port for compute, identity (/identity) and image (/image)."),
    cfg.StrOpt(
        "public_url",
        default="",
        help="URL under which clients reach this API, without a version; it is "
        "what the catalog shows. Empty: http://<this host's address>:<port>.",
    ),
    cfg.IntOpt("workers", default=1, min=1, help="API processes to start."),
    cfg.IntOpt("threads", default=16, min=1, help="Requests one process answers at a time."),
    cfg.IntOpt(
        "max_request_body_size",
        mutable=True,
        default=1 << 20,
        min=1024,
        help="Bytes a request body may have; image uploads have their own limit.",
    ),
    cfg.IntOpt(
        "max_json_depth", mutable=True, default=32, min=4,
        help="How deeply lists and objects of a body may be nested."
    ),
    cfg.IntOpt("max_limit", mutable=True, default=1000, min=1, help="Most items in one page of a list."),
    cfg.StrOpt(
        "compute_link_prefix",
        mutable=True,
        default="",
        help="Start of every link to compute resources, instead of the URL the request came with.",
    ),
    cfg.StrOpt(
        "image_link_prefix",
        mutable=True,
        default="",
        help="Start of every link to images, instead of the URL the request came with.",
    ),
    cfg.StrOpt("project_id_regex", default="[0-9a-f-]+", help="What a project id in a path looks like."),
    cfg.BoolOpt(
        "enable_proxy_headers_parsing",
        default=False,
        help="Believe X-Forwarded-* headers; only behind a proxy that sets them.",
    ),
    cfg.StrOpt(
        "www_authenticate_uri",
        mutable=True,
        default="",
        help="Identity URL named in 401 answers. Empty: /identity of the URL the request came with.",
    ),
    cfg.BoolOpt(
        "enable_instance_password", mutable=True, default=True,
        help="Show adminPass in the answer that creates a server."
    ),
    cfg.IntOpt(
        "gzip_min_size",
        mutable=True,
        default=1024,
        min=0,
        help="Answers larger than this many bytes are compressed for clients that accept it.",
    ),
    cfg.IntOpt("retry_after", mutable=True, default=2, min=1,
               help="Seconds a client is asked to wait after a 503."),
]
