"""An object's carried spec is complete, or names what is missing; it fits into stores' limits."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from uuid import UUID

import pytest

from metadata_service.files.carried import SPEC_KEY, Sealing, carried
from metadata_service.files.families import TIMESTAMP_KEY, object_metadata
from metadata_service.files.layouts import Attempt
from metadata_service.files.specs import normal_spec
from storage_service.objectstore.s3.headers import encode_metadata
from strongroom.metadata.v1.file_pb2 import GENERATION_TYPE_TEXT_TO_IMAGE, VISIBILITY_PUBLIC
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_AUDIO, UploadSpec

EVENT = "5b0c6f3e-52c5-4d3c-8f43-6f5f6f9ad2f5"
NOISE = "".join(random.Random(7).choices(string.printable, k=60_000))


def spec(filename: str = "a.bin", **more: object) -> UploadSpec:
    return UploadSpec(filename=filename, content_type="image/png", visibility=VISIBILITY_PUBLIC, **more)  # type: ignore[arg-type]


def plain(made: UploadSpec) -> None:
    made.target.file.SetInParent()


def audio(made: UploadSpec) -> None:
    made.target.file.folder = FILE_FOLDER_AUDIO
    made.target.file.class_id = "class/7"


def generation(made: UploadSpec) -> None:
    made.target.generation.type = GENERATION_TYPE_TEXT_TO_IMAGE
    made.target.generation.prompt = "a fox, " * 40
    made.target.generation.settings_json = json.dumps({"seed": 7, "steps": list(range(40))})


def media(made: UploadSpec) -> None:
    made.target.event_media.event_id = EVENT
    made.target.event_media.title = "Fest — 1"
    made.target.event_media.tags.extend(["a", "b"])


def temporary(made: UploadSpec) -> None:
    made.target.temp.ttl.seconds = 7


def profile(made: UploadSpec) -> None:
    made.target.profile_picture.SetInParent()


def said(made: UploadSpec, owner: str = "ada", sealing: Sealing | None = None) -> dict[str, str]:
    normal = normal_spec(made, owner)
    attempt = Attempt(owner, UUID(EVENT), None, "bin")  # type: ignore[arg-type]
    return object_metadata(normal, attempt, sealing) | {TIMESTAMP_KEY: "2026-11-28T10:11:12.123456Z"}


def header_bytes(metadata: dict[str, str]) -> int:
    return sum(len(key) + len(text) for key, text in encode_metadata(metadata).items())


@pytest.mark.parametrize("fill", [plain, audio, generation, media, temporary, profile])
def test_a_spec_comes_back_whole(fill: Callable[[UploadSpec], None]) -> None:
    made = spec(metadata={"project": "x", "note": "ä"})
    fill(made)
    found, left_out = carried(said(made))
    assert found is not None
    assert (found.target, dict(found.metadata), found.visibility) == (
        normal_spec(made, "ada").target,
        dict(made.metadata),
        VISIBILITY_PUBLIC,
    )
    assert left_out == []


@pytest.mark.parametrize("owner", ["ada", "ü" * 250])
@pytest.mark.parametrize(
    ("fill", "missing"),
    [
        (lambda made: _long_generation(made, settings=NOISE), ["settings_json"]),
        (lambda made: _long_generation(made, prompt=NOISE[:30_000]), ["settings_json", "prompt"]),
        (lambda made: _long_media(made, NOISE[:4000]), ["description"]),
        (lambda made: _with_pairs(made), ["metadata"]),
    ],
)
def test_what_does_not_fit_is_named(
    fill: Callable[[UploadSpec], None], missing: list[str], owner: str
) -> None:
    made = spec("名" * 200)
    fill(made)
    metadata = said(made, owner)
    assert header_bytes(metadata) <= 2048
    assert all(len(text) <= 256 for key, text in metadata.items() if key.startswith(SPEC_KEY))
    found, left_out = carried(metadata)
    assert found is not None
    assert left_out[: len(missing)] == missing
    assert found.target.WhichOneof("target") == made.target.WhichOneof("target")
    assert (found.user_id or metadata["user_id"]) == owner


def _long_generation(made: UploadSpec, *, settings: str = "", prompt: str = "") -> None:
    generation(made)
    made.target.generation.prompt = prompt or "short"
    made.target.generation.settings_json = json.dumps(settings or "short")


def _long_media(made: UploadSpec, description: str) -> None:
    media(made)
    made.target.event_media.description = description


def _with_pairs(made: UploadSpec) -> None:
    plain(made)
    made.metadata.update(_pairs())


def _pairs() -> dict[str, str]:
    return {f"key{number}": NOISE[number * 1000 :][:1000] for number in range(32)}


@pytest.mark.parametrize("text", ["", "1", "1xx", "0////", "1AAAA", "0\x00", "0" + "A" * 239])
def test_what_is_damaged_is_none(text: str) -> None:
    assert carried({f"{SPEC_KEY}1": text})[0] is None


def test_the_path_is_the_keys() -> None:
    made = spec()
    made.target.path.path = "a/" * 500 + "b"
    found, left_out = carried(said(made))
    assert found is not None
    assert found.target.HasField("path")
    assert not found.target.path.path
    assert left_out == []


@pytest.mark.parametrize("fill", [plain, audio, generation, media, temporary, profile])
def test_what_is_sealed_is_for_who_has_the_secret(fill: Callable[[UploadSpec], None]) -> None:
    made = spec(metadata={"note": "secret note"})
    fill(made)
    sealing = Sealing(b"s" * 32)
    metadata = said(made, sealing=sealing)
    assert header_bytes(metadata) <= 2048
    found, left_out = carried(metadata, sealing)
    assert found is not None
    assert (found.target, dict(found.metadata), left_out) == (
        normal_spec(made, "ada").target,
        {"note": "secret note"},
        [],
    )
    assert carried(metadata) == (None, [])
    assert carried(metadata, Sealing(b"t" * 32)) == (None, [])
    assert carried(metadata | {f"{SPEC_KEY}1": metadata[f"{SPEC_KEY}1"][:-1]}, sealing)[0] is None


def test_a_long_prompt_fits_sealed() -> None:
    made = spec("a.png")
    _long_generation(made, prompt=NOISE[:30_000])
    metadata = said(made, sealing=Sealing(b"s" * 32))
    assert header_bytes(metadata) <= 2048
    assert carried(metadata, Sealing(b"s" * 32))[1] == ["settings_json", "prompt"]
