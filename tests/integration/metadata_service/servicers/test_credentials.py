"""The call by which services check their mutual trust."""

from __future__ import annotations

import time

import pytest
from grpc import aio
from structlog.testing import capture_logs

from servicekit.auth import credentials
from servicekit.auth.credentials import InternalCredential
from storage_service.diagnosis import REACH_ADVICE, REFUSED_ADVICE, InternalCalls
from storage_service.metadata.operations import Credentials
from strongroom.storage.v1.diagnostics_service_pb2 import InternalCall
from tests.databases import Logins
from tests.doubles.memory_store import MemoryObjectStore
from tests.integration.metadata_service.serving import INTERNAL_SECRET, serve


class _Ahead(InternalCredential):
    """Credentials of a service whose clock is ``seconds`` ahead."""

    def __init__(self, seconds: int) -> None:
        super().__init__(INTERNAL_SECRET)
        self._ahead = seconds

    def mint(self) -> str:
        return self._sign(int(time.time()) + self._ahead)


#: What the health service says of it.
WORDS = {
    InternalCall.OUTCOME_CLOCK_DIFFERS: "clock_differs",
    InternalCall.OUTCOME_SECRET_DIFFERS: "secret_differs",
}


@pytest.mark.parametrize(
    ("credential", "outcome", "logged"),
    [
        (InternalCredential(INTERNAL_SECRET), InternalCall.OUTCOME_OK, ""),
        (_Ahead(240), InternalCall.OUTCOME_OK, ""),
        (_Ahead(-240), InternalCall.OUTCOME_OK, ""),
        (_Ahead(3600), InternalCall.OUTCOME_CLOCK_DIFFERS, "the clocks differ by"),
        (_Ahead(-3600), InternalCall.OUTCOME_CLOCK_DIFFERS, "the clocks differ by"),
        (
            InternalCredential("a secret of another installation"),
            InternalCall.OUTCOME_SECRET_DIFFERS,
            "STRONGROOM_INTERNAL_SECRET differs",
        ),
    ],
)
async def test_the_outcome_and_what_metadata_service_logs(
    module_database: Logins,
    credential: InternalCredential,
    outcome: InternalCall.Outcome.ValueType,
    logged: str,
) -> None:
    credentials._logged.clear()
    async with serve(module_database) as server:
        calls = InternalCalls(Credentials(server.channel, credential), MemoryObjectStore())
        with capture_logs() as lines:
            found = (await calls.diagnose()).internal
            for _ in range(2):
                assert await calls.works() == WORDS.get(outcome, True)
    assert [line["advice"] for line in lines if line["event"] == "internal_call_refused"] == (
        [REFUSED_ADVICE[outcome]] if logged else []
    )
    assert found.outcome == outcome
    why = [line["why"] for line in lines if line["event"] == "internal_credential_refused"]
    assert len(why) == bool(logged)
    assert logged in "".join(why)


async def test_nobody_there() -> None:
    async with aio.insecure_channel("127.0.0.1:1") as channel:
        credentials = Credentials(channel, InternalCredential(INTERNAL_SECRET))
        calls = InternalCalls(credentials, MemoryObjectStore())
        found = await calls.attempt()
        with capture_logs() as lines:
            assert [await calls.works() for _ in range(3)] == ["unreachable"] * 3
    assert found.outcome == InternalCall.OUTCOME_UNREACHABLE
    assert [(line["event"], line["log_level"], line["advice"]) for line in lines] == [
        ("metadata_service_away", "error", REACH_ADVICE)
    ]
    assert "STRONGROOM_METADATA_ADDRESS" in REACH_ADVICE


async def test_a_bucket_of_another_installation_is_in_the_diagnosis() -> None:
    async with aio.insecure_channel("127.0.0.1:1") as channel:
        credentials = Credentials(channel, InternalCredential(INTERNAL_SECRET))
        calls = InternalCalls(credentials, MemoryObjectStore(), lambda: ("foreign_bucket", "what to do"))
        found = (await calls.diagnose()).bucket
    assert (found.state, found.advice) == ("foreign_bucket", "what to do")
