"""A body of 256 MiB passes through without being held in memory by gateway or storage_service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.stack import RunningStack, Service

SIZE = 1 << 28
CHUNK = bytes(1 << 20)
BOUNDARY = "the-boundary-of-a-large-body"
SERVICES: tuple[Service, ...] = ("gateway", "storage")
#: A quarter of the body, twice the growth seen with bodies of any size (32 MiB with 512).
#: benchmarks/README.md has the peaks.
MOST_GROWTH = 64 << 20
MOST_PEAK = 512 << 20


def _form() -> Iterator[bytes]:
    yield (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="zeros.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    for _ in range(SIZE // len(CHUNK)):
        yield CHUNK
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def _peak(pid: int) -> int:
    """Peak resident bytes of a process (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def test_a_large_body_passes_through_bounded_memory(stack: RunningStack, http: httpx.Client) -> None:
    before = {name: _peak(stack.pid(name)) for name in SERVICES}
    answer = http.post(
        "/api/v1/s3/upload",
        content=_form(),
        headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"},
        timeout=600,
    )
    assert answer.status_code == 201, answer.text
    key = answer.json()["key"]
    with http.stream("GET", f"/api/v1/s3/file/{key}", timeout=600) as reply:
        assert sum(len(chunk) for chunk in reply.iter_raw(1 << 20)) == SIZE
    for name, start in before.items():
        peak = _peak(stack.pid(name))
        assert peak < MOST_PEAK, f"{name} peaked at {peak >> 20} MiB"
        assert peak - start < MOST_GROWTH, f"{name} grew by {(peak - start) >> 20} MiB"
    assert http.delete(f"/api/v1/s3/file/{key}").status_code == 200
