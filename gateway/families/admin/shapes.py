"""The shapes of bodies and answers: what operators see."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from gateway.families.library.shapes import UsageAndQuota
from gateway.http.shapes import StrictBody, example

EXAMPLE_ID = "0b5c7d1e-7f0f-4a8e-9a43-3f7f0f1f9b11"
EXAMPLE_TIME = "2026-01-02T03:04:05.123456Z"
Limit = Annotated[int, Field(ge=0, le=2**63 - 1)]


class FamilyUsage(TypedDict):
    """What one user has in one family."""

    family: Annotated[str, Field(description="As a file's; `project`: all versions of all projects.")]
    file_count: int
    size: Annotated[int, Field(description="Bytes.")]


class UserUsage(UsageAndQuota):
    """Usage of one user, also by family."""

    families: list[FamilyUsage]


class UserUsageList(TypedDict):
    """A page of users who have files or limits of their own."""

    users: list[UserUsage]
    next_page_token: str | None


class QuotaBody(StrictBody):
    """Both limits of a user; null: none."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"limit_bytes": 20_000_000_000, "limit_files": None}}
    )

    limit_bytes: Limit | None = Field(description="Null: no limit.")
    limit_files: Limit | None = Field(description="Null: no limit.")


class Backlog(TypedDict):
    """Attempts in one state."""

    state: Literal["pending", "completing", "committed", "deleting", "aborting", "gone"]
    count: int
    size: Annotated[int, Field(description="Bytes, as far as rows record them.")]
    due: Annotated[int, Field(description="How many the cleaner can process now.")]
    failing: Annotated[int, Field(description="How many have failed before.")]
    oldest_due_at: str | None


class CleanerFailure(TypedDict):
    """One reason why attempts fail."""

    failure: str
    count: int
    since: str
    most_tries: int


class CleanerReplica(TypedDict):
    """A replica of storage_service that asks for work."""

    name: str
    seen_at: str


class Cleaner(TypedDict):
    """The cleaner's backlog, its failures, and the replicas that work on it."""

    backlog: list[Backlog]
    failures: list[CleanerFailure]
    replicas: list[CleanerReplica]
    now: str


class FindingCount(TypedDict):
    """How many findings of a kind."""

    kind: str
    count: int
    size: int


@example(
    {
        "id": EXAMPLE_ID,
        "state": "finished",
        "depth": "heads",
        "begun_at": EXAMPLE_TIME,
        "ended_at": EXAMPLE_TIME,
        "failure": None,
        "shards": 16,
        "shards_done": 16,
        "rows": 1204,
        "objects": 1204,
        "files": 1180,
        "size": 3_100_000_000,
        "findings": [],
    }
)
class VerificationRun(TypedDict):
    """A comparison of all rows with all objects."""

    id: str
    state: Literal["running", "finished", "failed"]
    depth: Literal["listings", "heads", "bytes"]
    begun_at: str
    ended_at: str | None
    failure: str | None
    shards: int
    shards_done: int
    rows: int
    objects: int
    files: int
    size: Annotated[int, Field(description="Bytes of committed rows.")]
    findings: list[FindingCount]


class LastVerification(TypedDict):
    """The last run, and its signed report once it has ended."""

    verification: Annotated[VerificationRun | None, Field(description="Null: there was none yet.")]
    report: Annotated[str | None, Field(description="A JSON document, as it was signed.")]
    signature: Annotated[str | None, Field(description="Ed25519, in hex, of exactly the report.")]
    public_key: Annotated[str | None, Field(description="The public key that verifies it, in hex.")]


class VerificationBody(StrictBody):
    """How deeply to compare."""

    model_config = ConfigDict(json_schema_extra={"example": {"depth": "heads"}})

    depth: Literal["listings", "heads", "bytes"] = "heads"


class VerificationBegun(TypedDict):
    """The current run."""

    verification: VerificationRun
    begun: Annotated[bool, Field(description="False: it was already running.")]


class ListedFinding(TypedDict):
    """A difference between rows and objects."""

    number: int
    kind: str
    user_id: str | None
    key: str | None
    row: str | None
    size: int
    expected: str
    found: str


class FindingList(TypedDict):
    """A page of findings, ascending by number."""

    findings: list[ListedFinding]
    next_after: Annotated[int | None, Field(description="`after` of the next page.")]


@example(
    {
        "acts": [
            {
                "id": 7,
                "act": "set_quota",
                "actor": "root",
                "user_id": "alice",
                "details": {"limit_bytes": 20_000_000_000},
                "outcome": "done",
                "at": EXAMPLE_TIME,
            }
        ],
        "next_before": None,
    }
)
class ActList(TypedDict):
    """The audit log, newest first."""

    acts: list[Act]
    next_before: Annotated[int | None, Field(description="Value of `before` for the next page.")]


class Act(TypedDict):
    """An entry of the audit log."""

    id: int
    act: str
    actor: Annotated[str | None, Field(description="Null: the installation itself.")]
    user_id: Annotated[str | None, Field(description="The user it was about.")]
    details: Any
    outcome: str
    at: str


class InfectedContent(TypedDict):
    """Stored content that nobody can read, because the scanner found malware in it."""

    user_id: str
    key: str
    file_id: Annotated[str | None, Field(description="Null for a project's file, or an older version.")]
    filename: str
    size: Annotated[int, Field(description="Bytes.")]
    signature: Annotated[str, Field(description="What was found.")]
    database: Annotated[str, Field(description="Scanner and signatures.")]
    found_at: str


class InfectedList(TypedDict):
    """A page, by user."""

    contents: list[InfectedContent]
    next_page_token: str | None
