"""The embedded network service in the conductor.

endpoint  what API workers ask
work      one request inside its transaction: who asks, limits, what hosts have to hear
plugs     networks, subnets, ports
services  routers, floating addresses, security groups
checks    what must make sense, as pure functions
topology  the network that a project gets without naming one
changes   what compute hosts are told
"""
