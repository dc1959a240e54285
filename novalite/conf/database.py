"""[database]: where the conductor keeps what must not be lost."""

from oslo_config import cfg

GROUP = "database"
OPTS = [
    cfg.StrOpt(
        "connection",
        secret=True,
        default="",
        help="SQLAlchemy URL with its driver written out: sqlite:////path, postgresql+psycopg://…, "
        "mysql+pymysql://… . Only conductors and novalite-manage may have it. Empty: a SQLite file "
        "in state_path.",
    ),
    cfg.IntOpt("pool_size", default=16, min=1, help="Connections kept open per conductor."),
    cfg.IntOpt("pool_timeout", default=30, min=1, help="Seconds to wait for a free connection."),
    cfg.IntOpt(
        "start_timeout",
        default=60,
        min=1,
        help="Seconds between log lines that say the database "
        "is unreachable, while a daemon waits for it at start.",
    ),
    cfg.IntOpt("max_retries", default=8, min=0, help="Times a transaction is run again after a deadlock."),
]
