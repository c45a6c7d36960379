"""Connections that act for owners: one for everybody, or one per owner with a token of its own."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.client.searches import Wanted
from strongroom.client.settings import ClientSettings
from strongroom.migrate.problems import PlanProblem

MARK: Final = "strongroom-migration"
"""User metadata of every moved file, by which a run finds files that an earlier one stored but did not
record.
"""
#: Connections of owners with tokens of their own that stay open.
MOST_OPEN: Final = 32
#: How far this machine's clock may be behind the service's.
_SKEW: Final = timedelta(hours=1)
_COMMAND_SECONDS: Final = 60.0


class Owners:
    """``settings``: of the connection, whose token needs the admin role to act for others.

    With ``token_command``, the command line of a program that prints a token for ``$STRONGROOM_OWNER``, each
    owner has a connection with that token.
    """

    def __init__(self, settings: ClientSettings, token_command: str = "") -> None:
        self._settings = settings
        self._command = shlex.split(token_command)
        self._own = AsyncClient.with_settings(settings)
        self._by_owner: OrderedDict[str, _Signed] = OrderedDict()
        self._marked: dict[str, asyncio.Task[dict[str, StoredFile]]] = {}

    @asynccontextmanager
    async def acting(self, owner: str) -> AsyncGenerator[AsyncClient]:
        """Yield a client that acts for ``owner`` and stays open during the block."""
        if not self._command:
            yield self._own.acting_for(owner)
            return
        signed = self._by_owner.get(owner)
        if signed is None:
            command = self._command
            settings = replace(self._settings, token=lambda: _token(command, owner))
            signed = self._by_owner[owner] = _Signed(AsyncClient.with_settings(settings))
        signed.users += 1
        try:
            yield signed.client
        finally:
            signed.users -= 1
            self._by_owner.move_to_end(owner)
            await self._close_idle()

    async def _close_idle(self) -> None:
        """Close the least recently used connections beyond ``MOST_OPEN``."""
        idle = [owner for owner, signed in self._by_owner.items() if not signed.users]
        for owner in idle[: max(0, len(self._by_owner) - MOST_OPEN)]:
            await self._by_owner.pop(owner).client.close()

    async def marked(self, owner: str, entry_id: str, since: float) -> StoredFile | None:
        """Return the stored file of an entry among the owner's files since then (seconds since 1970), or
        None.

        The files are listed once per owner and run.
        """
        if owner not in self._marked:
            self._marked[owner] = asyncio.create_task(self._find(owner, since))
        return (await self._marked[owner]).get(entry_id)

    async def _find(self, owner: str, since: float) -> dict[str, StoredFile]:
        wanted = Wanted(created_after=datetime.fromtimestamp(since, UTC) - _SKEW)
        async with self.acting(owner) as client:
            return {
                file.metadata[MARK]: file async for file in client.search(wanted) if MARK in file.metadata
            }

    async def close(self) -> None:
        """Close all connections."""
        for task in self._marked.values():
            task.cancel()
        for client in (self._own, *(signed.client for signed in self._by_owner.values())):
            await client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@dataclass(slots=True)
class _Signed:
    client: AsyncClient
    users: int = 0


def _token(command: Sequence[str], owner: str) -> str:
    """Return the token that the program prints. The owner is passed in the environment, not in a shell's
    line.
    """
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "STRONGROOM_OWNER": owner},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
            timeout=_COMMAND_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlanProblem(f"--token-command can't be run: {error}") from None
    token = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode or not token or len(token.split()) != 1:
        raise PlanProblem(
            f"--token-command printed no token for {owner!a} (exit code {done.returncode}); it is to print"
            " one to standard output, for the owner in $STRONGROOM_OWNER"
        )
    return token
