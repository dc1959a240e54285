"""Placement in the conductor: resource providers, and who holds what of them.

(`conductor/placement.py` is another thing: how a conductor asks schedulers for places.)
"""
