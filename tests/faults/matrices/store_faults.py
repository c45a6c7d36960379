"""The faults in s3_matrix.json by name, each as an action of the S3 proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from tests.faults.s3_faults import (
    apply_then_refuse,
    drop,
    drop_reply,
    duplicate,
    edit_reply,
    flip_bit,
    hold_reply,
    refuse,
)
from tests.faults.s3_proxy import Exchange, Fault, Rule
from tests.faults.s3_wire import Reply, error_reply

CUT_AFTER: Final = 7_001
"""Bytes of an object that arrive before its answer breaks off or stalls."""


async def silence(exchange: Exchange, rule: Rule) -> None:
    """Read the request, but neither apply nor answer it until ``rule.release()``; then hang up."""
    await exchange.read_body()
    rule.reached.set()
    await rule.released()
    exchange.hang_up()


async def trickle(exchange: Exchange, rule: Rule) -> None:
    """Apply the request, and answer one byte a second until ``rule.release()``; then the rest."""
    whole = (await exchange.apply(await exchange.read_body())).encode(
        to_head=exchange.request.method == "HEAD"
    )
    rule.reached.set()
    sent = 0
    while not rule.is_released and not exchange.is_left and sent < len(whole):
        exchange.write(whole[sent : sent + 1])
        sent += 1
        await _second(rule)
    if exchange.is_left:
        exchange.hang_up()
    else:
        exchange.write(whole[sent:])


async def _second(rule: Rule) -> None:
    for _ in range(20):
        if rule.is_released:
            return
        await asyncio.sleep(0.05)


async def cut_reply(exchange: Exchange, rule: Rule) -> None:
    """Half of the answer's XML, with its correct length; without XML half of the head, then a reset."""
    reply = await exchange.apply(await exchange.read_body())
    to_head = exchange.request.method == "HEAD"
    if reply.body and not to_head:
        await exchange.answer(Reply(reply.head, reply.body[: len(reply.body) // 2]))
        return
    whole = reply.encode(to_head=to_head)
    await _send_and_reset(exchange, whole[: len(whole) // 2])


async def cut_error(exchange: Exchange, rule: Rule) -> None:
    """An error with incomplete XML of the announced length."""
    await exchange.read_body()
    reply = error_reply(500, "InternalError")
    await exchange.answer(Reply(reply.head, reply.body[: len(reply.body) // 2]))


async def cut_body(exchange: Exchange, rule: Rule) -> None:
    """Announce the whole length, and end the connection half-way."""
    reply = await exchange.apply(await exchange.read_body())
    whole = reply.encode(to_head=False)
    await _send_and_reset(exchange, whole[: len(whole) - len(reply.body) // 2])


async def stand_still(exchange: Exchange, rule: Rule) -> None:
    """Send the first bytes of an object; the rest after ``rule.release()``."""
    reply = await exchange.apply(await exchange.read_body())
    whole = reply.encode(to_head=False)
    cut = len(whole) - len(reply.body) + CUT_AFTER
    exchange.write(whole[:cut])
    rule.reached.set()
    await rule.released()
    exchange.write(whole[cut:])


async def damage_sent(exchange: Exchange, rule: Rule) -> None:
    """Flip one bit of the request's body; the store's answer is passed on."""
    body = bytearray(await exchange.read_body())
    body[len(body) // 2] ^= 1
    await exchange.answer(await exchange.apply(bytes(body)))


async def whitespace_then_close(exchange: Exchange, rule: Rule) -> None:
    """200, whitespace while the store works, and then the end of the connection instead of an answer."""
    await exchange.apply(await exchange.read_body())
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _send_and_reset(exchange, head + b"1\r\n \r\n" * 3)


async def answer_and_repeat(exchange: Exchange, rule: Rule) -> None:
    """Apply and answer the request; apply it again on ``rule.release()``, after another one was applied."""
    body = await exchange.read_body()
    await exchange.answer(await exchange.apply(body))
    rule.reached.set()

    async def again() -> None:
        await rule.released()
        rule.statuses.append((await exchange.apply(body)).status)

    rule.tasks.append(asyncio.create_task(again()))


def passes_and(then: Callable[[], None]) -> Fault:
    """Pass the request on; call ``then`` when the store has answered."""

    async def fault(exchange: Exchange, rule: Rule) -> None:
        await exchange.relay()
        then()

    return fault


def _other_etag(reply: Reply) -> Reply:
    return Reply(reply.head.with_headers(etag=f'"{"0" * 32}"'), reply.body)


def _longer(reply: Reply) -> Reply:
    length = int(reply.head.get("content-length") or 0)
    return Reply(reply.head.with_headers(content_length=str(length + 1)), reply.body)


def _other_object(reply: Reply) -> Reply:
    return Reply(reply.head, bytes(byte ^ 0x5A for byte in reply.body))


async def _send_and_reset(exchange: Exchange, data: bytes) -> None:
    exchange.write(data)
    await asyncio.sleep(0.2)  # a reset overtakes unread bytes
    exchange.hang_up()


_REFUSED: Final[Mapping[str, Fault]] = {
    "500": refuse(500, "InternalError"),
    "503-SlowDown": refuse(503, "SlowDown"),
    "403-expired-credentials": refuse(403, "ExpiredToken"),
    "404-NoSuchBucket": refuse(404, "NoSuchBucket"),
    "409": refuse(409, "OperationAborted"),
    "409-ConditionalRequestConflict": refuse(409, "ConditionalRequestConflict"),
    "412": refuse(412, "PreconditionFailed"),
    "416": refuse(416, "InvalidRange"),
    "200-with-Error-body": refuse(200, "InternalError"),
    "stale-404-then-200": refuse(404, "NoSuchKey"),
}
FAULTS: Final[Mapping[str, Fault]] = {
    **_REFUSED,
    "timeout-before-apply": silence,
    "timeout-after-apply": hold_reply,
    "reset-before-apply": drop,
    "reset-after-apply": drop_reply,
    "slow-1Bps": trickle,
    "truncated-xml": cut_reply,
    "BadDigest": damage_sent,
    "wrong-etag": edit_reply(_other_etag),
    "duplicate-delivery": duplicate,
    "applied-twice-different-order": answer_and_repeat,
    "whitespace-keepalive-then-close": whitespace_then_close,
    "body-truncated-with-correct-length": cut_body,
    "1-bit-flip": flip_bit(-1),
    "wrong-object": edit_reply(_other_object),
    "stall-mid-body": stand_still,
    "wrong-length": edit_reply(_longer),
}
#: Alternative forms of faults, chosen at random.
OTHERWISE: Final[Mapping[tuple[str, str], Fault]] = {
    ("GetObject", "truncated-xml"): cut_error,
    ("CompleteMultipartUpload", "500"): apply_then_refuse(500, "InternalError"),
    ("PutObject", "500"): apply_then_refuse(500, "InternalError"),
    ("UploadPart", "500"): apply_then_refuse(500, "InternalError"),
    ("CreateMultipartUpload", "500"): apply_then_refuse(500, "InternalError"),
    ("CompleteMultipartUpload", "412"): apply_then_refuse(412, "PreconditionFailed"),
    ("PutObject", "412"): apply_then_refuse(412, "PreconditionFailed"),
    ("PutObject", "BadDigest"): refuse(400, "BadDigest"),
    ("UploadPart", "BadDigest"): refuse(400, "BadDigest"),
}
