"""The pages: what the programs say of themselves, and what a man page has to say besides."""

from __future__ import annotations

from grape_docker.cli import exits as docker_exits
from grape_docker.cli.app import cli as docker_cli
from grapecli import exits
from grapecli.app import cli
from graped.__main__ import _parser as graped_parser
from master_setup import cli as setup_cli
from master_setup.image import cli as image_cli
from master_setup.lockfile import FOLDER
from master_setup.man import of_argparse, of_click, of_markdown, roff

README = FOLDER.parent / "graped" / "README.md"
FILES = (
    ("/etc/grape/config.toml", "the configuration, see `grape.toml`(5)"),
    ("/etc/grape/config.d/*.toml", "merged over it key by key, in order of name; `10-setup.toml` is grape-setup's"),
    ("/var/lib/grape", "state: history, images, roots, volumes, keys of the nodes"),
    ("/run/grape/graped.sock", "the API: HTTP and JSON, for root and members of group `grape`"),
)


def render() -> dict[str, str]:
    """Make all pages: by file name."""
    return {
        "graped.8": _graped(),
        "grapecli.1": _grapecli(),
        "grape_docker.1": _grape_docker(),
        "grape-setup.8": _grape_setup(),
        "grape-image.1": _grape_image(),
        "grape.toml.5": _grape_toml(),
    }


def _graped() -> str:
    parser = graped_parser()
    signals = (
        ("SIGHUP", "read the configuration again (systemctl reload graped); with mistakes in it nothing changes"),
        ("SIGTERM", "end; every slot stays as it is, and servers of the nodes go on"),
    )
    service = (
        "Started by systemd as `graped.service`: `systemctl start graped`. Starting, stopping, killing or upgrading it "
        "changes no slot: at its start it reads every port and takes over what it finds. DHCP, TFTP and NFS are units "
        "of their own (`grape-dnsmasq`, `grape-nfs`, `grape-root@`), which it starts and which go on without it."
    )
    return (
        roff.head("graped", 8, "daemon that powers, watches and boots a rack of single-board computers")
        + of_argparse.synopsis(parser)
        + of_argparse.body(parser)
        + roff.section("service", roff.paragraph(service))
        + roff.section("signals", roff.terms(signals))
        + roff.section("exit status", roff.paragraph((parser.epilog or "").removeprefix("Exit codes: ")))
        + roff.section("files", roff.terms(FILES))
        + _see("grapecli(1)", "grape.toml(5)", "grape-setup(8)", "dnsmasq(8)", "exports(5)")
    )


def _grapecli() -> str:
    context = of_click.context_of(cli, "grapecli")
    about = "Members of group `grape` may use it; that is close to being root on this machine."
    return (
        roff.head("grapecli", 1, "power, boot and watch a rack of single-board computers")
        + roff.section("synopsis", roff.paragraph("grapecli [OPTIONS] COMMAND [ARGS]..."))
        + roff.section("description", roff.docstring(cli.help or "") + roff.paragraph(about))
        + roff.section("options", roff.paragraph("They may stand anywhere in a line.") + of_click.options(cli, context))
        + roff.section("commands", of_click.commands(cli, "grapecli"))
        + roff.section("exit status", roff.terms((str(code), text) for code, text in exits.TABLE))
        + roff.section("environment", roff.terms((("GRAPE_SOCKET", "graped's socket"), ("NO_COLOR", "no colours"))))
        + _see("graped(8)", "grape_docker(1)", "grape.toml(5)", "grape-image(1)")
    )


def _grape_docker() -> str:
    context = of_click.context_of(docker_cli, "grape_docker")
    service = (
        "Started by systemd as `grape_docker.service`, with graped, where `grape-setup apply --swarm` was called. "
        "Stopping, killing or upgrading it changes neither a slot nor the swarm. What it does is said by the keys "
        "`docker.*` of `grape.toml`(5). `grape-registry.service` hands out images (`grape-setup apply --registry`)."
    )
    files = (
        ("/var/lib/grape-docker", "state: its SSH key, what is known of nodes, the registry with its certificates"),
        ("/run/grape/graped.sock, /var/run/docker.sock", "what it is a client of: groups `grape` and `docker`"),
    )
    environment = (
        ("GRAPE_SOCKET", "graped's socket"),
        ("DOCKER_HOST", "the master's Docker"),
    )
    return (
        roff.head("grape_docker", 1, "keep a Docker swarm equal to the set of nodes that are up")
        + roff.section("synopsis", roff.paragraph("grape_docker [OPTIONS] COMMAND [ARGS]..."))
        + roff.section("description", roff.docstring(docker_cli.help or ""))
        + roff.section("options", of_click.options(docker_cli, context))
        + roff.section("commands", of_click.commands(docker_cli, "grape_docker"))
        + roff.section("service", roff.paragraph(service))
        + roff.section("exit status", roff.terms((str(code), text) for code, text in docker_exits.TABLE))
        + roff.section("environment", roff.terms(environment))
        + roff.section("files", roff.terms(files))
        + _see("graped(8)", "grapecli(1)", "grape.toml(5)", "grape-setup(8)", "docker(1)")
    )


def _grape_setup() -> str:
    parser = setup_cli._parser()
    undo = (
        "Everything that is changed is recorded first, with what was there before, in /var/lib/grape/setup: `revert` "
        "brings it back. Where Grape came as a Debian package, what is below /usr belongs to dpkg, and "
        "`apt purge grape` takes all of it away."
    )
    return (
        roff.head("grape-setup", 8, "turn a Debian or Raspberry Pi OS into the master of a Grape cluster")
        + of_argparse.synopsis(parser)
        + of_argparse.body(parser)
        + roff.section("taking it back", roff.paragraph(undo))
        + roff.section("exit status", roff.paragraph(parser.epilog or ""))
        + roff.section("files", roff.terms((*FILES, ("/opt/grape", "the program"))))
        + _see("graped(8)", "grape_docker(1)", "grape.toml(5)")
    )


def _grape_image() -> str:
    parser = image_cli.parser()
    return (
        roff.head("grape-image", 1, "build images of a master and of nodes out of Debian's packages")
        + of_argparse.synopsis(parser)
        + of_argparse.body(parser)
        + roff.section("exit status", roff.docstring(parser.epilog or ""))
        + _see("grapecli(1)", "mmdebstrap(1)")
    )


def _grape_toml() -> str:
    text = README.read_text()
    return (
        roff.head("grape.toml", 5, "configuration of graped")
        + roff.section("synopsis", roff.terms(FILES[:2]))
        + roff.section("description", of_markdown.convert(of_markdown.part(text, "Files")))
        + roff.section("checking", of_markdown.convert(of_markdown.part(text, "Checking")))
        + roff.section("keys", of_markdown.convert(of_markdown.part(text, "Reference")))
        + roff.section("drivers", of_markdown.convert(of_markdown.part(text, "Drivers")))
        + _see("graped(8)", "grapecli(1)")
    )


def _see(*pages: str) -> str:
    return roff.section("see also", f".PP\n{', '.join(roff.escaped(page) for page in pages)}\n")
