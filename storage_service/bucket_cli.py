"""``python -m storage_service bucket init``: prepares the bucket of the settings.

Creates the bucket if it is missing, turns versioning on, sets CORS, lifecycle and the public-access block,
writes the installation into the bucket (if metadata_service can be reached), tries the service's operations,
and prints the smallest IAM policy for the service's identity. Each step may be repeated. A setting that the
store does not support is reported and is no failure: the service needs only the bucket.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from servicekit.auth.credentials import InternalCredential
from servicekit.serving.channels import make_channel
from servicekit.settings import SettingError, load_settings, read_settings
from storage_service.bucket_probe import BucketProbe, Finding
from storage_service.config import BucketSettings, StorageSettings
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import InvalidRequest, NotSupportedByStore, StoreError
from storage_service.objectstore.s3.bucket import partition_of, policy
from storage_service.objectstore.s3.store import S3ObjectStore
from storage_service.objectstore.values import BucketState
from storage_service.repairing.identity import BucketIdentity
from storage_service.stores import open_store
from strongroom.errors import RepairRefused, StrongroomError

PATIENCE_SECONDS: Final = 60.0
TEMPORARY_PREFIX: Final = "temp/"
#: The longest life of a temporary file (30 days, target.proto), a week in the trash, and three days for the
#: cleaner, whose work the lifecycle must never take over. The restore window is added to it.
TEMPORARY_DAYS: Final = 40
#: S3 counts from the beginning of an upload, Strongroom from its last byte: an upload may take long.
UPLOAD_MARGIN_DAYS: Final = 7
_DAY: Final = 86400.0


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of ``bucket`` to ``parser``."""
    commands = parser.add_subparsers(dest="bucket_command", required=True)
    init = commands.add_parser(
        "init", help="create it, turn versioning on, set CORS, lifecycle and the public-access block"
    )
    init.add_argument("--wait", type=float, default=PATIENCE_SECONDS, help="seconds to wait for the store")
    init.add_argument("--no-policy", action="store_true", help="don't print the IAM policy")


def run(chosen: argparse.Namespace) -> int:
    """Run the command. Returns the exit code: 0 done, 1 failed, 2 wrong settings."""
    return asyncio.run(
        init(load_settings(BucketSettings), wait=chosen.wait, show_policy=not chosen.no_policy)
    )


async def init(settings: BucketSettings, *, wait: float, show_policy: bool) -> int:
    """Prepare the bucket, print what was done, and print the policy."""
    store = open_store(settings)
    try:
        if not await _made(store, settings.s3_bucket, wait):
            return 1
        results = [await _step(name, step) for name, step in _steps(store, settings)]
        results.append(await _tried(store, settings))
        results.append(await _marked(store, settings))
    finally:
        await store.aclose()
    if show_policy:
        print_line("")
        print_line("The least that storage_service's identity has to be allowed (IAM policy):")
        partition = partition_of(settings.s3_region)
        document = policy(settings.s3_bucket, settings.s3_kms_key_id, partition=partition)
        print_line(json.dumps(document, indent=2))
    return 0 if all(results) else 1


async def _made(store: S3ObjectStore, bucket: str, wait: float) -> bool:
    """Make sure that the bucket exists; waits for a store that is just starting."""
    deadline = time.monotonic() + wait
    diagnosis = await store.check()
    while (
        diagnosis.state in {BucketState.UNREACHABLE, BucketState.UNAVAILABLE} and time.monotonic() < deadline
    ):
        await asyncio.sleep(1.0)
        diagnosis = await store.check()
    if diagnosis.state is BucketState.OK:
        print_line(f"ok    the bucket {bucket} is there")
        return True
    if diagnosis.state is not BucketState.BUCKET_MISSING:
        sys.stderr.write(f"the bucket {bucket} can't be prepared: {diagnosis.message}\n")
        return False
    try:
        await store.setup.create()
    except StoreError as error:
        sys.stderr.write(f"the bucket {bucket} could not be made: {error}\n")
        return False
    print_line(f"ok    the bucket {bucket} was made")
    return True


def _steps(
    store: S3ObjectStore, settings: BucketSettings
) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    setup, origins = store.setup, settings.cors_origins
    days = math.ceil(settings.upload_expiry_seconds / _DAY) + UPLOAD_MARGIN_DAYS
    window = math.ceil(settings.restore_window_seconds / _DAY)
    temporary = TEMPORARY_DAYS + window
    yield "versioning is on", setup.enable_versioning
    if origins:
        yield f"CORS: pages of {', '.join(origins)} may use signed URLs", lambda: setup.allow_origins(origins)
    else:
        print_line("-     CORS: left alone; STRONGROOM_CORS_ORIGINS is not set")
    moves = settings.transitions
    moved = "".join(f", {one.prefix or 'all'} to {one.storage_class} after {one.days}" for one in moves)
    yield (
        f"lifecycle: {TEMPORARY_PREFIX} after {temporary} days, incomplete uploads after {days} days{moved}",
        lambda: setup.expire(
            temporary_prefix=TEMPORARY_PREFIX,
            temporary_days=temporary,
            hidden_days=window + 1,
            incomplete_upload_days=days,
            transitions=[(one.prefix, one.days, one.storage_class) for one in moves],
        ),
    )
    yield "public access is blocked (permanent URLs go through the CDN)", setup.block_public_access


async def _tried(store: S3ObjectStore, settings: BucketSettings) -> bool:
    """Write, read and delete like the service. A step that made the bucket unwritable is undone."""
    found = await _probed(store, settings)
    if found[0].lack and await _unblocked(store, settings):
        found = await _probed(store, settings)
    for finding in found:
        print_line(str(finding))
    return not any(finding.lack and finding.fails for finding in found)


async def _probed(store: S3ObjectStore, settings: BucketSettings) -> list[Finding]:
    probe = BucketProbe(store, conditional=settings.s3_conditional_writes)
    return [finding async for finding in probe.findings()]


async def _unblocked(store: S3ObjectStore, settings: BucketSettings) -> bool:
    """Try without the public-access block; if the bucket is not writable then, put the block back.

    Ceph 16 refuses every write with it.
    """
    try:
        await store.setup.unblock_public_access()
        if not (await _probed(store, settings))[0].lack:
            print_line(
                "-     public access: the block was taken back, because this store refuses every write with"
                " it; see that no policy and no ACL opens the bucket"
            )
            return True
        await store.setup.block_public_access()
    except StoreError as error:
        print_line(f"-     public access: left as it is ({error})")
    return False


async def _marked(store: S3ObjectStore, settings: BucketSettings) -> bool:
    """Write the installation into the bucket; False: the bucket belongs to another one."""
    later = "storage_service writes it a minute after its start"
    if settings.internal_secret is None:
        print_line(f"-     whose it is: left alone; STRONGROOM_INTERNAL_SECRET is not set here ({later})")
        return True
    try:
        service = read_settings(StorageSettings)
    except SettingError as error:
        print_line(
            f"-     whose it is: left alone; storage_service's settings are not complete here ({error})"
        )
        return True
    credential = InternalCredential(settings.internal_secret.get_secret_value())
    channel = make_channel(service.metadata_address, service)
    try:
        mine = await BucketIdentity(store, VerificationRecords(channel, credential)).check()
    except RepairRefused as error:
        print_line(f"FAIL  whose it is: {error.message}")
        return False
    except StrongroomError as error:
        print_line(f"-     whose it is: left alone; {error.message} ({later})")
        return True
    finally:
        await channel.close()
    print_line(f"ok    it belongs to installation {mine.installation_id}")
    return True


async def _step(name: str, step: Callable[[], Awaitable[None]]) -> bool:
    """Run one step and print its result. False if it failed although the store supports it."""
    try:
        await step()
    except (NotSupportedByStore, InvalidRequest) as error:
        print_line(f"-     not supported by this store: {name} ({error.store_code or error.http_status})")
        return True
    except StoreError as error:
        print_line(f"FAIL  {name}: {error}")
        return False
    print_line(f"ok    {name}")
    return True


def print_line(text: str) -> None:
    """Print one line of what was done."""
    sys.stdout.write(text + "\n")
