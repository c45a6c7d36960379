"""A user with random requests, each sent once, and the states that the service may show afterwards."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, NamedTuple

import httpx

from strongroom import Client
from strongroom.client import RetryPolicy
from strongroom.errors import StrongroomError
from tests.faults.campaigns import possible
from tests.faults.campaigns.possible import Fits, Request, S
from tests.faults.cell import Cell
from tests.faults.client import http_client
from tests.stack import until

ANSWER_SECONDS: Final = 60.0
_UNDER_WAY: Final = """
SELECT FROM blobs WHERE owner_id = %(owner)s AND state IN (1, 2) AND NOT EXISTS (
    SELECT FROM upload_sessions AS session
    WHERE session.owner_id = blobs.owner_id AND session.blob_id = blobs.id)
UNION ALL SELECT FROM project_saves WHERE owner_id = %(owner)s
"""
"""Without uploads that continue later: asking for their offset ends a writer."""
_BUSY: Final = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND state <> 'idle' AND usename <> 'postgres'
"""


class Refused(Exception):
    """A final refusal over HTTP: it was not done."""


class Unanswered(Exception):
    """No answer over HTTP, or one that leaves open whether it was done."""


class Chosen(NamedTuple):
    """The next request: its name, the model's version, and how to send it. Sending returns the outcomes that
    fit the answer; None: all.
    """

    name: str
    request: Request[Any]
    send: Callable[[Client], Fits[Any] | None]


def done(name: str, request: Request[Any], send: Callable[[Client], object]) -> Chosen:
    """The choice of a request whose answer contains only its success."""

    def sent(client: Client) -> None:
        send(client)

    return Chosen(name, request, sent)


class ModelWalk(ABC, Generic[S]):
    """One user. ``possible``: the possible states of the model."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (Refused,)

    def __init__(self, cell: Cell, owner: str, start: S) -> None:
        self.cell = cell
        self.owner = owner
        self.possible = {start}
        self.history: list[str] = []

    def step(self, chance: random.Random) -> None:
        """Send one request once."""
        known = min(self.possible)  # type: ignore[type-var]  # states are tuples
        chosen = self.choose(known, chance)  # chosen for a possibly wrong state: then it is refused
        with self.client(RetryPolicy(attempts=1)) as client:
            try:
                fits = chosen.send(client) or possible.anything
            except self.refusals as error:
                outcome, after = f"{type(error).__name__} {error}", self.after_refusal(chosen.request, error)
            except (StrongroomError, Unanswered) as error:
                outcome = f"? {type(error).__name__}"
                after = possible.unanswered(self.possible, chosen.request)
            else:
                outcome, after = "done", possible.answered(self.possible, chosen.request, fits)
        self.history.append(f"{chosen.name}: {outcome}")
        assert after, f"{self.owner}: the model does not allow the last answer: {self.history}"
        self.possible = after

    def after_refusal(self, request: Request[S], error: Exception) -> set[S]:
        """The states possible then."""
        return possible.refused(self.possible, request)

    def compare(self) -> str:
        """Observe the service once no request is in progress, and keep the matching states. Returns a
        description of the difference if none matches.
        """
        until(f"the attempts of {self.owner} have ended", lambda: not self.query(_UNDER_WAY), pause=0.1)
        until("no transaction is open", lambda: not self.query(_BUSY), pause=0.05)
        with self.client() as client:
            seen = self.look(client)
        allowed, self.possible = self.possible, self.possible & {seen}
        if self.possible:
            return ""
        return f"{self.owner}: after {self.history} there is {seen}, and the model allows {allowed}"

    @abstractmethod
    def choose(self, known: S, chance: random.Random) -> Chosen:
        """Choose the next request, given this state."""

    @abstractmethod
    def look(self, client: Client) -> S:
        """The observed state."""

    def settle(self) -> None:
        """Cancel what would otherwise continue later."""

    @abstractmethod
    def damage(self) -> list[str]:
        """Leftovers after all tombstones have ended, and content that differs from what was stored."""

    def client(self, retry: RetryPolicy | None = None) -> Client:
        """An SDK client; the caller closes it."""
        addresses = self.cell.storage_address, self.cell.address("metadata")
        return Client(*addresses, token=self.cell.token(self.owner), retry=retry)

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """One HTTP request. Raises Refused, Unanswered."""
        with http_client(self.cell, self.owner) as client:
            return asked(client, method, path, **how)

    def query(self, sql: str) -> list[Any]:
        """Rows about ``%(owner)s``."""
        return self.cell.checker.query(sql.replace("%(owner)s", f"'{self.owner}'"))


def asked(client: httpx.Client, method: str, path: str, **how: Any) -> httpx.Response:
    """One request. Raises Refused: finally; Unanswered: unknown, or it may be repeated."""
    try:
        reply = client.request(method, path, **how)
    except httpx.TransportError as error:
        raise Unanswered(type(error).__name__) from error
    if reply.status_code >= 500 or "retry-after" in reply.headers:
        raise Unanswered(str(reply.status_code))
    if reply.status_code >= 400:
        raise Refused(f"{reply.status_code} {reply.text[:200]}")
    return reply
