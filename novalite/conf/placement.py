"""[placement]: how far the Placement API searches for allocation candidates, and how often the books are audited."""

from oslo_config import cfg

GROUP = "placement"
OPTS = [
    cfg.IntOpt(
        "max_allocation_candidates",
        mutable=True,
        default=10_000,
        min=1,
        max=1_000_000,
        help="Most candidates in one answer, whatever limit a request names. Each takes about a kilobyte.",
    ),
    cfg.IntOpt(
        "candidate_search_choices",
        mutable=True,
        default=2_000_000,
        min=1000,
        help="Choices of a provider that one search may try. Then it answers what it found, or 400 if that is nothing.",
    ),
    cfg.FloatOpt(
        "candidate_search_seconds",
        mutable=True,
        default=10.0,
        min=0.1,
        max=50.0,
        help="Seconds that one search may take, with the same end.",
    ),
    cfg.IntOpt(
        "audit_interval",
        mutable=True,
        default=600,
        min=0,
        help="Seconds between looks for places that are held for nothing, servers without a place and hosts that count "
        "wrongly what is in use. What is found is put right and logged as a warning. 0: never.",
    ),
]
