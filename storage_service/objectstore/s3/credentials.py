"""Where the keys come from: settings, or botocore's provider chain, which also renews them."""

from __future__ import annotations

from typing import Final, Protocol

import botocore.session
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.credentials import RefreshableCredentials

from storage_service.objectstore.errors import NoCredentials
from storage_service.objectstore.s3.http.sigv4 import Credentials
from storage_service.objectstore.s3.options import S3Options

#: So long before they expire botocore begins to try to renew them. Seconds.
ADVISORY_SECONDS: Final = 15 * 60


class CredentialSource(Protocol):
    """Current keys; may block to renew them, so ask on a thread unless they are ``ready``."""

    @property
    def ready(self) -> bool:
        """Whether ``current`` would not block."""
        ...

    def current(self) -> Credentials:
        """Raises NoCredentials."""
        ...


class StaticCredentials:
    """Keys from the settings."""

    def __init__(self, settings: S3Options) -> None:
        self._credentials: Credentials | None = None
        if settings.access_key_id and settings.secret_access_key:
            self._credentials = Credentials(
                settings.access_key_id, settings.secret_access_key, settings.session_token
            )

    @property
    def ready(self) -> bool:
        """Always."""
        return True

    def current(self) -> Credentials:
        """Raises NoCredentials when the settings have none."""
        if self._credentials is None:
            raise NoCredentials(operation="sign")
        return self._credentials


class ChainCredentials:
    """Keys of a botocore session: environment, profile, web identity, container, instance role."""

    def __init__(self, session: botocore.session.Session) -> None:
        self._session = session
        self._found: BotocoreCredentials | None = None

    @property
    def ready(self) -> bool:
        """They were found before, and are not to be renewed yet."""
        found = self._found
        if isinstance(found, RefreshableCredentials):
            return not found.refresh_needed(ADVISORY_SECONDS)
        return found is not None

    def current(self) -> Credentials:
        """Renewed by botocore when they are about to expire.

        Raises NoCredentials when the chain ends empty.
        """
        found = self._found = self._session.get_credentials()
        if found is None:
            raise NoCredentials(operation="sign")
        frozen = found.get_frozen_credentials()
        if not frozen.access_key or not frozen.secret_key:
            raise NoCredentials(operation="sign")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
