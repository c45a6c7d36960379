"""Targets of uploads: one small class per family of the contract, each converted to an ``UploadTarget``.

The family decides the S3 key, the size limit and the allowed types; see
``protos/strongroom/metadata/v1/target.proto``. Values are checked by the service (``InvalidField`` names the
field and the rule), not here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from google.protobuf.duration_pb2 import Duration

from strongroom.client.arguments import expect, several, text
from strongroom.metadata.v1 import file_pb2, target_pb2

GenerationKind = Literal["text-to-image", "text-to-video", "image-to-image", "image-to-video"]


@dataclass(frozen=True, slots=True)
class Uploads:
    """A plain file of any type: ``uploads/{user}/{uuid}.{ext}``. The default."""

    def to_proto(self) -> target_pb2.UploadTarget:
        """Return the ``UploadTarget``."""
        return _file_target(target_pb2.FILE_FOLDER_UPLOADS)


@dataclass(frozen=True, slots=True)
class Documents:
    """A PDF, office document or text: ``documents/{user}/{uuid}.{ext}``."""

    def to_proto(self) -> target_pb2.UploadTarget:
        """Return the ``UploadTarget``."""
        return _file_target(target_pb2.FILE_FOLDER_DOCUMENTS)


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording of a class: ``audio/{class_id}/{uuid}.{ext}``."""

    class_id: str

    def to_proto(self) -> target_pb2.UploadTarget:
        """Return the ``UploadTarget``."""
        return _file_target(target_pb2.FILE_FOLDER_AUDIO, self.class_id)


@dataclass(frozen=True, slots=True)
class Generation:
    """A generated image or video. ``settings``: JSON text, kept byte for byte, or a mapping to be written as
    JSON.
    """

    type: GenerationKind
    prompt: str = ""
    settings: str | Mapping[str, Any] = ""

    def to_proto(self) -> target_pb2.UploadTarget:
        """Return the ``UploadTarget``.

        :raises ValueError: the type is not one of the four.
        """
        if self.type not in get_args(GenerationKind):
            raise ValueError(f"{self.type!r} is not a generation type, such as 'text-to-image'")
        kind = file_pb2.GenerationType.Value("GENERATION_TYPE_" + self.type.replace("-", "_").upper())
        text = self.settings if isinstance(self.settings, str) else json.dumps(self.settings)
        made = target_pb2.GenerationTarget(type=kind, prompt=self.prompt, settings_json=text)
        return target_pb2.UploadTarget(generation=made)


@dataclass(frozen=True, slots=True)
class EventMedia:
    """A photo, video or document of an event."""

    event_id: str | UUID
    title: str = ""
    description: str = ""
    tags: Sequence[str] = ()

    def to_proto(self) -> target_pb2.UploadTarget:
        """Return the ``UploadTarget``."""
        media = target_pb2.EventMediaTarget(
            event_id=str(self.event_id),
            title=self.title,
            description=self.description,
            tags=several("tags", self.tags),
        )
        return target_pb2.UploadTarget(event_media=media)


@dataclass(frozen=True, slots=True)
class ProfilePicture:
    """The caller's profile picture; replaces the previous one atomically."""

    def to_proto(self) -> target_pb2.UploadTarget:
        """Return the ``UploadTarget``."""
        return target_pb2.UploadTarget(profile_picture=target_pb2.ProfilePictureTarget())


@dataclass(frozen=True, slots=True)
class Temp:
    """A temporary file, deleted after ``ttl`` (1 s to 30 days; None: the service's default, 24 h)."""

    ttl: timedelta | None = None

    def to_proto(self) -> target_pb2.UploadTarget:
        """Return the ``UploadTarget``."""
        temp = target_pb2.TempTarget()
        if self.ttl is not None:
            expect(self.ttl, timedelta, "ttl is a timedelta, such as timedelta(hours=1)")
            duration = Duration()
            duration.FromTimedelta(self.ttl)
            temp.ttl.CopyFrom(duration)
        return target_pb2.UploadTarget(temp=temp)


@dataclass(frozen=True, slots=True)
class AtPath:
    """A file at a path of the caller's choice (``paths/{user}/{path}``); replaces an existing one."""

    path: str

    def to_proto(self) -> target_pb2.UploadTarget:
        """Return the ``UploadTarget``."""
        return target_pb2.UploadTarget(path=target_pb2.PathTarget(path=text("path", self.path)))


Target = Uploads | Documents | Audio | Generation | EventMedia | ProfilePicture | Temp | AtPath


def target_proto(target: Target | None) -> target_pb2.UploadTarget:
    """Return the ``UploadTarget``; None: of ``Uploads()``.

    :raises TypeError: it is no target.
    """
    if target is None:
        return Uploads().to_proto()
    expect(target, Target, "target is one of Uploads(), Documents(), AtPath('a/b.txt') …")
    return target.to_proto()


def _file_target(folder: target_pb2.FileFolder.ValueType, class_id: str = "") -> target_pb2.UploadTarget:
    return target_pb2.UploadTarget(file=target_pb2.FileTarget(folder=folder, class_id=class_id))
