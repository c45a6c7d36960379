"""The Python client's families against a whole stack."""

from __future__ import annotations

import os
import threading
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from strongroom import AtPath, Client, ImportItem, Label, Notification, StoredFile, errors
from strongroom.client import ProjectFile
from tests.e2e import samples
from tests.integration.importing.origin import Origin, answer
from tests.stack import RunningStack, until


@pytest.fixture
def client(stack: RunningStack, user: str) -> Iterator[Client]:
    """A client signed in as ``user``."""
    addresses = (stack.state["storage"]["address"], stack.state["metadata"]["address"])
    with Client(*addresses, token=stack.token(user), tls=False) as client:
        yield client


def write(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def read(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_files_at_paths(client: Client, user: str, tmp_path: Path) -> None:
    local = write(tmp_path, {"a.txt": b"one"}) / "a.txt"
    first = client.files.upload_file(local, "r/ü a.txt", "text/plain", {"k": "v"})
    assert (first.key, first.content_type) == (f"paths/{user}/r/ü a.txt", "text/plain")
    with local.open("rb") as file:
        client.files.upload_file(file, "r/b.txt")
    assert client.files.upload_file(b"two!", first.key).id == first.id
    for key in ("r/ü a.txt", first.key, first):
        assert client.files.download_file(key) == b"two!"
    client.files.download_file("r/b.txt", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"one"
    assert client.files.get_file_info("r/ü a.txt").size == 4
    assert [file.key for file in client.files.list_files("r/")] == [f"paths/{user}/r/b.txt", first.key]
    assert len(client.files.list_files(max_keys=1)) == 1
    url = client.files.get_file_url("r/b.txt", expires_in=60)
    assert httpx.get(url, trust_env=False).content == b"one"
    client.files.delete_file("r/b.txt")
    assert (client.files.file_exists("r/b.txt"), client.files.file_exists("r/ü a.txt")) == (False, True)
    with pytest.raises(errors.PathInvalid):
        client.files.upload_file(b"", "a/../b")


def test_users_with_odd_names(stack: RunningStack) -> None:
    """The client and the service compute the same key prefix."""
    addresses = (stack.state["storage"]["address"], stack.state["metadata"]["address"])
    for name in (f"ü b/{uuid.uuid4()}", "..."):
        with Client(*addresses, token=stack.token(name), tls=False) as client:
            key = client.upload(b"x", AtPath("p")).key
            assert client.files.get_file_info("p").key == key


def test_generations(client: Client, user: str, origin: Origin) -> None:
    good = origin.script(user, answer(samples.png()))
    seen: list[int] = []
    made = client.generations.import_url(
        good, "text-to-image", "a fox", {"seed": 7}, on_progress=lambda done, _: seen.append(done)
    )
    assert made.generation_info is not None
    assert (made.size, made.generation_info.prompt) == (len(samples.png()), "a fox")
    items = [ImportItem(good, "image-to-image"), ImportItem("http://10.0.0.1/", "text-to-image")]
    found, refused = client.generations.import_batch(items)
    assert isinstance(found, StoredFile)
    assert isinstance(refused, errors.SourceUrlRefused)
    sent = client.generations.upload(samples.png(), "text-to-image", filename="a.png")
    assert [file.id for file in client.generations.list("text-to-image")] == [sent.id, made.id]
    assert client.generations.list_page(page_size=1).total == 3
    until("the picture is described", lambda: client.generations.get(made.id).media)
    assert client.generations.get(made.key) == client.generations.get(made.id)
    stats = client.generations.stats()
    assert (stats.total, stats.by_type["text-to-image"].count, len(stats.by_day)) == (3, 2, 30)
    assert httpx.get(client.generations.url(made).url, trust_env=False).content == samples.png()
    client.generations.delete(made)
    other = client.files.upload_file(b"x", "x")
    for call in (client.generations.get, client.generations.url, client.generations.delete):
        for file in (made, other):
            with pytest.raises(errors.FileNotFound):
                call(file)


def test_event_media(client: Client, tmp_path: Path) -> None:
    event, other = uuid.uuid4(), uuid.uuid4()
    media, png = client.event_media, samples.png()
    stored = media.put(png, event, "First", tags=["a", "b"], filename="a.png")
    assert [file.id for file in media.list(event, content_type="image/*", tag="a")] == [stored.id]
    assert list(media.list(event, tag="c")) == []
    changed = media.update(event, stored, title="Second", tags=[], if_generation_match=stored.generation)
    assert changed.event_media is not None
    assert (changed.event_media.title, changed.event_media.tags) == ("Second", ())
    with pytest.raises(errors.PreconditionFailed):
        media.update(event, stored, title="Third", if_generation_match=stored.generation)
    media.download(event, stored.key, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == png
    with pytest.raises(errors.FileNotFound):
        media.delete(other, stored)
    media.delete(event, stored)
    assert media.list_page(event).total == 0
    picture = media.set_profile_picture(png, filename="me.png")
    assert media.get_profile_picture().id == picture.id
    media.delete_profile_picture()
    with pytest.raises(errors.FileNotFound):
        media.get_profile_picture()
    assert media.put_temp(b"x").expires_at is not None


def test_projects(client: Client, tmp_path: Path) -> None:
    projects, root = client.projects, tmp_path / "site"
    first = {"index.html": b"<h1>1</h1>", "src/ü/a.py": b"print()", "empty": b"", "big": bytes(3 << 20)}
    write(root, {**first, ".git/config": b"no", "logs/x.log": b"no"})
    (root / "link").symlink_to("/etc/passwd")
    saved = projects.save(root, "site", "Site", ignore=[".git/", "*.log"], expected_version=0)
    assert (saved.version.version, saved.sent, saved.skipped) == (1, 4, (root / "link",))
    (root / "index.html").write_bytes(b"<h1>2</h1>")
    (root / "empty").unlink()
    again = projects.save(root, "site", ignore=[".git/", "*.log"])
    assert (again.sent, again.version.changed, again.version.removed) == (1, 1, 1)
    with pytest.raises(errors.VersionConflict):
        projects.save(root, "site", expected_version=1)

    for name, content in first.items():
        assert projects.read("site", name, 1) == content
    assert projects.read("site", "index.html") != first["index.html"]
    with pytest.raises(errors.FileNotFound):
        projects.read("site", "none")
    with pytest.raises(errors.VersionNotFound):
        projects.read("site", "index.html", 9)
    restored = projects.restore("site", tmp_path / "old", 1)
    assert (read(tmp_path / "old"), restored.version, len(restored.written)) == (first, 1, 4)
    with pytest.raises(FileExistsError):
        projects.restore("site", tmp_path / "old")
    assert read(tmp_path / "old") == first
    assert projects.restore("site", tmp_path / "old", overwrite=True).written == ("index.html",)

    label = Label("Back", "as it was", ("old",))
    back = projects.rollback("site", 1, expected_version=2, label=label).version
    assert (back.rolled_back_to, back.name, back.message, back.tags) == (1, "Back", "as it was", ("old",))
    assert projects.label("site", 3, tags=["kept"]).tags == ("kept",)
    assert [version.version for version in projects.versions("site")] == [3, 2, 1]
    assert not projects.version_rule("site").own
    rule = projects.keep_versions("site", 5, daily_days=9)
    assert (rule.keep_last, rule.daily_days, rule.own) == (5, 9, True)
    assert projects.version_rule("site") == rule
    assert not projects.keep_versions("site", None).own
    path = projects.archive("site", tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == first
    copy = projects.save_archive(path, "copy")
    assert {file.path for file in projects.files("copy")} == set(first)
    assert copy.version.file_count == 4
    assert {project.slug for project in projects.list()} == {"site", "copy"}
    assert projects.delete("copy").slug == "copy"
    with pytest.raises(errors.ProjectNotFound):
        projects.get("copy")


def test_the_executable_bit(client: Client, tmp_path: Path) -> None:
    """From a folder, from a ZIP and by a roll-back; to a folder, a ZIP and the list."""
    projects, root = client.projects, write(tmp_path / "in", {"run.sh": b"#!", "plain": b"#!"})
    (root / "run.sh").chmod(0o755)
    assert projects.save(root, "runs").sent == 2
    assert projects.save(root, "runs").sent == 0
    assert _executables(projects.files("runs")) == {"run.sh"}
    (root / "run.sh").chmod(0o644)
    (root / "plain").chmod(0o700)
    assert projects.save(root, "runs").sent == 2
    assert _executables(projects.files("runs")) == {"plain"}
    projects.restore("runs", root, 1)
    assert [os.access(root / name, os.X_OK) for name in ("run.sh", "plain")] == [True, False]
    projects.rollback("runs", 1)
    assert _executables(projects.files("runs")) == {"run.sh"}
    path = projects.archive("runs", tmp_path)
    with zipfile.ZipFile(path) as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert modes == {"run.sh": 0o100755, "plain": 0o100644}
    projects.save_archive(path, "runs-copy")
    assert _executables(projects.files("runs-copy")) == {"run.sh"}
    projects.restore("runs-copy", tmp_path / "out")
    assert [os.access(tmp_path / "out" / name, os.X_OK) for name in ("run.sh", "plain")] == [True, False]


def _executables(files: Iterable[ProjectFile]) -> set[str]:
    return {file.path for file in files if file.executable}


def test_links_lead_nowhere(client: Client, tmp_path: Path) -> None:
    client.projects.save(write(tmp_path / "in", {"a/b": b"x"}), "linked")
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(outside)
    with pytest.raises(errors.PathInvalid):
        client.projects.restore("linked", tmp_path / "out", overwrite=True)
    assert list(outside.iterdir()) == []


def test_watching(client: Client) -> None:
    found: list[Notification] = []
    ready = threading.Event()

    def look() -> None:
        for event in client.watch():
            found.append(event)
            if event.type == "file-ready":
                ready.set()
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    stored = client.files.upload_file(b"x", "watched")
    while not ready.wait(0.2):  # later watchers don't see it
        stored = client.files.upload_file(b"x", "watched")
    thread.join(60)
    assert found[-1].subject_id == stored.id
    missed = client.files.upload_file(b"x", "missed")
    subjects = (event.subject_id for event in client.watch(found[-1].id))
    assert missed.id in subjects
