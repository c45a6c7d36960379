"""Sources of keys: the settings, or botocore's provider chain, which also renews them."""

from __future__ import annotations

from typing import Final, Protocol

import botocore.session
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.credentials import RefreshableCredentials

from storage_service.objectstore.errors import NoCredentials
from storage_service.objectstore.s3.http.sigv4 import Credentials
from storage_service.objectstore.s3.options import S3Options

#: Seconds before the expiry at which botocore begins to renew keys.
ADVISORY_SECONDS: Final = 15 * 60


class CredentialSource(Protocol):
    """Current keys. ``current`` may block to renew them, so call it on a thread unless they are ``ready``."""

    @property
    def ready(self) -> bool:
        """Whether ``current`` would not block."""
        ...

    def current(self) -> Credentials:
        """Return the keys. Raises NoCredentials."""
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
        """Always true."""
        return True

    def current(self) -> Credentials:
        """Return the keys. Raises NoCredentials if the settings have none."""
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
        """Whether keys were found before and need no renewal yet."""
        found = self._found
        if isinstance(found, RefreshableCredentials):
            return not found.refresh_needed(ADVISORY_SECONDS)
        return found is not None

    def current(self) -> Credentials:
        """Return the keys, renewed by botocore if they are about to expire.

        Raises NoCredentials if the chain finds none.
        """
        found = self._found = self._session.get_credentials()
        if found is None:
            raise NoCredentials(operation="sign")
        frozen = found.get_frozen_credentials()
        if not frozen.access_key or not frozen.secret_key:
            raise NoCredentials(operation="sign")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
