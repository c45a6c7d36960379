"""A verification finds each planted fault and nothing else, while users continue to work."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from devstack import infra
from tests.faults.verifying import load
from tests.faults.verifying.planting import FAULTS, Expected, Planting
from tests.integration.sdk.shell import Outcome, Shell
from tests.shared_stack import shared_stack
from tests.stack import CHECKOUT, RunningStack, until

_KIND: Final = re.compile(r"`(\w+)`")
ENV = {"STRONGROOM_VERIFY_GRACE_SECONDS": "0", "STRONGROOM_CLEANER_SWEEP_SECONDS": "3600",
       "STRONGROOM_PART_SIZE_BYTES": str(5 << 20)}  # fmt: skip


@pytest.fixture(scope="module")
def stack(servers: infra.Infra, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with shared_stack(servers, tmp_path_factory.mktemp("verify") / "data", ENV) as running:
        yield running


@pytest.fixture(scope="module")
def planting(stack: RunningStack, servers: infra.Infra) -> Iterator[Planting]:
    made = Planting(stack, servers.data_dir)
    yield made
    made.close()


@pytest.fixture
def verify(stack: RunningStack) -> Shell:
    state = stack.state
    return Shell(
        {
            "STRONGROOM_STORAGE_ADDRESS": state["storage"]["address"],
            "STRONGROOM_METADATA_ADDRESS": state["metadata"]["address"],
            "STRONGROOM_TOKEN": stack.token("operator", roles=["admin"]),
        }
    )


def until_next_round(rounds: Callable[[], int]) -> None:
    before = rounds()
    until("every user has gone a round", lambda: rounds() > before)


def found(outcome: Outcome) -> Expected:
    return {(one["kind"], one.get("key") or one["owner_id"]) for one in outcome.documents if "kind" in one}


def test_the_table_of_the_document_is_this_one() -> None:
    text = (CHECKOUT / "docs/verify.md").read_text().partition("## Planted faults")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ")][1:]
    told = {
        name.strip(): (set(_KIND.findall(found)), set(_KIND.findall(stays))) for name, found, stays in rows
    }
    assert list(told) == [plant.__name__.replace("_", " ") for plant, _ in FAULTS]
    for plant, stays in FAULTS:
        kinds, left = told[plant.__name__.replace("_", " ")]
        assert kinds
        assert left == kinds & stays


def test_all_is_right_while_users_work(planting: Planting, verify: Shell) -> None:
    with load.running(planting) as rounds:
        for depth in ("listings", "heads", "bytes"):
            until_next_round(rounds)
            outcome = verify("verify", "--json", f"--depth={depth}")
            assert (outcome.exit_code, found(outcome)) == (0, set()), outcome.out


def test_rows_follow_the_storage_class_of_their_objects(planting: Planting, verify: Shell) -> None:
    """Objects moved by lifecycle rules are no fault."""
    _, key = planting.file()
    planting.sql("UPDATE blobs SET storage_class = 'GLACIER' WHERE key = %s", key)
    for moved in (1, 0):
        outcome = verify("verify", "--json", "--depth=listings")
        assert (outcome.exit_code, found(outcome)) == (0, set()), outcome.out
        assert outcome.documents[-1]["summary"]["counts"]["moved_objects"] == moved
        assert planting.rows("SELECT storage_class FROM blobs WHERE key = %s", key) == [("STANDARD",)]


def test_each_planted_fault_is_found_and_nothing_else(planting: Planting, verify: Shell) -> None:
    planting.put("logs/app.log", b"of somebody else")
    bodies = [uuid.uuid4().bytes * size for size in (1, 100, 1 << 18)]
    bystanders = [(*planting.file(body), body) for body in bodies]
    planted = [(plant(planting), stays) for plant, stays in FAULTS]
    expected = set[tuple[str, str]]().union(*(found for found, _ in planted))
    assert len(FAULTS) >= 20
    with load.running(planting) as rounds:
        until_next_round(rounds)
        outcome = verify("verify", "--json", "--depth=bytes")
    seen = found(outcome)
    rotten = {pair for pair in expected if pair[0] == "checksum_mismatch"} - seen
    # Swift takes an object out of service when a read finds it damaged.
    assert seen == (expected - rotten) | {("object_missing", key) for _, key in rotten}
    assert len(rotten) <= 1
    assert outcome.exit_code == 1, outcome.err
    left = {key for found, stays in planted for kind, key in found if kind in stays}
    repair_and_look(planting, verify, left)
    mended = {key for _, key in expected} - left
    shown = planting.rows("SELECT owner_id, key FROM files WHERE key = ANY(%s)", sorted(mended))
    assert len(shown) >= 10
    for owner, key in shown:
        assert read(planting, owner, key), key
    for owner, key in planting.stays:
        assert read(planting, owner, key), key
    for owner, key, body in bystanders:
        assert read(planting, owner, key) == body


def repair_and_look(planting: Planting, verify: Shell, left: set[str]) -> None:
    """Everything repairable is repaired; bytes that are nowhere, rows that only a backup has, and parts that
    may be a file stay.
    """
    with load.running(planting) as rounds:
        until_next_round(rounds)
        repaired = verify("verify", "--json", "--repair", "--depth=bytes")
        assert repaired.exit_code == 1, repaired.err
        again = verify("verify", "--json", "--depth=bytes")
    assert {key for _, key in found(again)} == left, (repaired.out, again.out)


def read(planting: Planting, owner: str, key: str) -> bytes:
    with planting.client(owner) as client:
        return client.read(key)


def test_the_quarantine_is_purged_before_its_time(planting: Planting, verify: Shell) -> None:
    """The last of the tests that look at what a repair has moved there."""
    planting.file()  # an empty database is refused
    planting.put(f".strongroom/quarantine/{uuid.uuid4()}/object", b"bytes")
    alien = f"uploads/alien/{uuid.uuid4()}.bin"
    planting.put(alien, b"alien")

    def quarantined() -> list[dict[str, Any]]:
        assert verify("verify", "--repair", "--depth=listings").exit_code in (0, 1)
        entries = verify("verify", "quarantine", "--json").documents
        return entries if any(one["key"] == alien for one in entries) else []

    listed = until("the object is old enough, in whole seconds", quarantined)
    (entry,) = [one["id"] for one in listed if one["key"] == alien]
    assert verify("verify", "purge").exit_code == 2
    assert verify("verify", "purge", entry, "--older-than=1d").exit_code == 2
    refused = verify("verify", "purge", entry)
    assert (refused.exit_code, "Remove 1 object (5 B) for good?" in refused.err) == (2, True)
    assert verify("verify", "purge", "--older-than=1h", "--yes").lines == []
    assert [one["id"] for one in verify("verify", "purge", entry, "--yes", "--json").documents] == [entry]
    for command in ("purge", "restore"):
        assert "no such entry" in verify("verify", command, entry, *["--yes"] * (command == "purge")).err
    rest = verify("verify", "purge", "--older-than=0s", "--yes")
    assert {line.split()[0] for line in rest.lines} == {one["id"] for one in listed} - {entry}
    assert f"{len(listed) - 1} object" in rest.err
    assert verify("verify", "quarantine").lines == []
    left = planting.s3.list_object_versions(Bucket=planting.bucket, Prefix=".strongroom/quarantine/")
    assert "Versions" not in left
    acts = verify("admin", "audit", "--act=purge_quarantined", "--json").documents
    assert [one["outcome"] for one in acts[:2]] == ["done", "begun"]
    assert acts[0]["details"]["counts"] == {"purged": len(listed) - 1}


def test_the_report_is_signed(planting: Planting, verify: Shell) -> None:
    alien = planting.put("uploads/alien/signed.bin", b"alien")
    assert alien
    found_it = "the object is found, once it is old enough in whole seconds"
    until(found_it, lambda: verify("verify", "--depth=listings").exit_code == 1)
    outcome = verify("verify", "--json", "--run=last")
    *lines, _ = outcome.lines
    document = outcome.documents[-1]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(document["public_key"]))
    key.verify(base64.b64decode(document["signature"]), document["report"].encode())
    report = json.loads(document["report"])
    assert report == document["summary"]
    canonical = [json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")) for line in lines]
    assert (
        report["findings_sha256"] == hashlib.sha256("".join(f"{x}\n" for x in canonical).encode()).hexdigest()
    )
    assert report["begin_position"] <= report["end_position"]


def test_only_admins_may_verify(verify: Shell, stack: RunningStack) -> None:
    outcome = verify("verify", STRONGROOM_TOKEN=stack.token("somebody"))
    assert outcome.exit_code == 2
    assert "admin" in outcome.err
