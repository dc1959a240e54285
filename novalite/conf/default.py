"""[DEFAULT]: what every daemon needs: its name, its folder, its bus, its log, its life."""

import socket

from oslo_config import cfg

GROUP = None
OPTS = [
    cfg.StrOpt("host", default=socket.gethostname(), sample_default="<hostname>",
               help="Name of this daemon's host in service records and RPC. Must be unique per "
               "compute host and must not change while servers live there."),
    cfg.StrOpt("state_path", default="/var/lib/novalite", help="Directory for what a daemon keeps on disk."),
    cfg.StrOpt("pid_file", default="", help="File to write the process id to. Empty: none."),
    cfg.StrOpt("concurrency", default="threads", choices=["threads", "eventlet"],
               help="How a daemon does several things at a time; read before anything is imported. "
               "novalite-compute always uses threads, because libvirt's calls block in C."),
    cfg.StrOpt("transport_url", default="local://", secret=True,
               help="The message bus: rabbit://user:password@host:5672/vhost (more brokers: "
               "separated by commas before the vhost), or local:// inside one process. Give novalite "
               "a vhost of its own."),
    # --- life ---
    cfg.FloatOpt("report_interval", default=10.0, min=0.05, mutable=True,
                 help="Seconds between heartbeats of a daemon."),
    cfg.FloatOpt("service_down_time", default=30.0, min=0.1, mutable=True,
                 help="Seconds without a heartbeat after which a daemon counts as down. At least "
                 "three times report_interval."),
    cfg.FloatOpt("graceful_shutdown_timeout", default=60.0, min=0.0, mutable=True,
                 help="Seconds a daemon may take, after SIGTERM, to finish what it has in hand. What is "
                 "left then is taken over by others or begun again after the restart."),
    cfg.FloatOpt("start_retry_interval", default=5.0, min=0.1,
                 help="Seconds between attempts, and log lines, while a daemon waits at start for its "
                 "broker, database or conductor."),
    cfg.StrOpt("health_listen", default="127.0.0.1",
               help="Address that answers GET /health and /metrics (Prometheus) for this daemon, on "
               "health_port; or unix:/path, where {prog} and {host} are replaced."),
    cfg.PortOpt("health_port", default=0, min=0, help="Port for health_listen. 0: off. novalite-api answers "
                "/health on its own port in any case."),
    # --- resize ---
    cfg.BoolOpt("allow_resize_to_same_host", default=True, mutable=True,
                help="Servers are resized on the host they are on. Otherwise they move to another one, by way of the "
                "image service, which takes longer; a server with an ephemeral disk cannot. The default differs from "
                "the usual one."),
    cfg.FloatOpt("resize_confirm_window", default=0.0, min=0.0, mutable=True,
                 help="Seconds after which a resize that nobody confirmed or reverted is confirmed. 0: never."),
    cfg.FloatOpt("resize_confirm_poll_interval", default=60.0, min=0.0, mutable=True,
                 help="Seconds between looks for such resizes. 0: off."),
    # --- shelved servers ---
    cfg.IntOpt("shelved_offload_time", default=0, min=-1, mutable=True,
               help="Seconds a shelved server keeps its place on its host. 0: none, it is offloaded at once. "
               "-1: until somebody asks for it."),
    cfg.FloatOpt("shelved_poll_interval", default=3600.0, min=0.0, mutable=True,
                 help="Seconds between looks for shelved servers whose time on their host is over. 0: off."),
    # --- log ---
    cfg.BoolOpt("debug", default=False, mutable=True, help="Log at DEBUG instead of INFO."),
    cfg.ListOpt("default_log_levels", mutable=True,
                default=["sqlalchemy=WARNING", "oslo=WARNING", "oslo_messaging=WARNING",
                         "oslo_service=WARNING", "oslo_policy=WARNING", "amqp=ERROR", "kombu=WARNING",
                         "urllib3=WARNING", "waitress=WARNING", "stevedore=WARNING", "alembic=WARNING",
                         "werkzeug=WARNING", "openstack=WARNING", "keystoneauth=WARNING"],
                help="logger=LEVEL pairs for parts that would otherwise say too much."),
    cfg.StrOpt("log_format", default="text", choices=["text", "json"],
               help="Lines for people, or one JSON object per line."),
    cfg.StrOpt("log_file", default="", help="File to log to, in log_dir when relative. Empty: stderr, or "
               "<log_dir>/<program>.log when log_dir is set."),
    cfg.StrOpt("log_dir", default="", help="Directory for log files."),
    cfg.StrOpt("log_rotation_type", default="none", choices=["none", "size", "interval"],
               help="none: the file is reopened when something else (logrotate) moved it. size: kept under "
               "max_logfile_size_mb. interval: a new one each day."),
    cfg.IntOpt("max_logfile_size_mb", default=200, min=1, help="Size at which a log file is rotated."),
    cfg.IntOpt("max_logfile_count", default=30, min=1, help="Rotated log files kept."),
    cfg.BoolOpt("use_syslog", default=False, help="Log to syslog (/dev/log), also when a file is set."),
    cfg.StrOpt("syslog_log_facility", default="daemon", help="Syslog facility."),
    cfg.BoolOpt("use_journal", default=False, help="Log to systemd's journal, with request, user, project "
                "and server as fields."),
]
