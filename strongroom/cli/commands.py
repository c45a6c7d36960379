"""Registers commands: an async function with a ``Session`` first becomes a typer command with the shared
options. They may stand before the command, too: ``strongroom --as alice ls``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
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
    "timeout": Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="How long a call without bytes may take, and how long to go on trying. Else 30 and 120.",
            rich_help_panel=_CONNECTION,
        ),
    ],
    "retries": Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="How often to try again what fails. Else 9.", rich_help_panel=_CONNECTION
        ),
    ],
}
_OPTIONS = OUTPUT_OPTIONS | CONNECTION_OPTIONS
_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def command(
    app: typer.Typer,
    name: str,
    *,
    connects: bool = True,
    epilog: str | None = None,
    alias: str = "",
    default: bool = False,
) -> Callable[[Function], Function]:
    """Make a function a command of ``app``. ``connects``: it also gets the options of a connection.

    ``alias``: a second name, which help does not list. ``default``: it is what the group ``app`` itself does,
    named without one of its commands.
    """
    shared = _OPTIONS if connects else OUTPUT_OPTIONS

    def register(function: Function) -> Function:
        @functools.wraps(function)
        def entry(context: typer.Context, **given: Any) -> None:
            if default and context.invoked_subcommand is not None:
                return
            session = _session({option: _nearest(given.pop(option), context, option) for option in shared})
            raise typer.Exit(run(session, lambda: function(session, **given)))

        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]
        parameters = [_CONTEXT, *(parameter.replace(kind=_CONTEXT.kind) for parameter in own)]
        _declare(entry, parameters, shared)
        del entry.__wrapped__
        if default:
            app.callback(invoke_without_command=True, epilog=epilog)(entry)
            return function
        app.command(name, epilog=epilog)(entry)
        if alias:
            app.command(alias, epilog=epilog, hidden=True)(entry)
        return function

    return register


def root(app: typer.Typer) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function the callback of ``app``, with every shared option before the commands."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def entry(**given: Any) -> None:
            function(**{name: value for name, value in given.items() if name not in _OPTIONS})

        own = list(inspect.signature(function, eval_str=True).parameters.values())
        entry.__doc__ = function.__doc__
        _declare(entry, [parameter.replace(kind=_CONTEXT.kind) for parameter in own], _OPTIONS)
        app.callback()(entry)
        return function

    return register


def _nearest(value: Any, context: typer.Context, option: str) -> Any:
    """An option's value: what stands behind the command is nearer to it than what stands before."""
    before = context.parent
    while before is not None and (value is None or value is False):
        value, before = before.params.get(option), before.parent
    return value


def _declare(entry: Callable[..., None], own: list[inspect.Parameter], shared: Mapping[str, Any]) -> None:
    """Give ``entry`` the signature that typer reads: its own parameters and the shared options."""
    parameters = [*own, *(_parameter(option, annotation) for option, annotation in shared.items())]
    entry.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    # Older typers read the annotations instead.
    entry.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


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
            given.get("timeout"),
            given.get("retries"),
        ),
        Output(as_json=bool(given["as_json"]), quiet=bool(given["quiet"])),
        for_user=given.get("for_user") or "",
        debug=bool(given["debug"]),
    )
