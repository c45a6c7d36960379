"""Reading, listing and editing files."""

from __future__ import annotations

import uuid

import pytest

from metadata_service.db.paging import PageTokens
from metadata_service.files.edits import Edit
from metadata_service.files.queries import FileQueries, Listing
from strongroom.errors import FileNotFound, InvalidField, InvalidPageToken, PreconditionFailed
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.world import World, path_spec, plain_spec

NAMES = ["a", "a/b", "a0", "aa", "b", "B", "z~", "é", "日本", "\U0001f408", "a b"]


async def all_pages(world: World, listing: Listing, size: int) -> list[list[File]]:
    pages, token = [], ""
    while True:
        page = await world.queries.page(listing, size, token)
        pages.append(list(page.files))
        token = page.next_page_token
        if not token:
            return pages


async def test_pages_come_in_byte_order_and_miss_nothing(world: World, owner: str) -> None:
    made = [(await world.upload(owner, path_spec(name))).key for name in NAMES]
    made.append((await world.upload(owner)).key)
    wanted = sorted(made, key=str.encode)
    for size in (1, 3, len(wanted), 1000):
        pages = await all_pages(world, Listing(owner), size)
        assert [file.key for page in pages for file in page] == wanted
        assert all(len(page) == size for page in pages[:-1])


@pytest.mark.parametrize("prefix", ["", "a", "a/", "é", "日", "\U0001f408", "zz"])
async def test_prefixes_are_bytes(world: World, owner: str, prefix: str) -> None:
    made = [(await world.upload(owner, path_spec(name))).key for name in NAMES]
    root = f"paths/{owner}/{prefix}"
    pages = await all_pages(world, Listing(owner, root), 2)
    assert [f.key for page in pages for f in page] == sorted(
        (key for key in made if key.startswith(root)), key=str.encode
    )


async def test_pages_stay_stable_while_files_come_and_go(world: World, owner: str) -> None:
    files = [await world.upload(owner, path_spec(f"f{n:02}")) for n in range(10)]
    first = await world.queries.page(Listing(owner), 4, "")
    await world.delete(owner, files[3])
    await world.delete(owner, files[5])
    await world.upload(owner, path_spec("f00a"))
    await world.upload(owner, path_spec("f04a"))
    rest = await world.queries.page(Listing(owner), 100, first.next_page_token)
    assert [file.filename and file.key.rpartition("/")[2] for file in [*first.files, *rest.files]] == [
        "f00", "f01", "f02", "f03", "f04", "f04a", "f06", "f07", "f08", "f09",
    ]  # fmt: skip
    assert rest.next_page_token == ""


async def test_the_basic_view_goes_on_where_the_full_one_ended(world: World, owner: str) -> None:
    for name in "abc":
        await world.upload(owner, path_spec(name))
    token = (await world.queries.page(Listing(owner), 1, "")).next_page_token
    full = (await world.queries.page(Listing(owner), 2, token)).files
    basic = (await world.queries.page(Listing(owner, basic=True), 2, token)).files
    names = {"id", "key", "content_type", "size_bytes", "etag", "update_time"}
    shown = [{field.name: value for field, value in file.ListFields()} for file in full]
    assert [{field.name: value for field, value in file.ListFields()} for file in basic] == [
        {name: value for name, value in file.items() if name in names} for file in shown
    ]
    assert len(basic) == 2


async def test_families_and_other_owners_stay_apart(world: World, owner: str) -> None:
    plain = await world.upload(owner)
    await world.upload(owner, path_spec())
    await world.upload(f"{owner}-2")
    page = await world.queries.page(Listing(owner, family=file_pb2.FILE_FAMILY_FILE), 0, "")
    assert page.files == [plain]


async def test_soft_deleted_files_are_listed_on_demand(world: World, owner: str) -> None:
    for _ in range(3):
        await world.delete(owner, await world.upload(owner, path_spec()), soft=True)
    live = await world.upload(owner, path_spec())
    assert (await world.queries.page(Listing(owner), 0, "")).files == [live]
    pages = await all_pages(world, Listing(owner, show_deleted=True), 1)
    shown = [file for page in pages for file in page]
    assert len({file.id for file in shown}) == 4
    assert [file.HasField("delete_time") for file in shown].count(True) == 3


async def test_a_token_belongs_to_its_query(world: World, owner: str) -> None:
    for name in "abc":
        await world.upload(owner, path_spec(name))
    token = (await world.queries.page(Listing(owner), 1, "")).next_page_token
    others = [
        Listing(owner, "paths/"),
        Listing(owner, family=file_pb2.FILE_FAMILY_PATH),
        Listing(owner, show_deleted=True),
        Listing(f"{owner}-2"),
    ]
    for listing in others:
        with pytest.raises(InvalidPageToken):
            await world.queries.page(listing, 1, token)
    stranger = FileQueries(world.database, PageTokens(b"another secret"))
    with pytest.raises(InvalidPageToken):
        await stranger.page(Listing(owner), 1, token)


async def test_a_page_ends_early_rather_than_burst_a_message(world: World, owner: str) -> None:
    spec = UploadSpec(filename="a.png", content_type="image/png", metadata={"a": "x"})
    spec.target.generation.type = file_pb2.GENERATION_TYPE_TEXT_TO_IMAGE
    spec.target.generation.settings_json = '"' + "s" * 65000 + '"'
    for _ in range(60):
        await world.upload(owner, spec)
    pages = await all_pages(world, Listing(owner), 1000)
    assert sum(len(page) for page in pages) == 60
    assert len(pages) == 2
    assert all(sum(file.ByteSize() for file in page) < 4 << 20 for page in pages)


async def test_what_is_not_there(world: World, owner: str) -> None:
    file = await world.upload(owner)
    for call in (
        world.queries.by_id(owner, uuid.uuid4()),
        world.queries.by_key(owner, file.key + "x"),
        world.queries.by_id(f"{owner}-2", uuid.UUID(file.id)),
        world.queries.by_key(f"{owner}-2", file.key),
    ):
        with pytest.raises(FileNotFound):
            await call


async def test_nul_in_a_key_is_no_bug_of_ours(world: World, owner: str) -> None:
    with pytest.raises(InvalidField):
        await world.queries.by_key(owner, "a\0b")
    with pytest.raises(InvalidField):
        await world.queries.page(Listing(owner, "a\0"), 0, "")


async def test_an_edit_changes_what_it_names(world: World, owner: str) -> None:
    file = await world.upload(owner, plain_spec(metadata={"old": "1"}))
    file_id = uuid.UUID(file.id)
    renamed = await world.editing.update(Edit(owner, file_id, filename="x/новое имя.txt"))
    assert (renamed.filename, renamed.generation) == ("новое имя.txt", 2)
    assert renamed.metadata == file.metadata
    public = await world.editing.update(
        Edit(
            owner,
            file_id,
            visibility=file_pb2.VISIBILITY_PUBLIC,
            metadata={"new": "2", "user_id": "forged"},
            replace_metadata=True,
            if_generation_match=2,
        )
    )
    assert public.visibility == file_pb2.VISIBILITY_PUBLIC
    assert dict(public.metadata) == {**{k: v for k, v in file.metadata.items() if k != "old"}, "new": "2"}
    assert public.update_time.ToMicroseconds() > file.update_time.ToMicroseconds()
    assert await world.queries.by_id(owner, file_id) == public


async def test_an_edit_of_single_pairs(world: World, owner: str) -> None:
    file = await world.upload(owner, plain_spec(metadata={"a": "1", "b": "2"}))
    edit = Edit(
        owner, uuid.UUID(file.id), metadata={"b": "3", "c": "4"}, remove_metadata=["a", "user_id", "none"]
    )
    changed = await world.editing.update(edit)
    promised = {name: text for name, text in file.metadata.items() if name not in {"a", "b"}}
    assert dict(changed.metadata) == {**promised, "b": "3", "c": "4"}
    with pytest.raises(InvalidField):  # 32 at most, existing ones included
        await world.editing.update(
            Edit(owner, uuid.UUID(file.id), metadata={f"k{n}": "v" for n in range(31)})
        )


async def test_edits_that_are_refused(world: World, owner: str) -> None:
    file_id = uuid.UUID((await world.upload(owner)).id)
    with pytest.raises(PreconditionFailed):
        await world.editing.update(Edit(owner, file_id, filename="x", if_generation_match=7))
    with pytest.raises(InvalidField):
        await world.editing.update(Edit(owner, file_id, filename="folder/"))
    with pytest.raises(FileNotFound):
        await world.editing.update(Edit(f"{owner}-2", file_id, filename="x"))
    assert (await world.queries.by_id(owner, file_id)).generation == 1
