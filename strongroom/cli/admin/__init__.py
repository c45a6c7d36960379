"""``strongroom admin``: what an operator does at night. Everything needs a token with the admin role."""

from __future__ import annotations

import typer

from strongroom.cli.admin import audit, cleaner, quota, replicas, usage, user
from strongroom.cli.commands import command


def _group(parent: typer.Typer, name: str, text: str) -> typer.Typer:
    made = typer.Typer(help=text, no_args_is_help=True)
    parent.add_typer(made, name=name)
    return made


def add_to(app: typer.Typer) -> None:
    """Make the commands of ``strongroom admin`` known to ``app``."""
    admin = _group(app, "admin", "What an operator does; needs the admin role.")
    command(admin, "usage")(usage.usage)
    command(admin, "audit")(audit.audit)
    command(admin, "replicas")(replicas.replicas)
    command(admin, "drain")(replicas.drain)
    command(admin, "undrain")(replicas.undrain)
    command(admin, "reindex")(replicas.reindex)
    command(_group(admin, "cleaner", "What removes objects."), "status")(cleaner.status)
    attempts = _group(admin, "attempts", "Uploads under way, and objects on their way out.")
    command(attempts, "ls", alias="list")(cleaner.ls)
    command(attempts, "retry")(cleaner.retry)
    command(attempts, "requeue")(cleaner.requeue)
    command(attempts, "abort")(cleaner.abort)
    users = _group(admin, "user", "All of one user.")
    command(users, "erase")(user.erase)
    command(users, "export")(user.export)
    command(users, "erasure")(user.erasure)
    quotas = _group(admin, "quota", "What a user may store.")
    command(quotas, "get")(quota.get)
    command(quotas, "set")(quota.set_)
