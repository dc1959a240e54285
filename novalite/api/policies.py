"""Who may use the compute API: one row per published rule, with its default.

Source: Compute API reference and the published policy reference; descriptions are our own words.
`etc/policy.yaml` overrides any row by name.
"""

from __future__ import annotations

from novalite.api.policy import Rule

ANY = "@"
ADMIN = "rule:context_is_admin"
READER = "rule:project_reader_or_admin"
MEMBER = "rule:project_member_or_admin"
MANAGER = "rule:project_manager_or_admin"
SERVICE = "rule:service_or_admin"
OWNER = "rule:context_is_admin or user_id:%(user_id)s"

SERVER = "/servers/{server_id}"
ACTION = f"POST {SERVER}/action"
AGGREGATE = "/os-aggregates/{aggregate_id}"
HOST = "/os-hosts/{host_name}"

BLOCKS = [
    Rule("context_is_admin", "role:admin", "Whoever holds the admin role."),
    Rule("admin_api", "rule:context_is_admin", "Older name of context_is_admin."),
    Rule(
        "admin_or_owner",
        "rule:context_is_admin or project_id:%(project_id)s",
        "Admins, or anybody of the project.",
    ),
    Rule("service_api", "role:service", "Other services of the cloud."),
    Rule("service_or_admin", "rule:service_api or rule:context_is_admin", "Other services, or admins."),
    Rule("project_reader_api", "role:reader and project_id:%(project_id)s", "Readers of the project."),
    Rule("project_member_api", "role:member and project_id:%(project_id)s", "Members of the project."),
    Rule("project_manager_api", "role:manager and project_id:%(project_id)s", "Managers of the project."),
    Rule(
        "project_reader_or_admin", "rule:project_reader_api or rule:context_is_admin", "Readers, or admins."
    ),
    Rule(
        "project_member_or_admin", "rule:project_member_api or rule:context_is_admin", "Members, or admins."
    ),
    Rule(
        "project_manager_or_admin",
        "rule:project_manager_api or rule:context_is_admin",
        "Managers, or admins.",
    ),
]

SERVERS = [
    Rule("os_compute_api:servers:index", READER, "List servers of the own project.", ("GET /servers",)),
    Rule("os_compute_api:servers:detail", READER, "List servers with all fields.", ("GET /servers/detail",)),
    Rule(
        "os_compute_api:servers:index:get_all_tenants",
        ADMIN,
        "List servers of all projects.",
        ("GET /servers",),
    ),
    Rule(
        "os_compute_api:servers:detail:get_all_tenants",
        ADMIN,
        "List servers of all projects with all fields.",
        ("GET /servers/detail",),
    ),
    Rule(
        "os_compute_api:servers:allow_all_filters",
        ADMIN,
        "Use every server filter.",
        ("GET /servers", "GET /servers/detail"),
    ),
    Rule("os_compute_api:servers:show", READER, "Show a server.", (f"GET {SERVER}",)),
    Rule(
        "os_compute_api:servers:show:host_status",
        ADMIN,
        "See the state of the host a server is on.",
        (f"GET {SERVER}", "GET /servers/detail"),
    ),
    Rule(
        "os_compute_api:servers:show:host_status:unknown-only",
        ADMIN,
        "See the state of the host only when it is unknown.",
        (f"GET {SERVER}", "GET /servers/detail"),
    ),
    Rule(
        "os_compute_api:servers:show:flavor-extra-specs",
        READER,
        "See the extra specs inside a server's flavor.",
        (f"GET {SERVER}", "GET /servers/detail"),
    ),
    Rule("os_compute_api:servers:create", MEMBER, "Create servers.", ("POST /servers",)),
    Rule(
        "os_compute_api:servers:create:forced_host",
        ADMIN,
        "Create a server on a host named in availability_zone.",
        ("POST /servers",),
    ),
    Rule(
        "compute:servers:create:requested_destination",
        ADMIN,
        "Ask for a host or hypervisor at create.",
        ("POST /servers",),
    ),
    Rule(
        "os_compute_api:servers:create:attach_network",
        MEMBER,
        "Name networks or ports at create.",
        ("POST /servers",),
    ),
    Rule(
        "network:attach_external_network",
        ADMIN,
        "Connect a server with an external network that is not shared.",
        ("POST /servers", f"POST {SERVER}/os-interface"),
    ),
    Rule(
        "os_compute_api:servers:create:trusted_certs",
        MEMBER,
        "Name trusted image certificates at create.",
        ("POST /servers",),
    ),
    Rule("os_compute_api:servers:update", MEMBER, "Change a server.", (f"PUT {SERVER}",)),
    Rule("os_compute_api:servers:delete", MEMBER, "Delete a server.", (f"DELETE {SERVER}",)),
    Rule("os_compute_api:servers:start", MEMBER, "Start a server.", (f"{ACTION} (os-start)",)),
    Rule("os_compute_api:servers:stop", MEMBER, "Stop a server.", (f"{ACTION} (os-stop)",)),
    Rule("os_compute_api:servers:reboot", MEMBER, "Reboot a server.", (f"{ACTION} (reboot)",)),
    Rule("os_compute_api:servers:resize", MEMBER, "Resize a server.", (f"{ACTION} (resize)",)),
    Rule(
        "os_compute_api:servers:confirm_resize", MEMBER, "Confirm a resize.", (f"{ACTION} (confirmResize)",)
    ),
    Rule("os_compute_api:servers:revert_resize", MEMBER, "Revert a resize.", (f"{ACTION} (revertResize)",)),
    Rule("os_compute_api:servers:rebuild", MEMBER, "Rebuild a server.", (f"{ACTION} (rebuild)",)),
    Rule(
        "os_compute_api:servers:rebuild:trusted_certs",
        MEMBER,
        "Name trusted image certificates at rebuild.",
        (f"{ACTION} (rebuild)",),
    ),
    Rule("os_compute_api:servers:create_image", MEMBER, "Snapshot a server.", (f"{ACTION} (createImage)",)),
    Rule(
        "os_compute_api:servers:trigger_crash_dump",
        MEMBER,
        "Send an NMI to a server.",
        (f"{ACTION} (trigger_crash_dump)",),
    ),
]

ACTIONS = [
    Rule("os_compute_api:os-pause-server:pause", MEMBER, "Pause a server.", (f"{ACTION} (pause)",)),
    Rule("os_compute_api:os-pause-server:unpause", MEMBER, "Unpause a server.", (f"{ACTION} (unpause)",)),
    Rule("os_compute_api:os-suspend-server:suspend", MEMBER, "Suspend a server.", (f"{ACTION} (suspend)",)),
    Rule("os_compute_api:os-suspend-server:resume", MEMBER, "Resume a server.", (f"{ACTION} (resume)",)),
    Rule("os_compute_api:os-lock-server:lock", MEMBER, "Lock a server.", (f"{ACTION} (lock)",)),
    Rule("os_compute_api:os-lock-server:unlock", MEMBER, "Unlock a server.", (f"{ACTION} (unlock)",)),
    Rule(
        "os_compute_api:os-lock-server:unlock:unlock_override",
        ADMIN,
        "Unlock a server that an admin locked.",
        (f"{ACTION} (unlock)",),
    ),
    Rule(
        "os_compute_api:os-console-output",
        MEMBER,
        "Read the serial console log.",
        (f"{ACTION} (os-getConsoleOutput)",),
    ),
    Rule("os_compute_api:os-rescue", MEMBER, "Rescue a server.", (f"{ACTION} (rescue)",)),
    Rule("os_compute_api:os-unrescue", MEMBER, "End the rescue of a server.", (f"{ACTION} (unrescue)",)),
    Rule("os_compute_api:os-shelve:shelve", MEMBER, "Shelve a server.", (f"{ACTION} (shelve)",)),
    Rule("os_compute_api:os-shelve:shelve_offload", ADMIN, "Offload it.", (f"{ACTION} (shelveOffload)",)),
    Rule("os_compute_api:os-shelve:unshelve", MEMBER, "Unshelve a server.", (f"{ACTION} (unshelve)",)),
    Rule("os_compute_api:os-shelve:unshelve_to_host", ADMIN, "Name its host.", (f"{ACTION} (unshelve)",)),
    Rule("os_compute_api:os-create-backup", MEMBER, "Back a server up.", (f"{ACTION} (createBackup)",)),
    Rule("os_compute_api:os-admin-password", MEMBER, "Change the password.", (f"{ACTION} (changePassword)",)),
    Rule("os_compute_api:os-security-groups:add", MEMBER, "Add a group.", (f"{ACTION} (addSecurityGroup)",)),
    Rule(
        "os_compute_api:os-security-groups:remove",
        MEMBER,
        "Remove a group.",
        (f"{ACTION} (removeSecurityGroup)",),
    ),
    Rule("os_compute_api:os-deferred-delete:force", MEMBER, "Delete at once.", (f"{ACTION} (forceDelete)",)),
    Rule("os_compute_api:os-deferred-delete:restore", MEMBER, "Undo a delete.", (f"{ACTION} (restore)",)),
    Rule("os_compute_api:os-migrate-server:migrate", MANAGER, "Cold migrate.", (f"{ACTION} (migrate)",)),
    Rule("os_compute_api:os-migrate-server:migrate:host", ADMIN, "To a host.", (f"{ACTION} (migrate)",)),
    Rule(
        "os_compute_api:os-migrate-server:migrate_live",
        MANAGER,
        "Live migrate.",
        (f"{ACTION} (os-migrateLive)",),
    ),
    Rule(
        "os_compute_api:os-migrate-server:migrate_live:host",
        ADMIN,
        "Live migrate to a host.",
        (f"{ACTION} (os-migrateLive)",),
    ),
    Rule("os_compute_api:os-migrations:index", MANAGER, "List migrations.", ("GET /os-migrations",)),
    Rule(
        "os_compute_api:os-migrations:index:all_projects",
        ADMIN,
        "List migrations of all projects.",
        ("GET /os-migrations",),
    ),
    Rule(
        "os_compute_api:os-migrations:index:host",
        ADMIN,
        "See the hosts of migrations.",
        ("GET /os-migrations",),
    ),
    Rule(
        "os_compute_api:servers:migrations:index",
        MANAGER,
        "List the live migrations of a server that have not ended.",
        (f"GET {SERVER}/migrations",),
    ),
    Rule(
        "os_compute_api:servers:migrations:index:host",
        ADMIN,
        "See their hosts.",
        (f"GET {SERVER}/migrations",),
    ),
    Rule(
        "os_compute_api:servers:migrations:show",
        ADMIN,
        "Show one of them.",
        (f"GET {SERVER}/migrations/{{migration_id}}",),
    ),
    Rule(
        "os_compute_api:servers:migrations:delete",
        MANAGER,
        "Abort one of them.",
        (f"DELETE {SERVER}/migrations/{{migration_id}}",),
    ),
    Rule(
        "os_compute_api:servers:migrations:force_complete",
        MANAGER,
        "Force one of them to end.",
        (f"POST {SERVER}/migrations/{{migration_id}}/action (force_complete)",),
    ),
    Rule("os_compute_api:os-evacuate", ADMIN, "Rebuild away from a dead host.", (f"{ACTION} (evacuate)",)),
    Rule(
        "os_compute_api:os-admin-actions:reset_state",
        ADMIN,
        "Reset the state.",
        (f"{ACTION} (os-resetState)",),
    ),
    Rule(
        "os_compute_api:os-admin-actions:inject_network_info",
        ADMIN,
        "Write the network configuration again.",
        (f"{ACTION} (injectNetworkInfo)",),
    ),
    Rule("os_compute_api:os-multinic:add", MEMBER, "Add a fixed address.", (f"{ACTION} (addFixedIp)",)),
    Rule(
        "os_compute_api:os-multinic:remove", MEMBER, "Remove a fixed address.", (f"{ACTION} (removeFixedIp)",)
    ),
    Rule(
        "os_compute_api:os-floating-ips:add",
        MEMBER,
        "Add a floating address.",
        (f"{ACTION} (addFloatingIp)",),
    ),
    Rule(
        "os_compute_api:os-floating-ips:remove",
        MEMBER,
        "Remove a floating address.",
        (f"{ACTION} (removeFloatingIp)",),
    ),
    Rule(
        "os_compute_api:os-remote-consoles",
        MEMBER,
        "Open a console.",
        (
            f"POST {SERVER}/remote-consoles",
            f"{ACTION} (os-getVNCConsole, os-getSPICEConsole, os-getSerialConsole)",
        ),
    ),
]

SERVER_PARTS = [
    Rule(
        "os_compute_api:os-extended-server-attributes",
        ADMIN,
        "See host, hypervisor and other inner facts of servers.",
        (f"GET {SERVER}", "GET /servers/detail", f"PUT {SERVER}"),
    ),
    Rule("os_compute_api:ips:index", READER, "Addresses of a server.", (f"GET {SERVER}/ips",)),
    Rule("os_compute_api:ips:show", READER, "Addresses on one network.", (f"GET {SERVER}/ips/{{label}}",)),
    Rule("os_compute_api:server-metadata:index", READER, "List metadata.", (f"GET {SERVER}/metadata",)),
    Rule(
        "os_compute_api:server-metadata:show", READER, "Show one item.", (f"GET {SERVER}/metadata/{{key}}",)
    ),
    Rule("os_compute_api:server-metadata:create", MEMBER, "Add metadata.", (f"POST {SERVER}/metadata",)),
    Rule(
        "os_compute_api:server-metadata:update_all", MEMBER, "Replace metadata.", (f"PUT {SERVER}/metadata",)
    ),
    Rule(
        "os_compute_api:server-metadata:update", MEMBER, "Set one item.", (f"PUT {SERVER}/metadata/{{key}}",)
    ),
    Rule(
        "os_compute_api:server-metadata:delete",
        MEMBER,
        "Remove one item.",
        (f"DELETE {SERVER}/metadata/{{key}}",),
    ),
    Rule("os_compute_api:os-server-tags:index", READER, "List tags.", (f"GET {SERVER}/tags",)),
    Rule("os_compute_api:os-server-tags:show", READER, "Look for a tag.", (f"GET {SERVER}/tags/{{tag}}",)),
    Rule("os_compute_api:os-server-tags:update_all", MEMBER, "Replace tags.", (f"PUT {SERVER}/tags",)),
    Rule("os_compute_api:os-server-tags:update", MEMBER, "Add a tag.", (f"PUT {SERVER}/tags/{{tag}}",)),
    Rule("os_compute_api:os-server-tags:delete_all", MEMBER, "Remove all tags.", (f"DELETE {SERVER}/tags",)),
    Rule("os_compute_api:os-server-tags:delete", MEMBER, "Remove a tag.", (f"DELETE {SERVER}/tags/{{tag}}",)),
    Rule("os_compute_api:os-server-diagnostics", ADMIN, "Hypervisor counters.", (f"GET {SERVER}/diagnostics",)),
    Rule("compute:server:topology:index", READER, "NUMA layout of a guest.", (f"GET {SERVER}/topology",)),
    Rule(
        "compute:server:topology:host:index",
        ADMIN,
        "See what of its host a guest's layout uses.",
        (f"GET {SERVER}/topology",),
    ),
    Rule(
        "os_compute_api:os-placement-decisions:show",
        READER,
        "Why a server is where it is: counts and reasons.",
        (f"GET {SERVER}/os-placement-decision",),
    ),
    Rule(
        "os_compute_api:os-placement-decisions:show:hosts",
        ADMIN,
        "See also hosts and their weights.",
        (f"GET {SERVER}/os-placement-decision",),
    ),
    Rule(
        "os_compute_api:os-placement-decisions:create",
        MEMBER,
        "Where servers would go, without creating them.",
        ("POST /os-placement-decisions",),
    ),
    Rule(
        "os_compute_api:os-placement-decisions:create:hosts",
        ADMIN,
        "See also hosts and their weights.",
        ("POST /os-placement-decisions",),
    ),
    Rule(
        "os_compute_api:os-server-password:show",
        READER,
        "The encrypted password a guest left.",
        (f"GET {SERVER}/os-server-password",),
    ),
    Rule(
        "os_compute_api:os-server-password:clear",
        MEMBER,
        "Forget the encrypted password a guest left.",
        (f"DELETE {SERVER}/os-server-password",),
    ),
    Rule(
        "os_compute_api:os-instance-actions:list",
        READER,
        "List what was done to a server.",
        (f"GET {SERVER}/os-instance-actions",),
    ),
    Rule(
        "os_compute_api:os-instance-actions:show",
        READER,
        "Show one action of a server.",
        (f"GET {SERVER}/os-instance-actions/{{request_id}}",),
    ),
    Rule(
        "os_compute_api:os-instance-actions:events",
        ADMIN,
        "See events before 2.51, tracebacks, and hosts.",
        (f"GET {SERVER}/os-instance-actions/{{request_id}}",),
    ),
    Rule(
        "os_compute_api:os-instance-actions:events:details",
        ADMIN,
        "See why an event failed.",
        (f"GET {SERVER}/os-instance-actions/{{request_id}}",),
    ),
]

FLAVORS = [
    Rule(
        "os_compute_api:flavors", ANY, "List and show flavors.", ("GET /flavors", "GET /flavors/{flavor_id}")
    ),
    Rule("os_compute_api:os-flavor-manage:create", ADMIN, "Create a flavor.", ("POST /flavors",)),
    Rule(
        "os_compute_api:os-flavor-manage:update", ADMIN, "Describe a flavor.", ("PUT /flavors/{flavor_id}",)
    ),
    Rule(
        "os_compute_api:os-flavor-manage:delete", ADMIN, "Delete a flavor.", ("DELETE /flavors/{flavor_id}",)
    ),
    Rule(
        "os_compute_api:os-flavor-access",
        ADMIN,
        "See which projects may use a private flavor.",
        ("GET /flavors/{flavor_id}/os-flavor-access",),
    ),
    Rule(
        "os_compute_api:os-flavor-access:add_tenant_access",
        ADMIN,
        "Let a project use a private flavor.",
        ("POST /flavors/{flavor_id}/action (addTenantAccess)",),
    ),
    Rule(
        "os_compute_api:os-flavor-access:remove_tenant_access",
        ADMIN,
        "Take a private flavor from a project.",
        ("POST /flavors/{flavor_id}/action (removeTenantAccess)",),
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:index",
        READER,
        "List extra specs; also inside flavors.",
        ("GET /flavors/{flavor_id}/os-extra_specs", "GET /flavors/detail", "GET /flavors/{flavor_id}"),
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:show",
        READER,
        "Show an extra spec.",
        ("GET /flavors/{flavor_id}/os-extra_specs/{key}",),
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:create",
        ADMIN,
        "Set extra specs.",
        ("POST /flavors/{flavor_id}/os-extra_specs",),
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:update",
        ADMIN,
        "Set an extra spec.",
        ("PUT /flavors/{flavor_id}/os-extra_specs/{key}",),
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:delete",
        ADMIN,
        "Remove an extra spec.",
        ("DELETE /flavors/{flavor_id}/os-extra_specs/{key}",),
    ),
]

KEYPAIRS = [
    Rule("os_compute_api:os-keypairs:index", OWNER, "List keypairs.", ("GET /os-keypairs",)),
    Rule("os_compute_api:os-keypairs:create", OWNER, "Create a keypair.", ("POST /os-keypairs",)),
    Rule("os_compute_api:os-keypairs:show", OWNER, "Show a keypair.", ("GET /os-keypairs/{name}",)),
    Rule("os_compute_api:os-keypairs:delete", OWNER, "Delete a keypair.", ("DELETE /os-keypairs/{name}",)),
]

CLOUD = [
    Rule("os_compute_api:os-services:list", ADMIN, "List services.", ("GET /os-services",)),
    Rule("os_compute_api:os-services:update", ADMIN, "Change a service.", ("PUT /os-services/{service_id}",)),
    Rule(
        "os_compute_api:os-services:delete", ADMIN, "Remove a service.", ("DELETE /os-services/{service_id}",)
    ),
    Rule("os_compute_api:os-hypervisors:list", ADMIN, "List hypervisors.", ("GET /os-hypervisors",)),
    Rule(
        "os_compute_api:os-hypervisors:list-detail",
        ADMIN,
        "List with details.",
        ("GET /os-hypervisors/detail",),
    ),
    Rule("os_compute_api:os-hypervisors:statistics", ADMIN, "Totals.", ("GET /os-hypervisors/statistics",)),
    Rule("os_compute_api:os-hypervisors:show", ADMIN, "Show one.", ("GET /os-hypervisors/{hypervisor_id}",)),
    Rule(
        "os_compute_api:os-hypervisors:uptime",
        ADMIN,
        "Its uptime.",
        ("GET /os-hypervisors/{hypervisor_id}/uptime",),
    ),
    Rule("os_compute_api:os-hypervisors:search", ADMIN, "Search.", ("GET /os-hypervisors/{pattern}/search",)),
    Rule(
        "os_compute_api:os-hypervisors:servers",
        ADMIN,
        "Its servers.",
        ("GET /os-hypervisors/{pattern}/servers",),
    ),
    Rule("os_compute_api:os-aggregates:index", ADMIN, "List aggregates.", ("GET /os-aggregates",)),
    Rule("os_compute_api:os-aggregates:create", ADMIN, "Create an aggregate.", ("POST /os-aggregates",)),
    Rule("os_compute_api:os-aggregates:show", ADMIN, "Show an aggregate.", (f"GET {AGGREGATE}",)),
    Rule("os_compute_api:os-aggregates:update", ADMIN, "Rename it or move its zone.", (f"PUT {AGGREGATE}",)),
    Rule("os_compute_api:os-aggregates:delete", ADMIN, "Delete an aggregate.", (f"DELETE {AGGREGATE}",)),
    Rule(
        "os_compute_api:os-aggregates:add_host",
        ADMIN,
        "Add a host to an aggregate.",
        (f"POST {AGGREGATE}/action (add_host)",),
    ),
    Rule(
        "os_compute_api:os-aggregates:remove_host",
        ADMIN,
        "Remove a host from an aggregate.",
        (f"POST {AGGREGATE}/action (remove_host)",),
    ),
    Rule(
        "os_compute_api:os-aggregates:set_metadata",
        ADMIN,
        "Set metadata of an aggregate.",
        (f"POST {AGGREGATE}/action (set_metadata)",),
    ),
    Rule(
        "compute:aggregates:images",
        ADMIN,
        "Have the hosts of an aggregate cache images.",
        (f"POST {AGGREGATE}/images",),
    ),
    Rule(
        "os_compute_api:os-server-external-events:create",
        SERVICE,
        "Tell what happened to a server's ports, volumes or machine.",
        ("POST /os-server-external-events",),
    ),
    Rule(
        "os_compute_api:os-assisted-volume-snapshots:create",
        SERVICE,
        "Snapshot an attached volume.",
        ("POST /os-assisted-volume-snapshots",),
    ),
    Rule(
        "os_compute_api:os-assisted-volume-snapshots:delete",
        SERVICE,
        "Remove such a snapshot.",
        ("DELETE /os-assisted-volume-snapshots/{snapshot_id}",),
    ),
    Rule(
        "os_compute_api:os-console-auth-tokens",
        ADMIN,
        "See what a console token stands for.",
        ("GET /os-console-auth-tokens/{token}",),
    ),
    Rule("os_compute_api:os-hosts:list", ADMIN, "List hosts.", ("GET /os-hosts",)),
    Rule("os_compute_api:os-hosts:show", ADMIN, "Show a host.", (f"GET {HOST}",)),
    Rule("os_compute_api:os-hosts:update", ADMIN, "Enable or disable a host.", (f"PUT {HOST}",)),
    Rule("os_compute_api:os-hosts:reboot", ADMIN, "Reboot a host.", (f"GET {HOST}/reboot",)),
    Rule("os_compute_api:os-hosts:shutdown", ADMIN, "Shut a host down.", (f"GET {HOST}/shutdown",)),
    Rule("os_compute_api:os-hosts:start", ADMIN, "Start a host.", (f"GET {HOST}/startup",)),
    Rule(
        "os_compute_api:os-simple-tenant-usage:list",
        ADMIN,
        "What every project used.",
        ("GET /os-simple-tenant-usage",),
    ),
    Rule(
        "os_compute_api:os-simple-tenant-usage:show",
        READER,
        "What a project used.",
        ("GET /os-simple-tenant-usage/{project_id}",),
    ),
    Rule(
        "os_compute_api:os-instance-usage-audit-log:list",
        ADMIN,
        "Audits of the last period.",
        ("GET /os-instance_usage_audit_log",),
    ),
    Rule(
        "os_compute_api:os-instance-usage-audit-log:show",
        ADMIN,
        "Audits of the period before a time.",
        ("GET /os-instance_usage_audit_log/{before}",),
    ),
    Rule("os_compute_api:os-availability-zone:list", ANY, "List zones.", ("GET /os-availability-zone",)),
    Rule(
        "os_compute_api:os-availability-zone:detail",
        ADMIN,
        "List zones with their hosts.",
        ("GET /os-availability-zone/detail",),
    ),
    Rule("os_compute_api:os-server-groups:index", READER, "List server groups.", ("GET /os-server-groups",)),
    Rule(
        "os_compute_api:os-server-groups:index:all_projects",
        ADMIN,
        "List server groups of all projects.",
        ("GET /os-server-groups",),
    ),
    Rule("os_compute_api:os-server-groups:create", MEMBER, "Create one.", ("POST /os-server-groups",)),
    Rule(
        "os_compute_api:os-server-groups:show",
        READER,
        "Show a server group.",
        ("GET /os-server-groups/{server_group_id}",),
    ),
    Rule(
        "os_compute_api:os-server-groups:delete",
        MEMBER,
        "Delete a server group.",
        ("DELETE /os-server-groups/{server_group_id}",),
    ),
    Rule("os_compute_api:limits", ANY, "Own limits and use.", ("GET /limits",)),
    Rule("os_compute_api:limits:other_project", ADMIN, "Those of another project.", ("GET /limits",)),
    Rule(
        "os_compute_api:os-quota-sets:show",
        READER,
        "Quota of a project.",
        ("GET /os-quota-sets/{project_id}",),
    ),
    Rule(
        "os_compute_api:os-quota-sets:defaults",
        ANY,
        "Default quota.",
        ("GET /os-quota-sets/{project_id}/defaults",),
    ),
    Rule(
        "os_compute_api:os-quota-sets:detail",
        READER,
        "Quota with use.",
        ("GET /os-quota-sets/{project_id}/detail",),
    ),
    Rule("os_compute_api:os-quota-sets:update", ADMIN, "Change quota.", ("PUT /os-quota-sets/{project_id}",)),
    Rule(
        "os_compute_api:os-quota-sets:delete",
        ADMIN,
        "Quota back to default.",
        ("DELETE /os-quota-sets/{project_id}",),
    ),
    Rule(
        "os_compute_api:os-quota-class-sets:show",
        ADMIN,
        "Quota of the default class.",
        ("GET /os-quota-class-sets/{id}",),
    ),
    Rule(
        "os_compute_api:os-quota-class-sets:update",
        ADMIN,
        "Change quota of the default class.",
        ("PUT /os-quota-class-sets/{id}",),
    ),
    Rule(
        "os_compute_api:extensions", ANY, "List extensions.", ("GET /extensions", "GET /extensions/{alias}")
    ),
]

PROXIES = [
    Rule(
        "os_compute_api:os-attach-interfaces:list",
        READER,
        "List the ports of a server.",
        (f"GET {SERVER}/os-interface",),
    ),
    Rule(
        "os_compute_api:os-attach-interfaces:show",
        READER,
        "Show a port of a server.",
        (f"GET {SERVER}/os-interface/{{port_id}}",),
    ),
    Rule(
        "os_compute_api:os-attach-interfaces:create",
        MEMBER,
        "Attach a port or network.",
        (f"POST {SERVER}/os-interface",),
    ),
    Rule(
        "os_compute_api:os-attach-interfaces:delete",
        MEMBER,
        "Detach a port.",
        (f"DELETE {SERVER}/os-interface/{{port_id}}",),
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:index",
        READER,
        "List the volumes of a server.",
        (f"GET {SERVER}/os-volume_attachments",),
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:show",
        READER,
        "Show a volume of a server.",
        (f"GET {SERVER}/os-volume_attachments/{{volume_id}}",),
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:create",
        MEMBER,
        "Attach a volume.",
        (f"POST {SERVER}/os-volume_attachments",),
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:update",
        MEMBER,
        "Change what becomes of an attached volume.",
        (f"PUT {SERVER}/os-volume_attachments/{{volume_id}}",),
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:swap",
        SERVICE,
        "Put another volume in the place of an attached one.",
        (f"PUT {SERVER}/os-volume_attachments/{{volume_id}}",),
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:delete",
        MEMBER,
        "Detach a volume.",
        (f"DELETE {SERVER}/os-volume_attachments/{{volume_id}}",),
    ),
    Rule(
        "os_compute_api:os-server-shares:index",
        READER,
        "List the shares of a server.",
        (f"GET {SERVER}/shares",),
    ),
    Rule(
        "os_compute_api:os-server-shares:show",
        READER,
        "Show a share of a server.",
        (f"GET {SERVER}/shares/{{share_id}}",),
    ),
    Rule("os_compute_api:os-server-shares:create", MEMBER, "Attach a share.", (f"POST {SERVER}/shares",)),
    Rule(
        "os_compute_api:os-server-shares:delete",
        MEMBER,
        "Detach a share.",
        (f"DELETE {SERVER}/shares/{{share_id}}",),
    ),
    Rule(
        "os_compute_api:os-security-groups:list",
        READER,
        "List the security groups of a server.",
        (f"GET {SERVER}/os-security-groups",),
    ),
    Rule(
        "os_compute_api:os-security-groups:get",
        READER,
        "List security groups.",
        ("GET /os-security-groups",),
    ),
    Rule(
        "os_compute_api:os-security-groups:show",
        READER,
        "Show a security group.",
        ("GET /os-security-groups/{group_id}",),
    ),
    Rule(
        "os_compute_api:os-security-groups:create",
        MEMBER,
        "Create a security group.",
        ("POST /os-security-groups",),
    ),
    Rule(
        "os_compute_api:os-security-groups:update",
        MEMBER,
        "Change a security group.",
        ("PUT /os-security-groups/{group_id}",),
    ),
    Rule(
        "os_compute_api:os-security-groups:delete",
        MEMBER,
        "Delete a security group.",
        ("DELETE /os-security-groups/{group_id}",),
    ),
    Rule(
        "os_compute_api:os-security-groups:rule:create",
        MEMBER,
        "Add a rule to a security group.",
        ("POST /os-security-group-rules",),
    ),
    Rule(
        "os_compute_api:os-security-groups:rule:delete",
        MEMBER,
        "Delete a rule of a security group.",
        ("DELETE /os-security-group-rules/{rule_id}",),
    ),
    Rule("os_compute_api:os-networks:list", READER, "List networks.", ("GET /os-networks",)),
    Rule("os_compute_api:os-networks:show", READER, "Show a network.", ("GET /os-networks/{network_id}",)),
    Rule(
        "os_compute_api:os-tenant-networks:list",
        READER,
        "List networks, in fewer words.",
        ("GET /os-tenant-networks",),
    ),
    Rule(
        "os_compute_api:os-tenant-networks:show",
        READER,
        "Show a network, in fewer words.",
        ("GET /os-tenant-networks/{network_id}",),
    ),
    Rule(
        "os_compute_api:os-floating-ip-pools",
        ANY,
        "List where floating addresses come from.",
        ("GET /os-floating-ip-pools",),
    ),
    Rule(
        "os_compute_api:os-floating-ips:list",
        READER,
        "List floating addresses.",
        ("GET /os-floating-ips",),
    ),
    Rule(
        "os_compute_api:os-floating-ips:show",
        READER,
        "Show a floating address.",
        ("GET /os-floating-ips/{floating_ip_id}",),
    ),
    Rule(
        "os_compute_api:os-floating-ips:create",
        MEMBER,
        "Allocate a floating address.",
        ("POST /os-floating-ips",),
    ),
    Rule(
        "os_compute_api:os-floating-ips:delete",
        MEMBER,
        "Release a floating address.",
        ("DELETE /os-floating-ips/{floating_ip_id}",),
    ),
    Rule("os_compute_api:os-volumes:list", READER, "List volumes.", ("GET /os-volumes",)),
    Rule(
        "os_compute_api:os-volumes:detail",
        READER,
        "List volumes with all fields.",
        ("GET /os-volumes/detail",),
    ),
    Rule("os_compute_api:os-volumes:show", READER, "Show a volume.", ("GET /os-volumes/{volume_id}",)),
    Rule("os_compute_api:os-volumes:create", MEMBER, "Create a volume.", ("POST /os-volumes",)),
    Rule("os_compute_api:os-volumes:delete", MEMBER, "Delete a volume.", ("DELETE /os-volumes/{volume_id}",)),
    Rule("os_compute_api:os-volumes:snapshots:list", READER, "List snapshots.", ("GET /os-snapshots",)),
    Rule(
        "os_compute_api:os-volumes:snapshots:detail",
        READER,
        "List snapshots with all fields.",
        ("GET /os-snapshots/detail",),
    ),
    Rule(
        "os_compute_api:os-volumes:snapshots:show",
        READER,
        "Show a snapshot.",
        ("GET /os-snapshots/{snapshot_id}",),
    ),
    Rule("os_compute_api:os-volumes:snapshots:create", MEMBER, "Create a snapshot.", ("POST /os-snapshots",)),
    Rule(
        "os_compute_api:os-volumes:snapshots:delete",
        MEMBER,
        "Delete a snapshot.",
        ("DELETE /os-snapshots/{snapshot_id}",),
    ),
    Rule(
        "os_compute_api:os-baremetal-nodes:list",
        ADMIN,
        "List bare metal nodes; also asked before changes are refused.",
        (
            "GET /os-baremetal-nodes",
            "POST /os-baremetal-nodes",
            "DELETE /os-baremetal-nodes/{node_id}",
            "POST /os-baremetal-nodes/{node_id}/action",
        ),
    ),
    Rule(
        "os_compute_api:os-baremetal-nodes:show",
        ADMIN,
        "Show a bare metal node.",
        ("GET /os-baremetal-nodes/{node_id}",),
    ),
]

RULES = [*BLOCKS, *SERVERS, *ACTIONS, *SERVER_PARTS, *FLAVORS, *KEYPAIRS, *CLOUD, *PROXIES]
