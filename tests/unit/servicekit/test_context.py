"""The request in progress, and the metadata of its outgoing calls."""

from __future__ import annotations

import asyncio
import time

import pytest

from servicekit import context
from servicekit.auth.credentials import InternalCredential
from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind, clean_request_id, clean_traceparent, outgoing_metadata
from servicekit.drain import Drain
from servicekit.serving.channels import DEFAULT_SECONDS, MARGIN_SECONDS, deadline
from strongroom.errors import DeadlineExceeded

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_outside_of_requests() -> None:
    assert context.current() is None
    assert context.current_request_id() == ""
    assert context.remaining() is None
    assert outgoing_metadata(None) == ()
    assert not context.draining().is_set()
    with pytest.raises(LookupError):
        context.current_principal()


def test_open_methods_have_no_principal() -> None:
    with bind(RequestContext("r")), pytest.raises(LookupError):
        context.current_principal()


def test_what_goes_out() -> None:
    credential = InternalCredential("another secret of thirty-two bytes")
    who = Principal("alice", token="t.o.k")
    with bind(RequestContext("r", principal=who, traceparent=TRACE)):
        assert outgoing_metadata(who, credential) == (
            ("authorization", "Bearer t.o.k"),
            ("x-strongroom-internal", credential.mint()),
            ("x-request-id", "r"),
            ("traceparent", TRACE),
        )
        assert outgoing_metadata(None) == (("x-request-id", "r"), ("traceparent", TRACE))
        assert outgoing_metadata(Principal("anonymous"))[0][0] == "x-request-id"


async def test_tasks_inherit_and_blocks_restore() -> None:
    async def seen() -> str:
        await asyncio.sleep(0)
        return context.current_request_id()

    with bind(RequestContext("outer")):
        task = asyncio.create_task(seen())
        with bind(RequestContext("inner")):
            assert await seen() == "inner"
        assert await seen() == "outer"
    assert await task == "outer"
    assert await seen() == ""


@pytest.mark.parametrize("given", ["a", "A.b_C-9", "x" * 128])
def test_fit_request_ids(given: str) -> None:
    assert clean_request_id(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\n", "a/b", "é", "a:b", "a\x00"])
def test_unfit_request_ids(given: str | None) -> None:
    made = clean_request_id(given)
    assert len(made) == 32
    assert made != clean_request_id(given)


def test_traceparents() -> None:
    assert clean_traceparent(TRACE) == TRACE
    for given in (None, "", TRACE.upper(), TRACE + "\n", TRACE[:-1], "x"):
        assert clean_traceparent(given) == ""


def test_deadlines_of_outgoing_calls() -> None:
    assert deadline() == DEFAULT_SECONDS
    assert deadline(5) == 5
    with bind(RequestContext("r", deadline=time.monotonic() + 5)):
        assert 4 < deadline() <= 5 - MARGIN_SECONDS
        assert deadline(2) == 2
    for left in (-5, 0, MARGIN_SECONDS):
        with bind(RequestContext("r", deadline=time.monotonic() + left)), pytest.raises(DeadlineExceeded):
            deadline(2)


async def test_draining() -> None:
    drain = Drain()
    with bind(RequestContext("r", drain=drain)):
        assert not context.draining().is_set()
        drain.begun.set()
        assert context.draining().is_set()
    drain.entered(cuttable=False)
    waiting = asyncio.create_task(drain.idle())
    await asyncio.sleep(0)
    assert not waiting.done()
    drain.left(cuttable=False)
    await waiting
