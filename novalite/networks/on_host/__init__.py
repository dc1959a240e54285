"""What carries networks on a compute host: bridges, tunnels, DHCP servers and one firewall.

Decided in pure functions (`plan.py`, `ruleset.py`), done by `host.py`.
"""
