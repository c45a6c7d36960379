"""Operations, and the table that finds one by method and path.

Paths are matched as they arrive, before percent-decoding. So ``{key:path}`` matches slashes written plainly
or as ``%2F``, and a literal suffix (``/url``) matches only a literal slash: a key that ends in ``/url``
itself is reached by writing its slashes as ``%2F``. Each parameter is decoded once, as UTF-8 (RFC 3986
section 2.4).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes

from gateway.http.reply import Reply
from gateway.upstream.call import Call
from strongroom.errors import MalformedRequest, MethodNotAllowed, NotFound


class Handler(Protocol):
    """Answers one request. Raises StrongroomError for everything that becomes a problem."""

    __name__: str

    def __call__(self, call: Call, /) -> Awaitable[Reply]: ...


_PARAMETER: Final = re.compile(r"\{(?P<name>[a-z_]+)(?P<kind>:path)?\}")
_NAME: Final = r"{\g<name>}"
_SLASHES: Final = re.compile("/{2,}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    ``family``: its folder in ``gateway.families``, where ``DOCS`` documents it under ``name``. ``public``: no
    token is required. ``hidden``: not in the OpenAPI document. ``scripts``: pages may execute the response.
    ``judges``: the preconditions that the route evaluates (``operations.preconditions``).
    """

    method: str
    path: str
    handler: Handler
    family: str
    name: str
    public: bool = False
    hidden: bool = False
    scripts: bool = False
    judges: tuple[str, ...] = ()


class Routes:
    """The operations of one family, collected by decorators at the handlers."""

    def __init__(self, family: str, *, public: bool = False, hidden: bool = False) -> None:
        self._family = family
        self._public = public
        self._hidden = hidden
        self._operations: list[Operation] = []

    def add(
        self, method: str, path: str, *, scripts: bool = False, judges: tuple[str, ...] = ()
    ) -> Callable[[Handler], Handler]:
        """Register the decorated handler under its own name. The other parameters: see ``Operation``."""

        def register(handler: Handler) -> Handler:
            of_family = (self._family, handler.__name__, self._public, self._hidden)
            self._operations.append(Operation(method, path, handler, *of_family, scripts, judges))
            return handler

        return register

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations)


class _Path:
    """One path template with its methods."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.methods: dict[str, Operation] = {}
        self._pattern = re.compile(_pattern(template))

    def match(self, raw_path: str) -> re.Match[str] | None:
        return self._pattern.fullmatch(raw_path)

    def allow(self) -> str:
        """The value of the ``Allow`` header (RFC 9110 section 10.2.1)."""
        methods = set(self.methods) | {"OPTIONS"}
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))


class RouteTable:
    """Finds operations. Templates are tried in order: those with a literal suffix must come before those
    without.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._fixed: dict[str, _Path] = {}
        self._templates: list[_Path] = []
        for operation in operations:
            path = self._path(operation.path)
            if operation.method in path.methods:
                raise ValueError(f"{operation.method} {operation.path} is routed twice")
            path.methods[operation.method] = operation

    def _path(self, template: str) -> _Path:
        if "{" not in template:
            return self._fixed.setdefault(template, _Path(template))
        for known in self._templates:
            if known.template == template:
                return known
        self._templates.append(_Path(template))
        return self._templates[-1]

    def find(self, method: str, raw_path: str) -> tuple[Operation, dict[str, str]]:
        """The operation and its decoded path parameters. GET's operation also answers HEAD.

        :raises NotFound: no template matches.
        :raises MethodNotAllowed: one matches, but not with this method.
        :raises MalformedRequest: a parameter is not UTF-8.
        """
        path, values = self._find_path(raw_path)
        operation = path.methods.get(method)
        if operation is None and method == "HEAD":
            operation = path.methods.get("GET")
        if operation is None:
            allow = path.allow()
            raise MethodNotAllowed(f"This route takes {allow}, not {method}.", metadata={"allow": allow})
        return operation, {name: _decoded(name, value) for name, value in values.items()}

    def allow(self, raw_path: str) -> str | None:
        """The methods of a path, for OPTIONS; None if there is no such path, or it has an OPTIONS
        operation.
        """
        try:
            path, _ = self._find_path(raw_path)
        except NotFound:
            return None
        return None if "OPTIONS" in path.methods else path.allow()

    def _find_path(self, raw_path: str) -> tuple[_Path, Mapping[str, str]]:
        fixed = self._fixed.get(raw_path)
        if fixed is not None:
            return fixed, {}
        for path in self._templates:
            match = path.match(raw_path)
            if match is not None:
                return path, match.groupdict()
        raise NotFound(f"There is no such route{self._nearest(raw_path)}; /docs lists them all.")

    def _nearest(self, raw_path: str) -> str:
        """A suggestion of a similar route: without extra slashes, in lower case, with or without ``/v1``.

        It names only the template, since a path may contain a secret.
        """
        plain = _SLASHES.sub("/", raw_path).rstrip("/")
        newer, older = "/api/v1/", "/api/"
        other = plain.replace(newer, older, 1) if plain.startswith(newer) else plain.replace(older, newer, 1)
        for path in dict.fromkeys((plain, plain.lower(), other, other.lower())):
            if path in self._fixed:
                return f", but there is {path}"
            for known in self._templates:
                if known.match(path):
                    return f", but there is {_PARAMETER.sub(_NAME, known.template)}"
        return ""


def _pattern(template: str) -> str:
    pattern, end = "", 0
    for parameter in _PARAMETER.finditer(template):
        pattern += re.escape(template[end : parameter.start()])
        pattern += f"(?P<{parameter['name']}>{'.+' if parameter['kind'] else '[^/]+'})"
        end = parameter.end()
    return pattern + re.escape(template[end:])


def _decoded(name: str, value: str) -> str:
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRequest(f"The path parameter {name} is not UTF-8 once percent-decoded.") from None
