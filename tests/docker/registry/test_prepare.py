"""CA, certificate and configuration: made once, renewed in time, repaired after a crash."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from grape_docker.registry.certificates import BEGIN, CA_LIFE, SERVER_LIFE, TODAY, Pair
from grape_docker.registry.errors import NoRegistry, RegistryError
from grape_docker.registry.place import Address, Place, read_address
from grape_docker.registry.prepare import prepare

HOST = Address(host="10.77.0.1", port=5000)
NOW = datetime(2027, 1, 1, tzinfo=UTC)
ALL = ("CA", "certificate", "configuration", "address")


def contents(place: Place) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()}


def test_it_is_made_once(place: Place) -> None:
    with pytest.raises(NoRegistry):
        read_address(place)
    made = prepare(place, HOST, now=NOW, name="master")
    assert made.changed == ALL
    assert made.until == NOW + SERVER_LIFE
    before = contents(place)
    assert prepare(place, HOST, now=NOW + timedelta(days=400), name="master").changed == ()
    assert contents(place) == before
    assert read_address(place) == HOST
    for key in (place.ca_key, place.key):
        assert key.stat().st_mode & 0o777 == 0o600
    assert str(place.key) in place.config.read_text()
    assert "PRIVATE" not in place.config.read_text()


def test_the_certificate_is_for_the_address_and_the_name(place: Place) -> None:
    prepare(place, HOST, now=NOW, name="master")
    found = x509.load_pem_x509_certificate(place.certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in names] == ["10.77.0.1", "master"]
    assert found.not_valid_before_utc == BEGIN
    context = ssl.create_default_context(cafile=str(place.ca_certificate))
    assert context.cert_store_stats()["x509_ca"] == 1


def test_another_address_gets_another_certificate_of_the_same_ca(place: Place) -> None:
    prepare(place, HOST, now=NOW, name="master")
    ca = place.ca_certificate.read_bytes()
    moved = prepare(place, Address(host="10.77.0.2", port=5001), now=NOW, name="master")
    assert moved.changed == ("certificate", "configuration", "address")
    assert place.ca_certificate.read_bytes() == ca


def test_it_is_renewed_when_a_third_of_its_life_is_left(place: Place) -> None:
    prepare(place, HOST, now=NOW, name="master")
    late = NOW + SERVER_LIFE * 2 / 3
    assert prepare(place, HOST, now=late - timedelta(days=1), name="master").changed == ()
    made = prepare(place, HOST, now=late + timedelta(days=1), name="master")
    assert made.changed == ("certificate",)
    assert made.until == late + timedelta(days=1) + SERVER_LIFE


def test_the_ca_is_made_anew_before_its_end_and_nothing_outlives_it(place: Place) -> None:
    prepare(place, HOST, now=NOW, name="master")
    made = prepare(place, HOST, now=NOW + CA_LIFE - SERVER_LIFE / 2, name="master")
    assert made.changed == ("certificate",)
    assert made.until == NOW + CA_LIFE
    assert prepare(place, HOST, now=NOW + CA_LIFE - SERVER_LIFE / 4, name="master").changed == ("CA", "certificate")


def test_a_master_that_does_not_know_the_time_makes_no_certificate_that_is_over_soon(place: Place) -> None:
    made = prepare(place, HOST, now=datetime(1970, 1, 2, tzinfo=UTC), name="master")
    assert made.until == TODAY + SERVER_LIFE
    assert prepare(place, HOST, now=NOW, name="master").changed == ()


@pytest.mark.parametrize("what", ["ca_key", "ca_certificate", "certificate", "key", "config", "address_file"])
@pytest.mark.parametrize("how", ["missing", "damaged", "of another"])
def test_what_is_missing_or_damaged_is_made_anew(place: Place, tmp_path: Path, what: str, how: str) -> None:
    prepare(place, HOST, now=NOW, name="master")
    other = Place(folder=tmp_path / "other")
    prepare(other, Address(host="10.77.0.3", port=1), now=NOW, name="other")
    path: Path = getattr(place, what)
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"?" if how == "damaged" else getattr(other, what).read_bytes())
    assert prepare(place, HOST, now=NOW, name="master").changed
    assert prepare(place, HOST, now=NOW, name="master").changed == ()
    assert read_address(place) == HOST


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(Pair(certificate=b"", key=b"secret"))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("a file")
    with pytest.raises(RegistryError, match="cannot prepare"):
        prepare(Place(folder=tmp_path / "registry"), HOST, now=NOW)


def test_root_leaves_the_folder_of_another_user_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.folder.mkdir()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    real = Path.stat

    def of_another(path: Path, **how: bool) -> os.stat_result:
        found = list(real(path, **how))
        found[4] = 4711  # st_uid
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", of_another)
    with pytest.raises(RegistryError, match="belongs to user 4711"):
        prepare(place, HOST, now=NOW)
    assert not list(place.folder.iterdir())
