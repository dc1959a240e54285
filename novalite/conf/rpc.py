"""[rpc]: how the message bus is used. oslo.messaging's own [oslo_messaging_rabbit] is read too."""

from oslo_config import cfg

GROUP = "rpc"
OPTS = [
    cfg.BoolOpt("quorum", default=False,
                help="Use RabbitMQ quorum queues for everything (replicated over the brokers of a cluster; "
                "required by brokers that refuse transient queues). Sets rabbit_quorum_queue, "
                "rabbit_transient_quorum_queue and use_queue_manager of [oslo_messaging_rabbit]. Cannot be "
                "changed for a vhost that is in use: choose it on all daemons before the first start, or "
                "move to a new vhost."),
    cfg.StrOpt("control_exchange", default="novalite", help="Exchange of all messages of this cloud."),
    cfg.IntOpt("max_pending", default=10_000, min=1,
               help="Messages that may wait in one queue of the in-process bus before it refuses more."),
    cfg.IntOpt("connections", default=30, min=2,
               help="Connections to RabbitMQ that one daemon may open to send."),
]
