"""Each migration source against a whole stack: planned, moved, mapped, verified byte for byte, and cleared of
verified files.
"""

from __future__ import annotations

import csv
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.e2e.conftest import Login
from tests.integration.sdk.shell import Outcome, Shell
from tests.stack import RunningStack


@pytest.fixture
def shell(stack: RunningStack) -> Shell:
    """An operator's command line."""
    return Shell(
        {
            "STRONGROOM_DATA_DIR": str(stack.data_dir),
            "STRONGROOM_TOKEN": stack.token(f"mover-{uuid.uuid4()}", roles=["admin"]),
            "COLUMNS": "200",
        }
    )


def done(outcome: Outcome) -> Outcome:
    assert outcome.exit_code == 0, outcome.out + outcome.err
    return outcome


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["reference"]: row for row in csv.DictReader(file)}


@pytest.fixture
def old_database(stack: RunningStack) -> Iterator[str]:
    """A database of the old application, on the stack's server."""
    dsn, name = stack.state["postgres"]["dsn"], f"old_{uuid.uuid4().hex}"
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield make_conninfo(dsn, dbname=name)
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_table_with_bytea(shell: Shell, login: Login, user: str, old_database: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    contents = {number: chance.randbytes(99) for number in range(1, 8)} | {
        8: chance.randbytes(9 << 20),
        9: b"",
    }
    with psycopg.connect(old_database, autocommit=True) as old:
        old.execute(
            'CREATE TABLE "old Files" (id bigint PRIMARY KEY, who text, "Data" bytea, name text,'
            " new_key text, new_url text)"
        )
        for number, content in contents.items():
            names = (number, f"{user}-{number % 2}", content, f'dir/it\'s "{number}".bin')
            old.execute('INSERT INTO "old Files" VALUES (%s, %s, %s, %s)', names)
        old.execute('INSERT INTO "old Files" VALUES (10, %s, NULL, %s)', (user, "none.bin"))
    columns = ("id=id", "bytes=Data", "owner=who", "name=name")
    options = [word for column in columns for word in ("--column", column)]
    plan = tmp_path / "plan.jsonl"
    made = done(shell("migrate", "plan", old_database, "--table", "old Files", *options, "-o", str(plan)))
    assert "9 to move" in made.out
    assert "its Data is NULL" in made.err
    password = psycopg.conninfo.conninfo_to_dict(old_database)["password"]
    assert str(password) not in plan.read_text()
    at = ("--dsn", old_database)
    assert done(shell("migrate", "run", str(plan), *at)).out.startswith("9 moved")
    moved = rows_of(tmp_path / "plan.jsonl.map.csv")
    for number, content in contents.items():
        row = moved[str(number)]
        assert login(row["owner"]).get(httpx.URL(row["url"]).path).content == content
    done(
        shell(
            "migrate", "map", str(plan), "--table", "old Files", "--match", "id",
            "--set", "new_key=key", "--set", "new_url=url",
        )
    )  # fmt: skip
    with psycopg.connect(old_database, autocommit=True) as old:
        old.execute((tmp_path / "plan.jsonl.map.sql").read_text())
        found = old.execute(
            'SELECT id::text, new_key, new_url FROM "old Files" WHERE new_key IS NOT NULL'
        ).fetchall()
        assert {row[0]: row[1:] for row in found} == {
            key: (one["key"], one["url"]) for key, one in moved.items()
        }
        old.execute('UPDATE "old Files" SET "Data" = \'new bytes\' WHERE id = 3')
    proved = shell("migrate", "verify", str(plan), "--deep", *at)
    assert (proved.exit_code, proved.out[:11]) == (1, "8 confirmed")
    assert "3: the source has changed" in proved.err
    assert done(shell("migrate", "cleanup", str(plan), *at)).out.startswith("8 would be deleted")
    with psycopg.connect(old_database, autocommit=True) as old:
        old.execute('UPDATE "old Files" SET "Data" = \'written after verify\' WHERE id = 4')
        cleared = shell("migrate", "cleanup", str(plan), "--yes", *at)
        assert (cleared.exit_code, cleared.out[:9]) == (1, "7 deleted")
        left = old.execute('SELECT id FROM "old Files" WHERE "Data" IS NOT NULL ORDER BY id').fetchall()
        assert left == [(3,), (4,)]
    assert rows_of(tmp_path / "plan.jsonl.verified.csv")["1"]["result"] == "ok"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--table", "t", "--query", "SELECT 1"), "say one of them"),
        (("--table", "t", "--column", "id=id"), "--column bytes=NAME is missing"),
        (
            ("--table", "missing", "--column", "id=id", "--column", "bytes=b"),
            'relation "missing" does not exist',
        ),
        (("--query", "SELEC", "--column", "id=id", "--column", "bytes=b"), "syntax error"),
        (("--table", "t", "--column", "ids=id"), "knows no 'ids'"),
        (("--table", "t", "--column", "id"), "takes WHAT=NAME"),
    ],
)
def test_what_a_table_lacks_is_told(
    shell: Shell, old_database: str, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    refused = shell("migrate", "plan", old_database, *options, "-o", str(tmp_path / "plan.jsonl"))
    assert (refused.exit_code, refused.out) == (2, "")
    assert said in refused.err
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class OldBucket:
    """A bucket of the old application, and the environment to reach it."""

    client: Any
    name: str
    endpoint: str
    keys: dict[str, str]


@pytest.fixture
def old_bucket(stack: RunningStack) -> OldBucket:
    place = stack.state["s3"]
    client = boto3.client(
        "s3",
        endpoint_url=place["endpoint"],
        aws_access_key_id=place["access_key"],
        aws_secret_access_key=place["secret_key"],
        region_name=place["region"],
    )
    name = f"old-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    keys = {"AWS_ACCESS_KEY_ID": place["access_key"], "AWS_SECRET_ACCESS_KEY": place["secret_key"]}
    return OldBucket(client, name, place["endpoint"], keys)


def test_another_bucket(shell: Shell, login: Login, user: str, old_bucket: OldBucket, tmp_path: Path) -> None:
    client, bucket = old_bucket.client, old_bucket.name
    shell = Shell({**shell.environ, **old_bucket.keys})
    contents = {
        f"old/{user}/a.txt": b"a",
        f"old/{user}/ü 'b'/c d+e%20.txt": b"odd",
        f"old/{user}/large.bin": random.Random(3).randbytes(3 << 20),
        f"old/{user}/empty": b"",
    }
    for key, content in contents.items():
        client.put_object(Bucket=bucket, Key=key, Body=content)
    client.put_object(Bucket=bucket, Key="elsewhere/x", Body=b"not asked for")
    plan = str(tmp_path / "plan.csv")
    where = ("--endpoint-url", old_bucket.endpoint, "--layout", "{owner}/{path}", "--family", "path")
    done(shell("migrate", "plan", f"s3://{bucket}/old/", *where, "-o", plan))
    assert old_bucket.keys["AWS_SECRET_ACCESS_KEY"] not in Path(plan).read_text()
    changed = f"old/{user}/a.txt"
    client.put_object(Bucket=bucket, Key=changed, Body=b"changed since")
    first = shell("migrate", "run", plan)
    assert (first.exit_code, first.out[:7]) == (1, "3 moved")
    assert "it was changed since it was planned" in first.err
    client.put_object(Bucket=bucket, Key=changed, Body=b"a")
    assert done(shell("migrate", "run", plan)).out.startswith("1 moved")
    moved = rows_of(tmp_path / "plan.csv.map.csv")
    assert set(moved) == set(contents)
    for key, row in moved.items():
        assert login(user).get(httpx.URL(row["url"]).raw_path.decode()).content == contents[key]
    done(shell("migrate", "verify", plan, "--deep"))
    gone = login(user).delete(httpx.URL(moved[changed]["url"]).path)
    assert gone.status_code < 300
    cleared = shell("migrate", "cleanup", plan, "--yes")
    assert (cleared.exit_code, cleared.out[:9]) == (1, "3 deleted")
    assert "it is no longer stored" in cleared.err
    left = [one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert sorted(left) == sorted([changed, "elsewhere/x"])


def test_projects_of_another_bucket(
    shell: Shell, login: Login, user: str, old_bucket: OldBucket, tmp_path: Path
) -> None:
    client, bucket = old_bucket.client, old_bucket.name
    shell = Shell({**shell.environ, **old_bucket.keys})
    for path in ("My Site/index.html", "My Site/css/a.css", "other/../../x"):
        client.put_object(Bucket=bucket, Key=f"projects/{user}/{path}", Body=path.encode())
    plan = str(tmp_path / "plan.jsonl")
    where = (
        "--endpoint-url",
        old_bucket.endpoint,
        "--layout",
        "{owner}/{slug}/{path}",
        "--family",
        "project",
    )
    made = done(shell("migrate", "plan", f"s3://{bucket}/projects/", *where, "-o", plan))
    assert "1 to move" in made.out
    assert "can't be a file of a project" in made.err
    assert done(shell("migrate", "run", plan)).out.startswith("1 moved")
    found = login(user).get("/api/projects/my-site/files/css/a.css")
    assert found.content == b"My Site/css/a.css"
    assert done(shell("migrate", "verify", plan, "--deep")).out.startswith("1 confirmed")
    assert done(shell("migrate", "cleanup", plan, "-y")).out.startswith("1 deleted")
    left = [one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == [f"projects/{user}/other/../../x"]


def test_a_list_of_paths_and_urls(
    shell: Shell, stack: RunningStack, login: Login, user: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a")
    page = httpx.get(f"{stack.url}/livez").content
    (tmp_path / "old.csv").write_text(
        "source,owner,family,key,type,title\n"
        f"a.txt,{user},path,notes/a.txt,text/plain,\n"
        f"a.txt,{user},documents,,text/plain,\n"
        f"{stack.url}/livez,{user},uploads,,,\n"
        f"{stack.url}/missing,{user},uploads,,,\n"
        f"missing.txt,{user},uploads,,,\n"
        f"a.txt,{user},path,../up,,\n"
        "http://127.0.0.1:1/x,,uploads,,,\n"
    )
    plan = str(tmp_path / "plan.jsonl")
    made = done(shell("migrate", "plan", str(tmp_path / "old.csv"), "-o", plan, "--json"))
    (summary,) = made.documents
    assert (summary["entries"], summary["refused"]) == (3, 4)
    assert done(shell("migrate", "run", plan)).out.startswith("3 moved")
    assert login(user).get(f"/api/v1/s3/file/paths/{user}/notes/a.txt").text == "a"
    by_url = rows_of(tmp_path / "plan.jsonl.map.csv")[f"{stack.url}/livez"]
    assert login(user).get(httpx.URL(by_url["url"]).path).content == page
    assert done(shell("migrate", "verify", plan)).out.startswith("3 confirmed")
    cleared = shell("migrate", "cleanup", plan, "--yes")
    assert (cleared.exit_code, cleared.out[:9]) == (1, "2 deleted")
    assert "what is at a URL is not deleted" in cleared.err
    assert not (tmp_path / "a.txt").exists()


def test_a_source_that_a_second_line_still_needs_stays(shell: Shell, user: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "old.csv").write_text(
        f"path,owner,family\na.txt,{user}-1,uploads\n./a.txt,{user}-2,uploads\n"
    )
    plan = str(tmp_path / "plan.jsonl")
    done(shell("migrate", "plan", str(tmp_path / "old.csv"), "-o", plan))
    done(shell("migrate", "run", plan, "--first", "1"))
    assert shell("migrate", "verify", plan).exit_code == 1
    kept = shell("migrate", "cleanup", plan, "--yes")
    assert (kept.exit_code, kept.out[:9]) == (1, "0 deleted")
    assert (tmp_path / "a.txt").exists()
    done(shell("migrate", "run", plan))
    done(shell("migrate", "verify", plan))
    done(shell("migrate", "cleanup", plan, "--yes"))
    assert not (tmp_path / "a.txt").exists()
