"""[consoles]: who may see a guest's screen or serial console in a browser or terminal, for how long, and where
novalite-novncproxy listens."""

from oslo_config import cfg

GROUP = "consoles"
OPTS = [
    # --- where ---
    cfg.HostAddressOpt("listen", default="127.0.0.1", help="Address on which novalite-novncproxy listens."),
    cfg.PortOpt("port", default=6080, min=0, help="Its port. 0: any that is free."),
    cfg.StrOpt("base_url", default="", mutable=True,
               help="URL under which browsers reach novalite-novncproxy, such as https://console.example.org: what "
                    "users are answered. Empty: http://, or https:// when cert is set, on the host of [api] public_url "
                    "and this port."),
    cfg.StrOpt("web", default="/usr/share/novnc",
               help="Folder of noVNC (package novnc): its core and vendor folders are served, nothing else of it."),
    cfg.StrOpt("cert", default="", help="File of the certificate of novalite-novncproxy, PEM. Empty: no TLS."),
    cfg.StrOpt("key", default="", help="File of its key, PEM. Empty: it is in the file of the certificate."),
    cfg.StrOpt("ssl_minimum_version", default="tlsv1_2", choices=["tlsv1_2", "tlsv1_3"],
               help="Oldest version of TLS that browsers may speak."),
    cfg.StrOpt("ssl_ciphers", default="", help="Ciphers up to TLS 1.2, as OpenSSL writes them. Empty: its own choice."),
    # --- who ---
    cfg.ListOpt("allowed_origins", default=[], mutable=True,
                help="Origins whose pages may open consoles and show them in a frame, such as "
                     "https://dashboard.example.org, besides that of novalite-novncproxy itself."),
    cfg.IntOpt("token_ttl", default=600, min=1, mutable=True,
               help="Seconds in which the URL of a console may be used. What was opened by then goes on."),
    cfg.BoolOpt("one_time_tokens", default=False, mutable=True,
                help="A URL opens a console once; a browser that lost its connection needs a new one."),
    cfg.IntOpt("tokens_per_server", default=50, min=1, mutable=True,
               help="URLs of one server that may be valid at a time. One more, and the oldest is void."),
    cfg.FloatOpt("token_purge_interval", default=300.0, min=0.0, mutable=True,
                 help="Seconds between removals of tokens that have expired. 0: off."),
    # --- how many, how long ---
    cfg.IntOpt("max_connections", default=1000, min=1, mutable=True,
               help="Connections one novalite-novncproxy takes at a time."),
    cfg.IntOpt("max_connections_per_token", default=4, min=1, mutable=True, help="Those of one URL."),
    cfg.IntOpt("max_connections_per_server", default=16, min=1, mutable=True, help="Those of one server."),
    cfg.FloatOpt("request_timeout", default=10.0, min=0.1, mutable=True,
                 help="Seconds a client may take to say what it wants, TLS included."),
    cfg.FloatOpt("connect_timeout", default=10.0, min=0.1, mutable=True,
                 help="Seconds until the host of a guest has let novalite-novncproxy in."),
    cfg.FloatOpt("idle_timeout", default=1800.0, min=0.0, mutable=True,
                 help="Seconds without a byte from the user after which a console is closed. 0: never."),
    cfg.FloatOpt("session_timeout", default=43200.0, min=0.0, mutable=True,
                 help="Seconds after which a console is closed in any case. 0: never."),
    cfg.FloatOpt("stall_timeout", default=60.0, min=1.0, mutable=True,
                 help="Seconds for which a client or a guest may take nothing of what waits for it."),
]  # fmt: skip
