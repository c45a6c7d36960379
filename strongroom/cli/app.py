"""The program with all of its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom.cli import (
    admin,
    adopt,
    export,
    files,
    generation,
    get,
    media,
    notify,
    programs,
    project,
    put,
    quarantine,
    relink,
    retention,
    rm,
    share,
    spool,
    sync,
    token,
    url,
    usage,
    verify,
    version,
    webhooks,
)
from strongroom.cli.commands import Commands, command, root
from strongroom.cli.doctor import doctor
from strongroom.cli.migrate import plan, prove, run
from strongroom.version import VERSION

app = Commands(
    name="strongroom",
    help="Files in Strongroom: put, get, list, remove, share.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"strongroom {VERSION}")
        raise typer.Exit


@root(app)
def strongroom(
    release_only: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Files in Strongroom: put, get, list, remove, share.

    Addresses and the token come from options, the environment (STRONGROOM_STORAGE_ADDRESS,
    STRONGROOM_METADATA_ADDRESS, STRONGROOM_TOKEN) or the development stack that `make up` runs here.
    """


command(app, "put")(put.put)
command(app, "get")(get.get)
command(app, "ls")(files.ls)
command(app, "stat")(files.stat)
command(app, "edit")(files.edit)
command(app, "rm")(rm.rm)
command(app, "undelete")(rm.undelete)
command(app, "cp")(files.cp)
command(app, "mv")(files.mv)
command(app, "search", alias="find")(files.search)
command(app, "sync")(sync.sync)
command(app, "url")(url.url)
command(app, "export")(export.export)
command(app, "usage")(usage.usage)
command(app, "costs")(usage.costs)
command(app, "token", connects=False)(token.token)
command(app, "doctor")(doctor)
command(app, "version")(version.version)

for program in (programs.serve, programs.reindex, programs.up):
    app.command(context_settings=programs.PASSED_ON, rich_help_panel="Servers")(program)

moving = Commands()
app.add_typer(moving, name="migrate", rich_help_panel="Servers")
moving.callback(invoke_without_command=True)(programs.migrate)
command(moving, "plan")(plan.plan)
command(moving, "run")(run.run)
command(moving, "map")(run.map_)
command(moving, "verify")(prove.verify)
command(moving, "cleanup")(prove.cleanup)

projects = app.group("project", "Trees of files, saved as a whole.")
command(projects, "save")(project.save)
command(projects, "patch")(project.patch)
command(projects, "restore")(project.restore)
command(projects, "list", alias="ls")(project.list_)
command(projects, "versions")(project.versions)
command(projects, "label")(project.label)
command(projects, "keep-versions")(project.keep_versions)
command(projects, "rollback")(project.rollback)
command(projects, "archive")(project.archive)
command(projects, "delete", alias="rm")(project.delete)
app.add_typer(projects, name="projects", hidden=True)

generations = app.group("generation", "Generated images and videos.")
command(generations, "import")(generation.import_)
command(generations, "put")(generation.put)
command(generations, "list", alias="ls")(generation.list_)
command(generations, "stats")(generation.stats)
command(generations, "rm")(generation.rm)

admin.add_to(app)

trashed = app.group("trash", "Files deleted with `rm --soft`: restore them, or delete them for good.")
command(trashed, "ls", alias="list")(rm.list_trash)
command(trashed, "restore")(rm.undelete)
command(trashed, "purge")(rm.purge)
adoption = app.group(
    "adopt", "After a restore: what was stored after the restored moment. Needs the admin role."
)
command(adoption, "list", alias="ls")(adopt.list_)
command(adoption, "keep")(adopt.keep)
command(adoption, "drop")(adopt.drop)
command(app, "relink")(relink.relink)
command(app, "backup", connects=False)(programs.backup)
command(app, "rebuild")(adopt.rebuild)

verification = Commands()
app.add_typer(verification, name="verify")
command(verification, "verify", default=True)(verify.verify)
command(verification, "quarantine")(quarantine.quarantine)
command(verification, "restore")(quarantine.restore)
command(verification, "purge")(quarantine.purge)

links = app.group("links", "Links to files: make them with `url`, revoke them here.")
command(links, "revoke")(url.revoke)

shares = app.group("share", "Links for people without an account.")
command(shares, "create")(share.create)
command(shares, "drop")(share.drop)
command(shares, "list", alias="ls")(share.list_)
command(shares, "update")(share.update)
command(shares, "revoke", alias="rm")(share.revoke)

kept = app.group("retention", "How long files and projects stay, and legal holds.")
command(kept, "rules")(retention.rules)
command(kept, "set")(retention.set_)
command(kept, "hold")(retention.hold)
command(kept, "release")(retention.release)

hooks = app.group("webhooks", "Events, sent to a URL.")
command(hooks, "create")(webhooks.create)
command(hooks, "list", alias="ls")(webhooks.list_)
command(hooks, "update")(webhooks.update)
command(hooks, "rotate")(webhooks.rotate)
command(hooks, "test")(webhooks.ping)
command(hooks, "deliveries")(webhooks.deliveries)
command(hooks, "replay")(webhooks.replay)
command(hooks, "delete", alias="rm")(webhooks.delete)

spooled = app.group(
    "spool", "Operations that wait on this disk while the service is away (STRONGROOM_SPOOL)."
)
command(spooled, "ls", alias="list")(spool.list_)
command(spooled, "flush")(spool.flush)
command(spooled, "rm")(spool.remove)

event_media = app.group("media", "Photos, videos and documents of events.")
command(event_media, "put")(media.put)
command(event_media, "list", alias="ls")(media.list_)
command(event_media, "rm")(media.rm)

own_picture = app.group("profile-picture", "Your profile picture.")
command(own_picture, "put", alias="set")(media.put_picture)
command(own_picture, "stat")(media.show_picture)
command(own_picture, "get")(media.get_picture)
command(own_picture, "rm", alias="delete")(media.rm_picture)

command(app.group("notify", "Events, as they happen."), "watch")(notify.watch)
app.group("bucket", "The bucket itself, for operators.").command("init")(programs.init_bucket)
