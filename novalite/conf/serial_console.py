"""[serial_console]: guests' serial consoles in a terminal: novalite-compute passes them on to novalite-novncproxy."""

from oslo_config import cfg

GROUP = "serial_console"
OPTS = [
    cfg.BoolOpt("enabled", default=True, mutable=True, help="Let users type into the serial consoles of their guests."),
    cfg.HostAddressOpt("listen", default="127.0.0.1",
                       help="Address on which novalite-compute passes them on, to whoever brings a ticket. It listens "
                            "from the first time that somebody wants one."),
    cfg.PortOpt("port", default=0, min=0, help="Its port. 0: any that is free; behind a firewall name one."),
    cfg.StrOpt("proxyclient_address", default="",
               help="Address of this host at which novalite-novncproxy reaches it. Empty: listen, or [compute] my_ip "
                    "when that is every address."),
    cfg.StrOpt("cert", default="",
               help="File of this host's certificate, PEM: then it speaks TLS only, with those whose certificate "
                    "ca_certs have signed. Empty: no TLS."),
    cfg.StrOpt("key", default="", help="File of its key, PEM. Empty: it is in the file of the certificate."),
    cfg.StrOpt("ca_certs", default="", help="Certificates, PEM, of those who sign for novalite-novncproxy. Empty: it "
                                            "need not show one."),
]  # fmt: skip
