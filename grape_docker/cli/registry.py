"""``grape_docker registry``: what docker-registry needs before it starts."""

from __future__ import annotations

import click

from grape_docker.cli.frame import Command, Group, pass_session
from grape_docker.cli.images import place_of
from grape_docker.cli.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grape_docker.registry.place import Address, Place


@click.group("registry", cls=Group)
def registry() -> None:
    """The cluster's own registry."""


@registry.command("prepare", cls=Command)
@click.option("--address", metavar="IP", help="Where nodes reach it (default: as graped's configuration says).")
@click.option("--port", type=click.IntRange(1, 65535), help="On which port (default: docker.registry_port).")
@pass_session
def prepare(session: Session, address: str | None, port: int | None) -> None:
    """Make CA, certificate and configuration, where they are missing, old, or for another address.

    The unit grape-registry does this before each start. Where graped does not answer, the address of the last time
    is taken.
    """
    from grape_docker.registry.prepare import prepare as make

    place = place_of(session)
    where = _address(session, place, address, port)
    made = make(place, where)
    if session.json:
        found = {"changed": list(made.changed), "url": where.url, "until": made.until.isoformat()}
        session.print_json({**found, "config": str(place.config), "ca": str(place.ca_certificate)})
        return
    what = f"made: {', '.join(made.changed)}" if made.changed else "nothing to do"
    session.print(f"{where.url}: {what}; its certificate is good until {made.until:%Y-%m-%d}")


def _address(session: Session, place: Place, host: str | None, port: int | None) -> Address:
    """Return what was asked for, else what is configured, else what it was. Raises GrapeError where nobody knows."""
    from grape_docker.registry.place import Address, read_address
    from graped.errors import GrapeError

    if host and port:
        return Address(host=host, port=port)
    try:
        known = _configured(session)
    except GrapeError as error:
        try:
            known = read_address(place)
        except GrapeError:
            raise error from None
        session.note(f"grape_docker: {error.detail}: the address of the last time is taken.")
    return Address(host=host or known.host, port=port or known.port)


def _configured(session: Session) -> Address:
    from grape_docker.rack import settings as configured
    from grape_docker.registry.errors import RegistryError
    from grape_docker.registry.place import Address

    settings = configured(session.client())
    if not settings.advertise:
        raise RegistryError(
            "nobody knows at which address nodes reach the master",
            hint="Set docker.advertise or netboot.address, or give --address.",
        )
    return Address(host=settings.advertise, port=settings.registry_port)
