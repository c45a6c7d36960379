"""Targets, file names and the client's return values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from strongroom.client import targets
from strongroom.client.files import Family, StoredFile, Usage, Visibility, id_or_key, whole_seconds
from strongroom.client.path_downloads import local_name
from strongroom.client.uploads import Checksums
from strongroom.client.verification_values import to_finding, to_verification
from strongroom.metadata.v1 import file_pb2, target_pb2, usage_service_pb2, verification_pb2


def test_every_target_of_the_contract_but_the_archive_has_a_class() -> None:
    event = uuid4()
    made: list[targets.Target] = [
        targets.Uploads(),
        targets.Generation("text-to-image", "a cat", {"steps": 3}),
        targets.EventMedia(event, "t", "d", ["x"]),
        targets.ProfilePicture(),
        targets.Temp(timedelta(minutes=1)),
        targets.AtPath("a/b"),
    ]
    kinds = {target.to_proto().WhichOneof("target") for target in made}
    assert kinds == {field.name for field in target_pb2.UploadTarget.DESCRIPTOR.fields} - {"project_archive"}
    assert made[1].to_proto().generation.settings_json == '{"steps": 3}'
    assert made[2].to_proto().event_media.event_id == str(event)
    assert made[4].to_proto().temp.ttl.seconds == 60
    assert not targets.Temp().to_proto().temp.HasField("ttl")


def test_folders() -> None:
    assert targets.Documents().to_proto().file.folder == target_pb2.FILE_FOLDER_DOCUMENTS
    audio = targets.Audio("c1").to_proto().file
    assert (audio.folder, audio.class_id) == (target_pb2.FILE_FOLDER_AUDIO, "c1")


def test_every_generation_type_can_be_said_and_no_other() -> None:
    for name in ("text-to-image", "text-to-video", "image-to-image", "image-to-video"):
        assert targets.Generation(name).to_proto().generation.type > 0
    with pytest.raises(ValueError, match="not a generation type"):
        targets.Generation("unspecified").to_proto()  # type: ignore[arg-type]


def file(**fields: object) -> StoredFile:
    return StoredFile.from_proto(file_pb2.File(id="i", key="uploads/a/x.bin", **fields))  # type: ignore[arg-type]


def test_a_file_has_python_values() -> None:
    proto = file_pb2.File(
        family=file_pb2.FILE_FAMILY_EVENT_MEDIA, visibility=file_pb2.VISIBILITY_PUBLIC, metadata={"a": "b"}
    )
    proto.create_time.FromJsonString("2026-01-02T03:04:05.678Z")
    proto.event_media_details.tags.extend(["x", "y"])
    value = StoredFile.from_proto(proto)
    assert value.family is Family.EVENT_MEDIA
    assert value.visibility is Visibility.PUBLIC
    assert value.created_at == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert (value.deleted_at, value.expires_at, value.generation_info) == (None, None, None)
    assert value.event_media is not None
    assert value.event_media.tags == ("x", "y")
    with pytest.raises(TypeError):
        value.metadata["a"] = "c"  # type: ignore[index]


def test_generations_are_named_as_in_rest() -> None:
    details = file_pb2.GenerationDetails(type=file_pb2.GENERATION_TYPE_IMAGE_TO_VIDEO, prompt="p")
    info = file(generation_details=details).generation_info
    assert info is not None
    assert (info.type, info.prompt) == ("image-to-video", "p")


def test_families_round_trip_and_unknown_ones_are_not_fatal() -> None:
    for family in set(Family) - {Family.UNKNOWN}:
        assert Family.from_proto(family.to_proto()) is family
    assert {Family.from_proto(0), Family.from_proto(99)} == {Family.UNKNOWN}
    named = {name.removeprefix("FILE_FAMILY_") for name in set(file_pb2.FileFamily.keys())}
    assert named == {family.name for family in Family} - {"UNKNOWN"} | {"UNSPECIFIED"}


def test_verifications_are_told_in_words_and_unknown_ones_are_not_fatal() -> None:
    run = verification_pb2.Verification(
        state=verification_pb2.VERIFICATION_STATE_FINISHED, depth=verification_pb2.VERIFICATION_DEPTH_HEADS
    )
    told = to_verification(run, b"", b"", b"")
    assert (told.state, told.depth, told.is_clean) == ("finished", "heads", True)
    newer = verification_pb2.Verification.FromString(run.SerializeToString())
    newer.state, newer.depth = 99, 98  # type: ignore[assignment]
    told = to_verification(newer, b"", b"", b"")
    assert (told.state, told.depth, told.is_clean) == ("unknown_99", "unknown_98", False)
    finding = verification_pb2.Finding(kind=97)  # type: ignore[arg-type]
    assert to_finding(finding, b"").kind == "unknown_97"


def test_usage_tells_no_limit_from_zero() -> None:
    usage = Usage.from_proto(usage_service_pb2.Usage(limit_bytes=0))
    assert (usage.limit_bytes, usage.limit_files) == (0, None)


def test_files_are_named_by_value_id_or_key() -> None:
    uuid = UUID("0b2e7a34-1b07-4c80-93cf-ec3dca4ba8a2")
    assert id_or_key(file()) == ("i", "")
    assert id_or_key(uuid) == id_or_key(str(uuid).upper()) == (str(uuid), "")
    assert id_or_key(f"uploads/a/{uuid}") == ("", f"uploads/a/{uuid}")
    assert id_or_key("plain") == ("", "plain")
    with pytest.raises(ValueError, match="both were empty"):
        id_or_key("")


def test_checksums_take_digests_as_bytes_or_hex() -> None:
    spec = target_pb2.UploadSpec()
    Checksums(crc32c=0, md5="00" * 16, sha256=b"\1" * 32).fill(spec)
    assert spec.checksums.HasField("crc32c")
    assert (spec.checksums.md5, spec.checksums.sha256) == (b"\0" * 16, b"\1" * 32)
    with pytest.raises(ValueError, match="hex"):
        Checksums(md5="zz").fill(spec)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        (".bashrc", "_bashrc"),
        ("C:\\x", "C__x"),
        ("a\nb\x1b[31m.txt", "a_b_[31m.txt"),
        ("cod\u202egpj.exe", "cod_gpj.exe"),
        ("nul.txt", "_nul.txt"),
        ("name. . ", "name"),
        ("ünï.txt", "ünï.txt"),
        ("", "x.bin"),
        ("..", "x.bin"),
        ("...", "x.bin"),
        ("/", "x.bin"),
    ],
)
def test_names_of_others_are_harmless_here(filename: str, expected: str) -> None:
    assert local_name(file(filename=filename)) == expected


def test_long_names_keep_their_extension() -> None:
    name = local_name(file(filename="é" * 500 + ".tar"))
    assert name.endswith(".tar")
    assert len(name.encode()) <= 200
    name.encode().decode()


def test_a_span_is_never_rounded_down_to_the_zero_that_means_forever() -> None:
    assert whole_seconds(timedelta(milliseconds=1)) == 1
    assert whole_seconds(timedelta(seconds=90, microseconds=1)) == 91
    assert (whole_seconds(0), whole_seconds(3600), whole_seconds(None)) == (0, 3600, None)
    for span in (timedelta(0), timedelta(seconds=-1)):
        with pytest.raises(ValueError, match="not a positive time span"):
            whole_seconds(span)
