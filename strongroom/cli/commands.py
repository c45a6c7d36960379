"""Registers commands: turns an async function with a ``Session`` into a typer command with the shared
options.

The options may be given before the command, too: ``strongroom --as alice ls``.

There are seventy commands with a dozen options each, and a call needs one of them. So a command is made only
when it is asked for, which saves a sixth of a call's time.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from strongroom.cli.output import Output
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session, run
from strongroom.cli.settings import ConnectionOptions

#: Names that other tools use for a command, none of which is similar to ours.
ELSEWHERE: Final = {
    "cat": "get -",
    "copy": "cp",
    "del": "rm",
    "delete": "rm",
    "download": "get",
    "du": "usage",
    "help": "-h",
    "info": "stat",
    "list": "ls",
    "move": "mv",
    "presign": "url",
    "remove": "rm",
    "rename": "mv",
    "show": "stat",
    "update": "edit",
    "upload": "put",
    "whoami": "doctor",
}
Function = TypeVar("Function", bound=Callable[..., Awaitable[ExitCode | None]])


def _named(user: str | None) -> str | None:
    """Check ``--for-user``. Raises typer.BadParameter if it is empty, which would mean the caller's own
    files.
    """
    if user == "":
        raise typer.BadParameter("is empty; leave it out to act for yourself")
    return user


_CONNECTION = "Connection"
_OUTPUT = "Output"

OUTPUT_OPTIONS: dict[str, Any] = {
    "as_json": Annotated[
        bool, typer.Option("--json", help="Print one JSON document per line.", rich_help_panel=_OUTPUT)
    ],
    "quiet": Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print no progress bars and no notes.", rich_help_panel=_OUTPUT),
    ],
    "debug": Annotated[
        bool, typer.Option("--debug", help="Show the traceback of a failure.", rich_help_panel=_OUTPUT)
    ],
}
CONNECTION_OPTIONS: dict[str, Any] = {
    "storage_address": Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Default: STRONGROOM_STORAGE_ADDRESS.", rich_help_panel=_CONNECTION
        ),
    ],
    "metadata_address": Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Default: STRONGROOM_METADATA_ADDRESS.", rich_help_panel=_CONNECTION
        ),
    ],
    "token": Annotated[
        str | None,
        typer.Option(
            metavar="JWT",
            help="Default: STRONGROOM_TOKEN, which does not show in the process list of this machine.",
            rich_help_panel=_CONNECTION,
        ),
    ],
    "as_user": Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Development: make a token for NAME. Default: STRONGROOM_USER.",
            rich_help_panel=_CONNECTION,
        ),
    ],
    "for_user": Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=_named,
            help="Act for this user; needs the admin role.",
            rich_help_panel=_CONNECTION,
        ),
    ],
    "timeout": Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="Limit of a call that carries no file, and of all its retries. Default: 30 and 120.",
            rich_help_panel=_CONNECTION,
        ),
    ],
    "retries": Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="How often to retry a failed call. Default: 9.",
            rich_help_panel=_CONNECTION,
        ),
    ],
}
_OPTIONS = OUTPUT_OPTIONS | CONNECTION_OPTIONS
_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


class Commands(typer.Typer):
    """A program or a group of it. ``settings``: those of ``typer.Typer``."""

    def __init__(self, **settings: Any) -> None:
        #: Functions that make a command, by name (typer does not export its type).
        self.makers: dict[str, Callable[[], Any]] = {}
        super().__init__(cls=_group_of(self.makers), **settings)

    def group(self, name: str, text: str) -> Commands:
        """Return a new group of commands, which shows its help if called without a command."""
        made = Commands(help=text, no_args_is_help=True)
        self.add_typer(made, name=name)
        return made


class _MadeWhenAskedFor(MutableMapping[str, Any]):
    """Commands by name: those made on demand, followed by those that typer has made."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]], made: MutableMapping[str, Any]) -> None:
        self._makers = makers
        self._made = made

    def __getitem__(self, name: str) -> Any:
        if name not in self._made and name in self._makers:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._makers, *(name for name in self._made if name not in self._makers)])

    def __len__(self) -> int:
        return len(self._makers.keys() | self._made.keys())

    def __setitem__(self, name: str, made: Any) -> None:
        self._made[name] = made

    def __delitem__(self, name: str) -> None:
        del self._made[name]


def _group_of(makers: Mapping[str, Callable[[], Any]]) -> type[TyperGroup]:
    class Group(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = _MadeWhenAskedFor(makers, self.commands)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            ours = ELSEWHERE.get(args[0], "") if args and args[0] not in self.commands else ""
            if ours == "-h" or ours.partition(" ")[0] in self.commands:
                ctx.fail(f"No such command '{args[0]}'; here it is: {ctx.command_path} {ours}")
            return super().resolve_command(ctx, args)

    return Group


class _Command(TyperCommand):
    """A command that refuses empty arguments where something has to be named.

    An empty text is usually an unset variable of a script. As a path it would mean the current folder, or
    everything.
    """

    def make_parser(self, ctx: Any) -> Any:
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_named(args: list[str]) -> Any:
            found = parse(args=args)
            for parameter in self.get_params(ctx):
                if parameter.param_type_name == "argument" and parameter.required:
                    value = found[0].get(parameter.name)
                    if "" in (value if isinstance(value, list | tuple) else (value,)):
                        ctx.fail(f"{parameter.metavar} is empty; is a variable not set?")
            return found

        parser.parse_args = parse_named
        return parser


def _made(entry: Callable[..., None], name: str, epilog: str | None, *, hidden: bool) -> Any:
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.command(name, cls=_Command, epilog=epilog, hidden=hidden)(entry)
    return get_command(alone)


def command(
    app: Commands,
    name: str,
    *,
    connects: bool = True,
    epilog: str | None = None,
    alias: str = "",
    default: bool = False,
) -> Callable[[Function], Function]:
    """Make a function a command of ``app``. ``connects``: add the options of a connection.

    ``alias``: a second name, which help does not list. ``default``: the command runs if the group ``app`` is
    called without a command.
    """
    shared = _OPTIONS if connects else OUTPUT_OPTIONS

    def register(function: Function) -> Function:
        @functools.wraps(function)
        def entry(context: typer.Context, **given: Any) -> None:
            if default and context.invoked_subcommand is not None:
                return
            session = _session({option: _nearest(given.pop(option), context, option) for option in shared})
            raise typer.Exit(run(session, lambda: function(session, **given)))

        del entry.__wrapped__

        def declared() -> Callable[..., None]:
            own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
            parameters = [_CONTEXT, *(parameter.replace(kind=_CONTEXT.kind) for parameter in own)]
            _declare(entry, parameters, shared)
            return entry

        if default:
            app.callback(invoke_without_command=True, epilog=epilog)(declared())
            return function
        app.makers[name] = lambda: _made(declared(), name, epilog, hidden=False)
        if alias:
            app.makers[alias] = lambda: _made(declared(), alias, epilog, hidden=True)
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
    """Return an option's value: the one after the command, else the one before it."""
    before = context.parent
    while before is not None and (value is None or value is False):
        value, before = before.params.get(option), before.parent
    return value


def _declare(entry: Callable[..., None], own: list[inspect.Parameter], shared: Mapping[str, Any]) -> None:
    """Give ``entry`` the signature that typer reads: its own parameters and the shared options."""
    parameters = [*own, *(_parameter(option, annotation) for option, annotation in shared.items())]
    entry.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    # Older versions of typer read the annotations instead.
    entry.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _parameter(option: str, annotation: Any) -> inspect.Parameter:
    default = False if option in OUTPUT_OPTIONS else None
    return inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _session(given: dict[str, Any]) -> Session:
    """Return the session for the shared options. Options that the command doesn't have are missing."""
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
