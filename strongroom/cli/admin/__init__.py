"""``strongroom admin``: what an operator does at night. Everything needs a token with the admin role."""

from __future__ import annotations

import typer

from strongroom.cli.admin import audit, quota, usage
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
    quotas = _group(admin, "quota", "What a user may store.")
    command(quotas, "get")(quota.get)
    command(quotas, "set")(quota.set_)
