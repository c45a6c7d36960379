"""The exception tree, the enum and its proto's comments agree; errors survive the wire."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st

from strongroom import errors
from strongroom.errors import REASONS, StrongroomError, Violation, from_rpc_error, to_status_proto
from strongroom.errors.wire import DETAILS_KEY, MAX_MESSAGE_BYTES, MAX_STATUS_BYTES
from strongroom.type.v1.error_reason_pb2 import ErrorReason

PROTO = Path(__file__).resolve().parents[3] / "protos/strongroom/type/v1/error_reason.proto"
NAMED_OTHERWISE = {"NOT_IMPLEMENTED": "Unimplemented"}


def documented() -> dict[str, tuple[str, int]]:
    """Reason → (gRPC status, HTTP status) as the comments of the proto say."""
    found: dict[str, tuple[str, int]] = {}
    comment: list[str] = []
    for line in PROTO.read_text("utf-8").splitlines():
        text = line.strip()
        if text.startswith("//"):
            comment.append(text.removeprefix("//").strip())
            continue
        value = re.fullmatch(r"ERROR_REASON_(\w+) = (\d+);", text)
        said = re.match(r"([A-Z_]+), (\d{3})\. ", " ".join(comment))
        if value and said:
            found[value[1]] = (said[1], int(said[2]))
        comment = []
    return found


def camel(reason: str) -> str:
    return NAMED_OTHERWISE.get(reason) or "".join(word.capitalize() for word in reason.split("_"))


def test_each_reason_has_its_documented_class() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118
    said = documented()
    assert said.keys() == names
    assert len(REASONS) == len(names)
    for reason, (code, http_status) in said.items():
        kind = REASONS[ErrorReason.Value(f"ERROR_REASON_{reason}")]
        assert kind.__name__ == camel(reason)
        assert (kind.code.name, kind.http_status) == (code, http_status), reason
        assert getattr(errors, kind.__name__) is kind
        assert kind.__name__ in errors.__all__
        assert kind.__doc__


def failed(code: grpc.StatusCode, details: str, *trailers: tuple[str, bytes]) -> aio.AioRpcError:
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(*trailers), details=details)


def raised(status: status_pb2.Status) -> aio.AioRpcError:
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    return failed(code, status.message, (DETAILS_KEY, status.SerializeToString()))


@pytest.mark.parametrize("kind", REASONS.values(), ids=lambda kind: kind.__name__)
def test_every_class_survives_the_wire(kind: type[StrongroomError]) -> None:
    error = kind("Do this instead.", metadata={"limit": "5"}, retry_after=2.25)
    got = from_rpc_error(raised(to_status_proto(error)))
    assert type(got) is kind
    assert (got.message, got.metadata, got.retry_after) == ("Do this instead.", {"limit": "5"}, 2.25)
    assert got.transport_details == ""


def test_field_errors_carry_violations() -> None:
    error = errors.InvalidField("name: too long", field="name", rule="string.max_len")
    got = from_rpc_error(raised(to_status_proto(error)))
    assert got.violations == (Violation("name", "string.max_len", "name: too long"),)
    assert (got.field, got.metadata["rule"]) == ("name", "string.max_len")


def test_quotas_and_missing_things_have_their_google_details() -> None:
    def kinds(error: StrongroomError) -> list[str]:
        return [detail.TypeName().rpartition(".")[2] for detail in to_status_proto(error).details]

    assert kinds(errors.QuotaExceeded("full")) == ["ErrorInfo", "QuotaFailure"]
    assert kinds(errors.FileNotFound("gone", retry_after=1)) == ["ErrorInfo", "RetryInfo", "ResourceInfo"]
    assert kinds(errors.Internal("bug")) == ["ErrorInfo"]


@given(
    message=st.text(max_size=4000)
    | st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)),
    metadata=st.dictionaries(st.text("abc", min_size=1, max_size=20), st.text(max_size=2000), max_size=30),
    violations=st.lists(
        st.builds(Violation, st.text(max_size=900), st.text(max_size=900), st.text()), max_size=30
    ),
)
def test_statuses_stay_small_and_whole(
    message: str, metadata: dict[str, str], violations: list[Violation]
) -> None:
    error = errors.InvalidField(message, metadata=metadata, violations=violations, retry_after=0.1)
    status = to_status_proto(error)
    assert status.ByteSize() <= MAX_STATUS_BYTES
    assert len(quote(status.message)) <= MAX_MESSAGE_BYTES
    # base64 in one trailer, percent-encoding in the other
    assert status.ByteSize() * 4 / 3 + MAX_MESSAGE_BYTES < 8192
    got = from_rpc_error(raised(status))
    assert type(got) is errors.InvalidField
    assert got.retry_after == pytest.approx(0.1)


def test_messages_that_fit_are_not_cut() -> None:
    assert to_status_proto(errors.Internal("ä" * 256)).message == "ä" * 256
    cut = to_status_proto(errors.Internal("ä" * 257)).message
    assert cut.endswith("…")
    assert cut.startswith("ä" * 200)


def test_lone_surrogates_are_no_crash() -> None:
    assert to_status_proto(errors.Internal("a\ud800b", metadata={"k": "\udfff"})).message == "a?b"


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_statuses_of_others_get_a_class_with_the_same_code_and_no_foreign_text(code: grpc.StatusCode) -> None:
    got = from_rpc_error(failed(code, "ipv4:10.1.2.3:50052: connection refused"))
    expected = grpc.StatusCode.INTERNAL if code is grpc.StatusCode.UNKNOWN else code
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:  # gRPC's own limits, not a quota
        expected = grpc.StatusCode.UNAVAILABLE
    assert got.code is expected
    assert "10.1.2.3" not in got.message
    assert "10.1.2.3" in got.transport_details


def test_error_info_of_another_domain_is_not_ours() -> None:
    status = status_pb2.Status(code=5, message="text of a proxy")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="FILE_NOT_FOUND", domain="example.com"))
    got = from_rpc_error(raised(status))
    assert type(got) is errors.NotFound
    assert "proxy" not in got.message


def test_a_reason_of_a_newer_release_keeps_its_text() -> None:
    status = status_pb2.Status(code=9, message="The moon is full.")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="MOON_FULL", domain="strongroom"))
    got = from_rpc_error(raised(status))
    assert (type(got), got.message) == (errors.PreconditionFailed, "The moon is full.")


def test_unreadable_details_leave_the_code() -> None:
    broken = failed(grpc.StatusCode.NOT_FOUND, "x", (DETAILS_KEY, b"\xff\xff"))
    assert type(from_rpc_error(broken)) is errors.NotFound


def test_an_rpc_error_that_says_nothing_is_internal() -> None:
    assert type(from_rpc_error(grpc.RpcError("?"))) is errors.Internal
