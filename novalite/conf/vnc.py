"""[vnc]: the screens of guests: where hosts show them, and what novalite-novncproxy must say to see them."""

from oslo_config import cfg

GROUP = "vnc"
OPTS = [
    # --- on compute hosts ---
    cfg.BoolOpt("enabled", default=True, deprecated_opts=[cfg.DeprecatedOpt("vnc_enabled", group="libvirt")],
                help="Give guests a screen, reachable by VNC."),
    cfg.HostAddressOpt("server_listen", default="127.0.0.1",
                       deprecated_opts=[cfg.DeprecatedOpt("vnc_listen", group="libvirt")],
                       help="Address on which guests' VNC servers listen."),
    cfg.StrOpt("server_proxyclient_address", default="",
               help="Address of this host at which novalite-novncproxy reaches them. Empty: server_listen, or "
                    "[compute] my_ip when that is every address. With VeNCrypt it must be in the host's certificate."),
    cfg.StrOpt("keymap", default="", deprecated_opts=[cfg.DeprecatedOpt("vnc_keymap", group="libvirt")],
               help="Keyboard layout, such as de. Empty: what the client sends."),
    cfg.BoolOpt("password", default=True,
                help="Guests' VNC servers ask for a password that nobody knows: each connection of novalite-novncproxy "
                     "gets one of its own, that soon expires. Guests that were started without keep being without "
                     "until their next start."),
    cfg.IntOpt("password_ttl", default=20, min=2, mutable=True, help="Seconds for which such a password lets in."),
    cfg.FloatOpt("password_cycle_interval", default=60.0, min=0.0, mutable=True,
                 help="Seconds between changes of the passwords of all guests here, whoever may have seen them. "
                      "0: off."),
    # --- in novalite-novncproxy ---
    cfg.ListOpt("auth_schemes", default=["vencrypt", "vnc", "none"],
                help="How novalite-novncproxy may be let in by a guest's VNC server, the best first: vencrypt (TLS "
                     "with certificates), vnc (password), none. Where every host offers the best, name it alone: then "
                     "nobody in between can talk it into less."),
    cfg.StrOpt("vencrypt_ca_certs", default="",
               help="Certificates, PEM, of those who sign the certificates of hosts. Empty: no VeNCrypt, and no TLS to "
                    "serial consoles."),
    cfg.StrOpt("vencrypt_client_cert", default="",
               help="Certificate, PEM, by which hosts know novalite-novncproxy. Empty: it shows none."),
    cfg.StrOpt("vencrypt_client_key", default="", help="Its key, PEM."),
]  # fmt: skip
