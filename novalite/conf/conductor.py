"""[conductor]: how tasks are run, watched and repeated."""

from oslo_config import cfg

GROUP = "conductor"
OPTS = [
    cfg.IntOpt(
        "workers",
        default=8,
        min=1,
        help="Threads that answer calls, and as many more that run tasks. More than a few only wait for one another.",
    ),
    cfg.FloatOpt(
        "lease_seconds",
        mutable=True,
        default=15.0,
        min=1.0,
        help="How long a task stays with a conductor that no longer renews its lease.",
    ),
    cfg.FloatOpt(
        "sweep_interval",
        mutable=True,
        default=5.0,
        min=0.05,
        help="Seconds between looks for tasks whose message, conductor or host was lost.",
    ),
    cfg.FloatOpt(
        "host_wait_seconds",
        mutable=True,
        default=30.0,
        min=0.5,
        help="How long a host may neither report on work "
        "nor list it in its heartbeat before it is asked again.",
    ),
    cfg.IntOpt(
        "host_asks",
        mutable=True,
        default=5,
        min=1,
        help="How often a host is asked for the same work before the step fails.",
    ),
    cfg.IntOpt("action_timeout", mutable=True, default=600, min=1,
               help="Seconds a host may be busy with one action."),
    cfg.IntOpt(
        "instance_build_timeout", mutable=True, default=1800, min=1,
        help="Seconds a host may be busy with one build."
    ),
    cfg.IntOpt(
        "resize_timeout", mutable=True, default=3600, min=1,
        help="Seconds a host may be busy with one step of a resize; growing a disk copies it first."
    ),
    cfg.IntOpt(
        "snapshot_timeout", mutable=True, default=7200, min=1,
        help="Seconds a host may be busy with making an image of a server and sending it.",
    ),
    cfg.IntOpt("max_attempts", mutable=True, default=3, min=1, help="Hosts tried for one build."),
    cfg.IntOpt(
        "claim_rounds",
        mutable=True,
        default=10,
        min=1,
        help="Times the scheduler is asked again after every "
        "candidate of an answer was lost to other claims.",
    ),
    # --- what is repeated ---
    cfg.IntOpt("reclaim_instance_interval", mutable=True, default=0, min=0,
               help="Seconds a deleted server is kept, stopped, so that it can be restored (deferred delete). 0: "
                    "servers are deleted at once."),
    cfg.IntOpt("rescue_timeout", mutable=True, default=0, min=0,
               help="Seconds after which a rescued server is unrescued. 0: never."),
    cfg.IntOpt("reboot_timeout", mutable=True, default=0, min=0,
               help="Seconds a soft reboot may be under way before it becomes a hard one. 0: never; the host "
                    "itself resets a guest after [compute] reboot_timeout, so this is for hosts that do not."),
    cfg.BoolOpt("instance_usage_audit", default=False, mutable=True,
                help="Note for each period how many servers ran on each host (os-instance_usage_audit_log)."),
    cfg.StrOpt("instance_usage_audit_period", default="month", mutable=True,
               regex=r"^(hour|day|month|year)(@[0-9]{1,2})?$",
               help="Length of such a period: hour, day, month or year, and where it begins when that is not "
               "its natural beginning: hour@minute, day@hour, month@day, year@month."),
]
