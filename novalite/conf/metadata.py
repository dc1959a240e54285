"""[metadata]: what guests read about themselves: the metadata service, config drives, and what vendors add."""

from oslo_config import cfg

GROUP = "metadata"
OPTS = [
    cfg.HostAddressOpt("listen", default="0.0.0.0", help="Address that novalite-metadata listens on. Compute hosts "
                       "must reach it, guests need not."),
    cfg.PortOpt("port", default=8775, min=0, help="Port of the metadata service."),
    cfg.IntOpt("threads", default=8, min=1, help="Requests of guests that are answered at a time."),
    cfg.StrOpt("url", default="", help="Where compute hosts reach the metadata service, as http://address:port. "
               "Conductors tell them. Empty: guests are not served on their networks."),
    cfg.StrOpt("secret", default="", secret=True,
               help="What the keys are made of by which compute hosts sign for their guests: the same for conductors "
               "and metadata services, and nobody else's. Empty: no host is believed."),
    cfg.StrOpt("proxy_secret", default="", secret=True,
               help="Secret shared with the metadata proxy of another network service, which signs X-Instance-ID "
               "with it (metadata_proxy_shared_secret there). Empty: no proxy is believed."),
    cfg.FloatOpt("cache_seconds", mutable=True, default=15.0, min=0.0,
                 help="Seconds for which a guest is answered from what the conductor said. 0: it is always asked."),
    cfg.IntOpt("rate_limit", mutable=True, default=300, min=0,
               help="Requests that one guest may make within rate_window seconds. 0: as many as it likes."),
    cfg.FloatOpt("rate_window", mutable=True, default=10.0, min=0.1, help="Seconds in which rate_limit is counted."),
    cfg.BoolOpt("force_config_drive", mutable=True, default=False,
                help="Every new server has a config drive; read by conductors."),
    cfg.StrOpt("config_drive_format", default="iso9660", choices=["iso9660", "vfat"],
               help="What a config drive is: a disc, or a disk for machines and guests without a drive for discs, for "
               "which this compute host needs mtools."),
    # --- vendor data, added where the data is made: in metadata services, and on compute hosts for config drives ---
    cfg.StrOpt("vendordata_jsonfile_path", default="",
               help="File with a JSON object that every guest gets as vendor_data.json. Empty: none."),
    cfg.ListOpt("vendordata_dynamic_targets", default=[],
                help="Services that are asked for each guest, as name@URL; their answers are vendor_data2.json."),
    cfg.FloatOpt("vendordata_dynamic_timeout", mutable=True, default=5.0, min=0.1,
                 help="Seconds one of them may take. All are asked at the same time."),
    cfg.BoolOpt("vendordata_dynamic_failure_fatal", mutable=True, default=False,
                help="A service that fails fails the request, or the build of the server. Otherwise its part is "
                "empty."),
]  # fmt: skip
