"""Faults of the S3 proxy. Those with parameters are made by functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.faults.s3_proxy import Exchange, Fault, Rule
from tests.faults.s3_wire import Reply, error_reply


async def drop(exchange: Exchange, rule: Rule) -> None:
    """Reset the connection before the store gets the request."""
    exchange.hang_up()


async def drop_reply(exchange: Exchange, rule: Rule) -> None:
    """Let the store apply the request, then reset the connection instead of answering."""
    await exchange.apply(await exchange.read_body())
    exchange.hang_up()


async def apply_late(exchange: Exchange, rule: Rule) -> None:
    """Reset the connection now; send the request to the store after ``rule.release()``."""
    body = await exchange.read_body()
    exchange.hang_up()
    rule.reached.set()
    await rule.released()
    rule.statuses.append((await exchange.apply(body)).status)


async def hold(exchange: Exchange, rule: Rule) -> None:
    """Hold the request, and the client, until ``rule.release()``."""
    body = await exchange.read_body()
    rule.reached.set()
    await rule.released()
    reply = await exchange.apply(body)
    rule.statuses.append(reply.status)
    await exchange.answer(reply)


async def hold_reply(exchange: Exchange, rule: Rule) -> None:
    """Let the store apply the request; hold its answer until ``rule.release()``."""
    reply = await exchange.apply(await exchange.read_body())
    rule.reached.set()
    await rule.released()
    await exchange.answer(reply)


async def duplicate(exchange: Exchange, rule: Rule) -> None:
    """Deliver the request twice; pass on the second answer."""
    body = await exchange.read_body()
    await exchange.apply(body)
    await exchange.answer(await exchange.apply(body))


def delay(seconds: float) -> Fault:
    """Pass the request on after a delay."""

    async def fault(exchange: Exchange, rule: Rule) -> None:
        await asyncio.sleep(seconds)
        await exchange.relay()

    return fault


def refuse(status: int, code: str) -> Fault:
    """Answer with an S3 error; the store never gets the request."""

    async def fault(exchange: Exchange, rule: Rule) -> None:
        await exchange.read_body()
        await exchange.answer(error_reply(status, code))

    return fault


def apply_then_refuse(status: int, code: str) -> Fault:
    """Let the store apply the request, and answer with an S3 error."""

    async def fault(exchange: Exchange, rule: Rule) -> None:
        await exchange.apply(await exchange.read_body())
        await exchange.answer(error_reply(status, code))

    return fault


def edit_reply(edit: Callable[[Reply], Reply]) -> Fault:
    """Let the store apply the request, and modify its answer."""

    async def fault(exchange: Exchange, rule: Rule) -> None:
        await exchange.answer(edit(await exchange.apply(await exchange.read_body())))

    return fault


def flip_bit(at: int) -> Fault:
    """Flip one bit of the answer's body."""

    def edit(reply: Reply) -> Reply:
        body = bytearray(reply.body)
        body[at] ^= 1
        return Reply(reply.head, bytes(body))

    return edit_reply(edit)


def halve_body(reply: Reply) -> Reply:
    """The first half of the body with its length: like a careless middlebox."""
    return Reply(reply.head, reply.body[: len(reply.body) // 2])


def break_off(after: int) -> Fault:
    """Send the answer's head and the first bytes of its body, then reset the connection."""

    async def fault(exchange: Exchange, rule: Rule) -> None:
        reply = await exchange.apply(await exchange.read_body())
        whole = reply.encode(to_head=exchange.request.method == "HEAD")
        exchange.write(whole[: len(whole) - len(reply.body) + after])
        await asyncio.sleep(0.2)  # a reset overtakes unread bytes
        exchange.hang_up()

    return fault


def stall(after: int) -> Fault:
    """Send the first bytes of the answer's body; the rest after ``rule.release()``."""

    async def fault(exchange: Exchange, rule: Rule) -> None:
        reply = await exchange.apply(await exchange.read_body())
        whole = reply.encode(to_head=exchange.request.method == "HEAD")
        cut = len(whole) - len(reply.body) + after
        exchange.write(whole[:cut])
        rule.reached.set()
        await rule.released()
        exchange.write(whole[cut:])

    return fault
