"""``strongroom admin``: operations for admins. All commands need a token with the admin role."""

from __future__ import annotations

from strongroom.cli import notify
from strongroom.cli.admin import audit, cleaner, replicas, usage, user
from strongroom.cli.commands import Commands, command


def add_to(app: Commands) -> None:
    """Add the commands of ``strongroom admin`` to ``app``."""
    admin = app.group("admin", "For operators; needs the admin role.")
    command(admin, "usage")(usage.usage)
    command(admin, "infected")(usage.infected)
    command(admin, "costs")(usage.costs)
    command(admin, "audit")(audit.audit)
    command(admin, "watch")(notify.watch_all)
    command(admin, "replicas")(replicas.replicas)
    command(admin, "drain")(replicas.drain)
    command(admin, "undrain")(replicas.undrain)
    command(admin, "reindex")(replicas.reindex)
    command(admin.group("cleaner", "The cleaner, which removes objects."), "status")(cleaner.status)
    attempts = admin.group("attempts", "Uploads under way, and objects being removed.")
    command(attempts, "ls", alias="list")(cleaner.ls)
    command(attempts, "retry")(cleaner.retry)
    command(attempts, "requeue")(cleaner.requeue)
    command(attempts, "abort")(cleaner.abort)
    users = admin.group("user", "Everything one user has stored.")
    command(users, "erase")(user.erase)
    command(users, "export")(user.export)
    command(users, "erasure")(user.erasure)
    quotas = admin.group("quota", "How much a user may store.")
    command(quotas, "get")(usage.quota)
    command(quotas, "set")(usage.set_quota)
