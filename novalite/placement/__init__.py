"""Placement: resource providers, and who holds what of them. Nothing else answers for it, so there is no port.

Here is what is pure; `api/` is its REST, `conductor/resource_providers/` answers, `db/placement/` keeps.
"""
