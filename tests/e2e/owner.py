"""One thing of each kind that belongs to a user of the gRPC services, created on first use."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import cached_property

import grpc

from strongroom.metadata.v1.file_pb2 import GENERATION_TYPE_TEXT_TO_IMAGE, File
from strongroom.metadata.v1.share_pb2 import ShareScope
from strongroom.metadata.v1.share_service_pb2 import CreateShareRequest, CreateShareResponse
from strongroom.metadata.v1.share_service_pb2_grpc import ShareServiceStub
from strongroom.metadata.v1.target_pb2 import (
    EventMediaTarget,
    GenerationTarget,
    PathTarget,
    ProfilePictureTarget,
    UploadSpec,
    UploadTarget,
)
from strongroom.metadata.v1.webhook_pb2 import Webhook
from strongroom.metadata.v1.webhook_service_pb2 import CreateWebhookRequest
from strongroom.metadata.v1.webhook_service_pb2_grpc import WebhookServiceStub
from strongroom.storage.v1.batch_pb2 import DeleteFileRequest
from strongroom.storage.v1.project_pb2 import SaveProjectFile, SaveProjectRequest, SaveProjectSpec
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import CreateUploadRequest, UploadRequest
from tests.e2e import samples
from tests.stack import PATIENCE


class Owner:
    """A user with everything that an RPC may name."""

    def __init__(self, name: str, channels: Mapping[str, grpc.Channel], token: str) -> None:
        self.name = name
        self.token = token
        self.event_id = str(uuid.uuid4())
        self._storage = StorageServiceStub(channels["storage"])
        self._shares = ShareServiceStub(channels["metadata"])
        self._webhooks = WebhookServiceStub(channels["metadata"])
        self._metadata = (("authorization", f"Bearer {token}"),)

    @cached_property
    def at_path(self) -> File:
        """A file at a path."""
        return self._stored(UploadTarget(path=PathTarget(path=f"{self.name}/a.png")))

    @cached_property
    def soft_deleted(self) -> File:
        """A file in the trash."""
        file = self._stored(UploadTarget(path=PathTarget(path=f"{self.name}/deleted.png")))
        request = DeleteFileRequest(file_id=file.id, soft=True)
        return self._storage.DeleteFile(request, timeout=PATIENCE, metadata=self._metadata).file

    @cached_property
    def generation(self) -> File:
        """A generation."""
        target = GenerationTarget(type=GENERATION_TYPE_TEXT_TO_IMAGE, prompt=self.name)
        return self._stored(UploadTarget(generation=target))

    @cached_property
    def medium(self) -> File:
        """A medium of ``event_id``."""
        return self._stored(UploadTarget(event_media=EventMediaTarget(event_id=self.event_id)))

    @cached_property
    def picture(self) -> File:
        """The profile picture."""
        return self._stored(UploadTarget(profile_picture=ProfilePictureTarget()))

    @cached_property
    def upload_id(self) -> str:
        """An open resumable upload."""
        request = CreateUploadRequest(spec=UploadSpec(filename="a.bin"))
        request.spec.target.file.SetInParent()
        reply = self._storage.CreateUpload(request, timeout=PATIENCE, metadata=self._metadata)
        return reply.session.upload_id

    @cached_property
    def project(self) -> str:
        """The slug of a project with a.txt."""
        slug = f"project-{uuid.uuid4().hex}"
        messages = save_messages(slug)
        self._storage.SaveProject(iter(messages), timeout=PATIENCE, metadata=self._metadata)
        return slug

    @cached_property
    def webhook(self) -> Webhook:
        """A webhook for the owner's events."""
        request = CreateWebhookRequest(url="https://hooks.example.com/in")
        return self._webhooks.CreateWebhook(request, timeout=PATIENCE, metadata=self._metadata).webhook

    @cached_property
    def share(self) -> CreateShareResponse:
        """A share of the event's media."""
        request = CreateShareRequest(scope=ShareScope(event_id=self.event_id), title=self.name)
        return self._shares.CreateShare(request, timeout=PATIENCE, metadata=self._metadata)

    def secrets(self) -> set[str]:
        """Texts that no other user may ever see."""
        files = (self.at_path, self.soft_deleted, self.generation, self.medium, self.picture)
        return {text for file in files for text in (file.id, file.key)} | {
            self.project,
            self.share.share.id,
            self.share.token,
            self.webhook.id,
        }

    def _stored(self, target: UploadTarget) -> File:
        spec = UploadSpec(target=target, filename="cat.png", content_type="image/png")
        messages = [UploadRequest(spec=spec, data=samples.png(), finish_write=True)]
        return self._storage.Upload(iter(messages), timeout=PATIENCE, metadata=self._metadata).file


def save_messages(slug: str) -> list[SaveProjectRequest]:
    """A save of one file."""
    return [
        SaveProjectRequest(spec=SaveProjectSpec(name="Project", slug=slug)),
        SaveProjectRequest(file=SaveProjectFile(path="a.txt", size_bytes=1)),
        SaveProjectRequest(data=b"a"),
        SaveProjectRequest(finish_write=True),
    ]
