"""Postgres in a folder that its user may not enter, and leftovers of an earlier one; as root and as another
user.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from devstack import infra, postgres_lock
from devstack.errors import DevstackError
from devstack.postgres_files import find_programs, publish_programs
from tests.integration.devstack.running import until


def test_folders_that_nobody_else_may_enter_are_no_obstacle(tmp_path: Path) -> None:
    """For example a checkout below /root with a stack started by root; permissions of parent folders stay
    unchanged.
    """
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with infra.start(private / "data") as servers, psycopg.connect(servers.postgres_superuser_dsn) as admin:
        assert admin.execute("SELECT current_setting('data_checksums')").fetchone() == ("on",)
        admin.execute("CREATE EXTENSION pg_trgm")
    assert (private / "data" / "postgres" / "data" / "PG_VERSION").exists()
    assert private.stat().st_mode & 0o777 == 0o700


def test_published_programs_run_without_the_originals(tmp_path: Path) -> None:
    programs = find_programs()
    published = publish_programs(programs, tmp_path / "public")
    assert publish_programs(programs, tmp_path / "public") == published
    shown = subprocess.run([published / "psql", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("psql (PostgreSQL)")
    assert len(list((tmp_path / "public").iterdir())) == 1


def test_programs_are_not_put_where_others_may_write(tmp_path: Path) -> None:
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o777)
    with pytest.raises(DevstackError, match="writable by no other"):
        publish_programs(find_programs(), public)


def test_a_lock_file_of_a_stranger_is_removed_and_that_of_a_dead_server_left(tmp_path: Path) -> None:
    lock = tmp_path / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n")
    postgres_lock.clear_the_way(tmp_path, "strongroom-no-such-cluster")
    assert not lock.exists()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    lock.write_text(f"{gone.pid}\n")
    postgres_lock.clear_the_way(tmp_path, "strongroom-no-such-cluster")
    assert lock.exists()


def test_what_still_works_in_the_cluster_is_waited_for(tmp_path: Path) -> None:
    mark = f"strongroom-{tmp_path.name}"
    lock = tmp_path / "postmaster.pid"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)", mark]) as backend:
        lock.write_text(f"{backend.pid}\n")
        until("its command line", lambda: postgres_lock.processes_of(mark) == [backend.pid])
        postgres_lock.clear_the_way(tmp_path, mark)
        assert postgres_lock.processes_of(mark) == []  # it may still be exiting
