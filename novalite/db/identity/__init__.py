"""SQL of the embedded identity service.

records       domains, projects, users, groups, roles, services, endpoints, regions: one shape for all
removal       deleting a record with everything that depends on it
assignments   who has which role where; role_assignments lists that
login         what is read to make a token; signing keys; revocations
credentials   application credentials
"""

from novalite.db.identity import assignments, credentials, login, records, removal, role_assignments

__all__ = ["assignments", "credentials", "login", "records", "removal", "role_assignments"]
