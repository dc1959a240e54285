"""[identity]: the embedded identity service: tokens, passwords, lists."""

from oslo_config import cfg

GROUP = "identity"
OPTS = [
    cfg.IntOpt("token_expiration", default=3600, min=1, help="Seconds a token is good for."),
    cfg.IntOpt(
        "revocation_poll_interval",
        default=10,
        min=0,
        help="Seconds between looks for revoked tokens by "
        "one API worker; only workers that have requests look. Another worker may accept a revoked token "
        "for this long.",
    ),
    cfg.IntOpt(
        "catalog_cache_seconds",
        default=10,
        min=0,
        help="Seconds an API worker keeps its copy of the catalog.",
    ),
    cfg.IntOpt("token_cache_size", default=4096, min=1, help="Verified tokens an API worker remembers."),
    cfg.IntOpt(
        "scrypt_cost",
        default=8192,
        choices=[1 << n for n in range(10, 21)],
        help="Work of one password check; 8192 "
        "takes about 15 ms and 8 MB. Stored with each hash, so that a change touches new passwords only.",
    ),
    cfg.IntOpt("scrypt_block_size", default=8, min=1, max=32, help="Block size of scrypt."),
    cfg.IntOpt("scrypt_parallel", default=1, min=1, max=16, help="Parallelism of scrypt."),
    cfg.IntOpt(
        "lockout_failures",
        mutable=True,
        default=0,
        min=0,
        help="Wrong passwords in a row after which a user must wait; 0 switches this off.",
    ),
    cfg.IntOpt("lockout_seconds", mutable=True, default=300, min=1, help="Seconds such a user must wait."),
    cfg.IntOpt("list_limit", mutable=True, default=10000, min=1, help="Most records in one answer."),
]
