"""A user who uploads files by tus in pieces, and cancels some; and a model of that: each upload's offset.

A piece whose request has no answer may have been persisted up to any of its bytes.
"""

from __future__ import annotations

import random
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple, TypeAlias

from strongroom import Client
from tests.faults.campaigns import possible
from tests.faults.campaigns.numbered import added, at, changed
from tests.faults.campaigns.possible import Fits
from tests.faults.campaigns.walking import Chosen, ModelWalk, Refused, asked
from tests.faults.cell import Cell
from tests.faults.client import http_client
from tests.faults.seed import dice
from tests.faults.sessions.tus_client import BYTES, TUS, metadata

LONGEST: Final = 60
_EXPIRE: Final = """
WITH session AS (
    UPDATE upload_sessions SET expires_at = now() WHERE owner_id = %s AND upload_id = %s
    RETURNING owner_id, blob_id
)
UPDATE blobs SET lease_expires_at = now() FROM session
WHERE blobs.owner_id = session.owner_id AND blobs.id = session.blob_id AND blobs.state = 1
"""


class Is(StrEnum):
    """The outcome of an upload; the file of a finished one exists."""

    OPEN = "open"
    FINISHED = "finished"
    GONE = "gone"
    EXPIRED = "expired"


class Sent(NamedTuple):
    """An upload, by the number of its request."""

    number: int
    length: int
    offset: int = 0
    state: Is = Is.OPEN


Uploads: TypeAlias = tuple[Sent, ...]
Steps: TypeAlias = possible.Steps[Uploads]
Request: TypeAlias = possible.Request[Uploads]


def create(number: int, length: int) -> Request:
    """A repeat creates nothing."""
    return lambda uploads: (added(uploads, Sent(number, length)),)


def append(number: int, offset: int, size: int) -> Request:
    """Each byte is a step; after the last one the file exists."""

    def request(uploads: Uploads) -> Steps:
        upload = at(uploads, number)
        if upload is None or upload.state is not Is.OPEN or upload.offset != offset:
            return ()
        return tuple(changed(uploads, _grown(upload, end)) for end in range(offset + 1, offset + size + 1))

    return request


def ask(number: int) -> Request:
    """HEAD."""

    def request(uploads: Uploads) -> Steps:
        upload = at(uploads, number)
        return (uploads,) if upload is not None and upload.state in {Is.OPEN, Is.FINISHED} else ()

    return request


def terminate(number: int) -> Request:
    """Deletes the file of a finished one."""

    def request(uploads: Uploads) -> Steps:
        upload = at(uploads, number)
        if upload is None or upload.state not in {Is.OPEN, Is.FINISHED}:
            return ()
        return (changed(uploads, upload._replace(offset=0, state=Is.GONE)),)

    return request


def expire(number: int) -> Request:
    """The upload expires; a finished one does not."""

    def request(uploads: Uploads) -> Steps:
        upload = at(uploads, number)
        if upload is None or upload.state is not Is.OPEN:
            return (uploads,)
        return (changed(uploads, upload._replace(offset=0, state=Is.EXPIRED)),)

    return request


def _grown(upload: Sent, offset: int) -> Sent:
    return upload._replace(offset=offset, state=Is.FINISHED if offset == upload.length else Is.OPEN)


class TusWalk(ModelWalk[Uploads]):
    """A walk with uploads of a few bytes."""

    refusals: ClassVar = (Refused,)

    def __init__(self, cell: Cell, owner: str) -> None:
        super().__init__(cell, owner, ())
        self._paths: dict[int, str] = {}
        self._begun = 0

    def choose(self, known: Uploads, chance: random.Random) -> Chosen:
        unheard = [upload.number for upload in known if upload.number not in self._paths]
        heard = [upload for upload in known if upload.number in self._paths]
        if not heard or chance.random() < 0.2:
            self._begun += 1
            return self._create(chance.choice([*unheard, self._begun]))
        upload = chance.choice([one for one in heard if one.state is Is.OPEN] or heard)
        number, left = upload.number, upload.length - upload.offset
        kind = chance.choice(["append"] * 6 + ["ask", "ask", "terminate", "expire"])
        match kind:
            case "append" if left > 0:
                size = left if chance.random() < 0.4 else chance.randint(1, left)
                return self._append(number, upload.offset, size)
            case "terminate":
                return Chosen(f"terminate {number}", terminate(number), lambda _: self._terminate(number))
            case "expire":
                return Chosen(f"expire {number}", expire(number), lambda _: self._expire(number))
        return Chosen(f"ask {number}", ask(number), lambda _: self._ask(number))

    def look(self, client: Client) -> Uploads:
        files = {int(file.filename): client.read(file) for file in client.list()}
        for number, body in files.items():
            assert body == self._body(number), f"{self.owner}: upload {number} has other bytes"
        found = []
        for number, name in self._known().items():
            with http_client(self.cell, self.owner) as http:
                reply = http.head(f"/files/{name}", headers=TUS)
            length = _length(number)
            match reply.status_code:
                case 404:
                    found.append(Sent(number, length, 0, Is.GONE))
                case 410:
                    found.append(Sent(number, length, 0, Is.EXPIRED))
                case _:
                    assert reply.status_code == 200, reply.status_code
                    found.append(_grown(Sent(number, length), int(reply.headers["upload-offset"])))
        # HEAD may have finished one
        files |= {int(file.filename): b"" for file in client.list()}
        finished = {one.number for one in found if one.state is Is.FINISHED}
        assert finished == set(files), f"{self.owner}: finished {finished}, files {set(files)}"
        return tuple(sorted(found))

    def settle(self) -> None:
        (uploads,) = self.possible
        names = self._known()
        for upload in uploads:
            if upload.state is Is.OPEN:
                self.cell.checker.execute(_EXPIRE, self.owner, names[upload.number])

    def damage(self) -> list[str]:
        return self.cell.checker.damage_of(self.owner)

    def _known(self) -> dict[int, str]:
        """The upload ids by number, also those of uploads whose creation had no answer."""
        rows = self.query("SELECT request_id, upload_id FROM upload_sessions WHERE owner_id = %(owner)s")
        told = {number: path.rpartition("/")[2] for number, path in self._paths.items()}
        return told | {int(row.request_id.rpartition("-")[2]): row.upload_id for row in rows}

    def _body(self, number: int) -> bytes:
        return dice(self.owner, number).randbytes(_length(number))

    def _create(self, number: int) -> Chosen:
        length = _length(number)
        headers = TUS | {
            "Upload-Length": str(length),
            "Idempotency-Key": f"upload-{number}",
            "Upload-Metadata": metadata(filename=str(number), folder="uploads"),
        }

        def send(_: Client) -> None:
            self._paths[number] = self.ask("POST", "/files", headers=headers).headers["location"]

        return Chosen(f"create {number}", create(number, length), send)

    def _append(self, number: int, offset: int, size: int) -> Chosen:
        headers = BYTES | {"Upload-Offset": str(offset)}
        piece = self._body(number)[offset : offset + size]

        def send(_: Client) -> Fits[Uploads]:
            reply = self.ask("PATCH", self._paths[number], headers=headers, content=piece)
            return _fits(number, int(reply.headers["upload-offset"]))

        return Chosen(f"append {offset}..{offset + size} to {number}", append(number, offset, size), send)

    def _ask(self, number: int) -> Fits[Uploads]:
        with http_client(self.cell, self.owner) as http:
            reply = asked(http, "HEAD", self._paths[number], headers=TUS)
        return _fits(number, int(reply.headers["upload-offset"]))

    def _terminate(self, number: int) -> None:
        self.ask("DELETE", self._paths[number], headers=TUS)

    def _expire(self, number: int) -> None:
        self.cell.checker.execute(_EXPIRE, self.owner, self._known()[number])


def _length(number: int) -> int:
    return 1 + dice("length", number).randrange(LONGEST)


def _fits(number: int, offset: int) -> Fits[Uploads]:
    def fits(_: Uploads, after: Uploads) -> bool:
        upload = at(after, number)
        return upload is not None and upload.offset == offset

    return fits
