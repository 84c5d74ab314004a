"""``grapecli image build``: have ``grape-image`` build what nodes boot, and import it as it is made."""

from __future__ import annotations

import re

import click

from grapecli import building, follow, working
from grapecli.frame import Command, pass_session
from grapecli.images import complete_images
from graped.terminal.failure import Interrupted
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json
    from grapecli.working import View

SUITES = ("bookworm", "trixie")
ARCHES = ("arm64", "amd64", "armhf")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")


@click.command("build", cls=Command)
@click.option("--arch", type=click.Choice(ARCHES), default="arm64", show_default=True, help="Processor of the nodes.")
@click.option("--suite", type=click.Choice(SUITES), default="bookworm", show_default=True, help="Debian's release.")
@click.option("--packages", type=click.Choice(("minimal", "full")), default="full", show_default=True, help="How much.")
@click.option("--package", "more", metavar="NAME", multiple=True, help="One more package; repeatable.")
@click.option("--kernel", metavar="PACKAGE", help="Instead of Debian's own kernel.")
@click.option("--component", metavar="NAME", multiple=True, help="contrib, non-free, ...; repeatable.")
@click.option("--mirror", metavar="URL", help="Instead of this machine's own apt sources.")
@click.option("--file", "files", metavar="SOURCE:PATH", multiple=True, help="Put a file or folder in; repeatable.")
@click.option("--cache", metavar="DIR", type=click.Path(file_okay=False), help="Where packages are kept.")
@click.option("--offline", is_flag=True, help="Use no network: the packages of a build before are there.")
@click.option("--prepare", is_flag=True, help="Have it prepared for netbooting, too.")
@working.options
@click.argument("name", metavar="NAME", shell_complete=complete_images)
@pass_session
def build(
    session: Session,
    /,
    name: str,
    prepare: bool,
    wait: bool,
    timeout: float | None,
    **options: object,
) -> int:
    """Build an image NAME out of Debian's packages: kernel, initrd, systemd, SSH; for a Pi its boot files, too.

    Nobody can log in to it: a node gets its host keys and authorized keys from graped. Root is needed, or a tar is
    built in a namespace (package uidmap). Another processor needs its emulator (package qemu-user-static).

    \b
      sudo grapecli image build bookworm --prepare
      sudo grapecli image build pc --arch amd64 --packages minimal --package docker.io
    """
    if not _NAME.fullmatch(name):
        raise click.BadParameter(f"{name!r} is no name of an image.", param_hint="NAME")
    if prepare and not wait:
        raise click.UsageError("--prepare waits for the import; leave one of --prepare and --no-wait out.")
    session.client().get("/v1/images")  # who would refuse the image in ten minutes does so now
    argv = [building.find(), "slave", "--out=-", "--progress=json", *_words(options)]
    view = working.choose(session)
    try:
        job = _built(session, argv, name, f"grape-image: Debian {options['suite']}, {options['arch']}", view)
    except BaseException:
        view.close()
        raise
    if prepare:
        job = _imported(session, job, timeout, view)
        if job["outcome"] != "done":
            view.close()
            return working.ended(session, job)
        job = session.client().post(f"/v1/images/{job['result']}/prepare")
    return working.finish(session, job, wait=wait, timeout=timeout, view=view, hear=False)


def _words(options: dict[str, object]) -> list[str]:
    """Give the options as grape-image takes them."""
    words = []
    for key, value in options.items():
        option = f"--{ {'more': 'package', 'files': 'file'}.get(key, key) }"
        if value is True:
            words.append(option)
        elif isinstance(value, tuple):
            words += [f"{option}={one}" for one in value]
        elif value:
            words.append(f"{option}={value}")
    return words


def _built(session: Session, argv: list[str], name: str, source: str, view: View) -> Json:
    """Build it and send it; the answer is the job that it became. Raises: BuildFailed, Interrupted."""
    try:
        with building.running(argv, view) as builder:
            job: Json = session.client().upload(
                "/v1/images",
                builder,  # type: ignore[arg-type]  # it is read, and that is all
                progress=lambda sent: view.show("upload", sent, None, "bytes"),
                name=name,
                source=source,
            )
    except KeyboardInterrupt:
        raise Interrupted("The build was broken off; nothing of it is kept.") from None
    view.close()
    for note in builder.notes:
        session.note(note)
    return job


def _imported(session: Session, job: Json, timeout: float | None, view: View) -> Json:
    """See the import to its end. Raises: TimedOut, Interrupted."""
    try:
        for now in follow.job(session.client(), job, follow.Deadline(timeout)):
            job = now
            working.show(job, view)
    except KeyboardInterrupt:
        raise Interrupted(f"Job {job['id']} goes on.", hint=follow.job_hint(job)) from None
    finally:
        view.close()
    return job
