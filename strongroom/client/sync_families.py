"""The families of ``Client``: blocking versions of the asynchronous classes."""

from __future__ import annotations

import os
from typing import overload

from strongroom.client.administration import Administration
from strongroom.client.blocking import Face, iterating, waiting
from strongroom.client.event_media import EventMediaFiles
from strongroom.client.files import FileName
from strongroom.client.generations import Generations
from strongroom.client.path_downloads import Downloaded
from strongroom.client.path_files import PathFiles
from strongroom.client.projects import Projects
from strongroom.client.restores import Restores
from strongroom.client.retention import Retention
from strongroom.client.shares import Shares
from strongroom.client.spooling.spool import Spool
from strongroom.client.uploads import Progress
from strongroom.client.verifications import Verifications
from strongroom.client.webhooks import Webhooks


class SyncPathFiles(Face[PathFiles]):
    """``Client.files``; see ``PathFiles``."""

    upload_file = waiting(PathFiles.upload_file)
    get_file_info = waiting(PathFiles.get_file_info)
    list_files = waiting(PathFiles.list_files)
    get_file_url = waiting(PathFiles.get_file_url)
    file_exists = waiting(PathFiles.file_exists)
    key = waiting(PathFiles.key)
    path = waiting(PathFiles.path)
    delete_file = waiting(PathFiles.delete_file)

    @overload
    def download_file(
        self, key: FileName, local_path: None = None, *, on_progress: Progress | None = None
    ) -> bytes: ...

    @overload
    def download_file(
        self, key: FileName, local_path: str | os.PathLike[str], *, on_progress: Progress | None = None
    ) -> Downloaded: ...

    def download_file(
        self,
        key: FileName,
        local_path: str | os.PathLike[str] | None = None,
        *,
        on_progress: Progress | None = None,
    ) -> bytes | Downloaded:
        """The bytes; with ``local_path`` they are written there. See ``PathFiles.download_file``."""
        if local_path is None:
            return self._thread.run(self._twin.download_file(key, on_progress=on_progress))
        return self._thread.run(self._twin.download_file(key, local_path, on_progress=on_progress))


class SyncGenerations(Face[Generations]):
    """``Client.generations``; see ``Generations``."""

    import_url = waiting(Generations.import_url)
    import_batch = waiting(Generations.import_batch)
    upload = waiting(Generations.upload)
    list_page = waiting(Generations.list_page)
    list = iterating(Generations.list)
    get = waiting(Generations.get)
    stats = waiting(Generations.stats)
    url = waiting(Generations.url)
    delete = waiting(Generations.delete)


class SyncEventMedia(Face[EventMediaFiles]):
    """``Client.event_media``; see ``EventMediaFiles``."""

    put = waiting(EventMediaFiles.put)
    list_page = waiting(EventMediaFiles.list_page)
    list = iterating(EventMediaFiles.list)
    get = waiting(EventMediaFiles.get)
    update = waiting(EventMediaFiles.update)
    download = waiting(EventMediaFiles.download)
    delete = waiting(EventMediaFiles.delete)
    set_profile_picture = waiting(EventMediaFiles.set_profile_picture)
    get_profile_picture = waiting(EventMediaFiles.get_profile_picture)
    delete_profile_picture = waiting(EventMediaFiles.delete_profile_picture)
    put_temp = waiting(EventMediaFiles.put_temp)


class SyncSpool(Face[Spool]):
    """``Client.spool``; see ``Spool``."""

    operations = waiting(Spool.operations)
    flush = waiting(Spool.flush)
    remove = waiting(Spool.remove)


class SyncRestores(Face[Restores]):
    """``Client.restores``; see ``Restores``."""

    strays = iterating(Restores.strays)
    keep = iterating(Restores.keep)
    drop = iterating(Restores.drop)
    relink = iterating(Restores.relink)


class SyncVerifications(Face[Verifications]):
    """``Client.verifications``; see ``Verifications``."""

    start = waiting(Verifications.start)
    get = waiting(Verifications.get)
    findings = iterating(Verifications.findings)
    repair = iterating(Verifications.repair)
    quarantine = iterating(Verifications.quarantine)
    restore = waiting(Verifications.restore)
    restore_run = iterating(Verifications.restore_run)
    purge = waiting(Verifications.purge)
    purge_before = iterating(Verifications.purge_before)


class SyncAdministration(Face[Administration]):
    """``Client.admin``; see ``Administration``."""

    usage = iterating(Administration.usage)
    costs = waiting(Administration.costs)
    infected = iterating(Administration.infected)
    watch = iterating(Administration.watch)
    quota = waiting(Administration.quota)
    set_quota = waiting(Administration.set_quota)
    erase_user = waiting(Administration.erase_user)
    erasure = waiting(Administration.erasure)
    cleaner_status = waiting(Administration.cleaner_status)
    attempts = iterating(Administration.attempts)
    requeue = waiting(Administration.requeue)
    abort_attempt = waiting(Administration.abort_attempt)
    replicas = waiting(Administration.replicas)
    drain = waiting(Administration.drain)
    undrain = waiting(Administration.undrain)
    reindex = iterating(Administration.reindex)
    acts = iterating(Administration.acts)


class SyncRetention(Face[Retention]):
    """``Client.retention``; see ``Retention``."""

    rules = waiting(Retention.rules)
    keep = waiting(Retention.keep)
    keep_no_longer = waiting(Retention.keep_no_longer)
    delete_after = waiting(Retention.delete_after)
    hold = waiting(Retention.hold)
    release = waiting(Retention.release)


class SyncShares(Face[Shares]):
    """``Client.shares``; see ``Shares``."""

    create = waiting(Shares.create)
    get = waiting(Shares.get)
    list = iterating(Shares.list)
    update = waiting(Shares.update)
    revoke = waiting(Shares.revoke)


class SyncWebhooks(Face[Webhooks]):
    """``Client.webhooks``; see ``Webhooks``."""

    create = waiting(Webhooks.create)
    get = waiting(Webhooks.get)
    list = iterating(Webhooks.list)
    update = waiting(Webhooks.update)
    delete = waiting(Webhooks.delete)
    rotate_secret = waiting(Webhooks.rotate_secret)
    test = waiting(Webhooks.test)
    deliveries = iterating(Webhooks.deliveries)
    replay = waiting(Webhooks.replay)

    def of_all_users(self) -> SyncWebhooks:
        """The installation's webhooks; see ``Webhooks.of_all_users``."""
        return SyncWebhooks(self._twin.of_all_users(), self._thread)


class SyncProjects(Face[Projects]):
    """``Client.projects``; see ``Projects``."""

    save = waiting(Projects.save)
    patch = waiting(Projects.patch)
    save_archive = waiting(Projects.save_archive)
    restore = waiting(Projects.restore)
    rollback = waiting(Projects.rollback)
    archive = waiting(Projects.archive)
    get = waiting(Projects.get)
    list = iterating(Projects.list)
    versions = iterating(Projects.versions)
    label = waiting(Projects.label)
    keep_versions = waiting(Projects.keep_versions)
    version_rule = waiting(Projects.version_rule)
    files = iterating(Projects.files)
    read = waiting(Projects.read)
    delete = waiting(Projects.delete)
