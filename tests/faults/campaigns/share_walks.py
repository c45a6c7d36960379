"""A user who shares a file, guests who open it as often as allowed, and a model of that: each share's limit
and count.
"""

from __future__ import annotations

import random
from typing import ClassVar, Final, NamedTuple, TypeAlias

import httpx

from strongroom import Client
from strongroom.client import SharedPrefix
from strongroom.errors import ShareNotFound
from tests.faults.campaigns import possible
from tests.faults.campaigns.numbered import added, at, changed
from tests.faults.campaigns.walking import Chosen, ModelWalk, Refused, asked, done
from tests.faults.cell import Cell
from tests.faults.client import SMALL, new_upload, repeat_until_stored
from tests.stack import PATIENCE

MOST_USES: Final = 3


class Shared(NamedTuple):
    """A share, by the number of its request."""

    number: int
    max_uses: int
    uses: int = 0
    revoked: bool = False


Shares: TypeAlias = tuple[Shared, ...]
Steps: TypeAlias = possible.Steps[Shares]
Request: TypeAlias = possible.Request[Shares]


def create(number: int, max_uses: int) -> Request:
    """A repeat creates nothing."""
    return lambda shares: (added(shares, Shared(number, max_uses)),)


def open_once(number: int) -> Request:
    """Counted, up to the limit."""

    def request(shares: Shares) -> Steps:
        share = at(shares, number)
        if share is None or share.revoked or share.uses >= share.max_uses:
            return ()
        return (changed(shares, share._replace(uses=share.uses + 1)),)

    return request


def read(number: int) -> Request:
    """Read by a guest who has opened it, until it is revoked."""

    def request(shares: Shares) -> Steps:
        share = at(shares, number)
        return (shares,) if share is not None and not share.revoked else ()

    return request


def allow(number: int, max_uses: int) -> Request:
    """Set the limit, earlier uses included."""

    def request(shares: Shares) -> Steps:
        share = at(shares, number)
        if share is None or share.revoked:
            return ()
        return (changed(shares, share._replace(max_uses=max_uses)),)

    return request


def revoke(number: int) -> Request:
    """For good; may be repeated."""

    def request(shares: Shares) -> Steps:
        share = at(shares, number)
        return (changed(shares, share._replace(revoked=True)),) if share is not None else ()

    return request


class ShareWalk(ModelWalk[Shares]):
    """The file stays; its shares come and go."""

    refusals: ClassVar = (ShareNotFound, Refused)

    def __init__(self, cell: Cell, owner: str) -> None:
        super().__init__(cell, owner, ())
        self._upload = new_upload(owner, SMALL)
        self._urls: dict[int, str] = {}
        self._ids: dict[int, str] = {}
        self._sessions: dict[int, httpx.Cookies] = {}
        repeat_until_stored(cell, self._upload)

    def choose(self, known: Shares, chance: random.Random) -> Chosen:
        unheard = [share.number for share in known if share.number not in self._urls]
        if not known or chance.random() < 0.25:
            number = chance.choice([*unheard, len(self._numbers(known))])
            return self._create(number, 1 + number % MOST_USES)
        number = chance.choice(known).number
        kinds = ["allow", "revoke"] if number in self._ids else []
        kinds += ["open"] * 5 if number in self._urls else []
        kinds += ["read"] * 2 if number in self._sessions else []
        kind = chance.choice(kinds or ["create"])
        match kind:
            case "open":
                return self._open(number)
            case "read":
                return self._read(number)
            case "allow":
                most = chance.randint(1, 2 * MOST_USES)
                return done(
                    f"allow {number} {most} uses",
                    allow(number, most),
                    lambda to: to.shares.update(self._ids[number], max_uses=most),
                )
            case "revoke":
                return done(
                    f"revoke {number}", revoke(number), lambda to: to.shares.revoke(self._ids[number])
                )
        return self._create(number, 1 + number % MOST_USES)

    def look(self, client: Client) -> Shares:
        found = []
        for share in client.shares.list():
            number = int(share.title)
            self._ids[number] = share.id
            found.append(Shared(number, share.max_uses, share.uses, share.state == "revoked"))
        return tuple(sorted(found))

    def damage(self) -> list[str]:
        return self.cell.checker.must_hold(self._upload, "visible")

    def _numbers(self, known: Shares) -> set[int]:
        return {share.number for share in known} | set(self._ids) | set(self._urls)

    def _create(self, number: int, max_uses: int) -> Chosen:
        def send(client: Client) -> None:
            scope = SharedPrefix(self._upload.acked)
            name = f"share-{number}"
            made = client.shares.create(scope, title=str(number), max_uses=max_uses, request_id=name)
            self._urls[number], self._ids[number] = made.url.partition("/s/")[2], made.id

        return Chosen(f"create {number}", create(number, max_uses), send)

    def _open(self, number: int) -> Chosen:
        """Open as a new guest."""

        def send(_: Client) -> None:
            with self._guest() as guest:
                page = asked(guest, "POST", f"/s/{self._urls[number]}")
                self._sessions[number] = guest.cookies
            assert page.json()["needs"] is None, page.text

        return Chosen(f"open {number}", open_once(number), send)

    def _read(self, number: int) -> Chosen:
        """Read as the last guest who has opened it."""

        def send(_: Client) -> None:
            with self._guest(self._sessions[number]) as guest:
                page = asked(guest, "GET", f"/s/{self._urls[number]}").json()
                (file,) = page["files"]
                body = asked(guest, "GET", file["url"]).content
            assert body == self._upload.body

        return Chosen(f"read {number}", read(number), send)

    def _guest(self, cookies: httpx.Cookies | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=self.cell.url, cookies=cookies, timeout=PATIENCE, trust_env=False, verify=False
        )
