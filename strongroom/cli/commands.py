"""Registers commands: an async function with a ``Session`` first becomes a typer command with the shared
options.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from strongroom.cli.output import Output
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session, run
from strongroom.cli.settings import ConnectionOptions

Function = TypeVar("Function", bound=Callable[..., Awaitable[ExitCode | None]])

_CONNECTION = "Connection"
_OUTPUT = "Output"

OUTPUT_OPTIONS: dict[str, Any] = {
    "as_json": Annotated[
        bool, typer.Option("--json", help="One JSON document a line.", rich_help_panel=_OUTPUT)
    ],
    "quiet": Annotated[
        bool, typer.Option("--quiet", "-q", help="No bars, no notes.", rich_help_panel=_OUTPUT)
    ],
    "debug": Annotated[
        bool, typer.Option("--debug", help="Show the stack of a failure.", rich_help_panel=_OUTPUT)
    ],
}
CONNECTION_OPTIONS: dict[str, Any] = {
    "storage_address": Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Else STRONGROOM_STORAGE_ADDRESS.", rich_help_panel=_CONNECTION
        ),
    ],
    "metadata_address": Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Else STRONGROOM_METADATA_ADDRESS.", rich_help_panel=_CONNECTION
        ),
    ],
    "token": Annotated[
        str | None,
        typer.Option(
            metavar="JWT",
            help="Else STRONGROOM_TOKEN, which other users of this machine can't see in its process list.",
            rich_help_panel=_CONNECTION,
        ),
    ],
    "as_user": Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Development: make a token for NAME. Else STRONGROOM_USER.",
            rich_help_panel=_CONNECTION,
        ),
    ],
    "for_user": Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Act for this user; needs the admin role.", rich_help_panel=_CONNECTION
        ),
    ],
}
_OPTIONS = OUTPUT_OPTIONS | CONNECTION_OPTIONS


def command(
    app: typer.Typer,
    name: str,
    *,
    connects: bool = True,
    epilog: str | None = None,
    alias: str = "",
) -> Callable[[Function], Function]:
    """Make a function a command of ``app``. ``connects``: it also gets the options of a connection.

    ``alias``: a second name, which help does not list.
    """
    shared = _OPTIONS if connects else OUTPUT_OPTIONS

    def register(function: Function) -> Function:
        @functools.wraps(function)
        def entry(**given: Any) -> None:
            session = _session({option: given.pop(option) for option in shared})
            raise typer.Exit(run(session, lambda: function(session, **given)))

        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        parameters += [_parameter(option, annotation) for option, annotation in shared.items()]
        entry.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        # Older typers read the annotations instead.
        entry.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del entry.__wrapped__
        app.command(name, epilog=epilog)(entry)
        if alias:
            app.command(alias, epilog=epilog, hidden=True)(entry)
        return function

    return register


def _parameter(option: str, annotation: Any) -> inspect.Parameter:
    default = False if option in OUTPUT_OPTIONS else None
    return inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _session(given: dict[str, Any]) -> Session:
    """The session of the shared options; those that the command does not have are absent."""
    return Session(
        ConnectionOptions(
            given.get("storage_address"),
            given.get("metadata_address"),
            given.get("token"),
            given.get("as_user"),
        ),
        Output(as_json=given["as_json"], quiet=given["quiet"]),
        for_user=given.get("for_user") or "",
        debug=given["debug"],
    )
