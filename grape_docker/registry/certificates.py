"""The registry's own CA, and the certificate that it signs for the registry: made, judged, renewed.

A node without a clock of its own may believe any date: certificates begin long ago, so that only its end can be missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
TODAY = datetime(2026, 11, 1, tzinfo=UTC)  # a master whose clock says less than this has not been told the time yet
CA_LIFE = timedelta(days=25 * 365)  # all nodes would have to learn a new one
SERVER_LIFE = timedelta(days=5 * 365)  # a third of it is left at the latest renewal: a master restarts in that time
CURVE = ec.SECP256R1()  # small and fast on a Pi, known to every Go


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its private key, both PEM. The key is a secret."""

    certificate: bytes
    key: bytes = field(repr=False)


def make_ca(master: str, now: datetime) -> Pair:
    """Make a CA that signs for registries alone; ``master``: whose it is, for people."""
    key = ec.generate_private_key(CURVE)
    name = _name(f"Grape registry CA of {master}")
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _begun(name, name, key.public_key(), max(now, TODAY) + CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return _signed(builder, key, key)


def make_server(ca: Pair, hosts: tuple[str, ...], now: datetime) -> Pair:
    """Make a certificate for a server at ``hosts``: addresses and names."""
    authority = x509.load_pem_x509_certificate(ca.certificate)
    ca_key = _key(ca.key)
    key = ec.generate_private_key(CURVE)
    end = min(max(now, TODAY) + SERVER_LIFE, authority.not_valid_after_utc)
    builder = _begun(_name(hosts[0]), authority.subject, key.public_key(), end)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    of_authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = builder.add_extension(of_authority, critical=False)
    return _signed(builder, key, ca_key)


def ca_serves(ca: Pair, now: datetime) -> bool:
    """Whether a CA is whole and has some life left."""
    try:
        found = x509.load_pem_x509_certificate(ca.certificate)
        belongs = _key(ca.key).public_key() == found.public_key()
    except (ValueError, TypeError):
        return False
    return belongs and found.not_valid_after_utc - now > SERVER_LIFE / 3


def server_serves(pair: Pair, ca: Pair, hosts: tuple[str, ...], now: datetime) -> bool:
    """Whether a certificate is whole, of this CA, for exactly these hosts, and needs no renewal yet."""
    try:
        found = x509.load_pem_x509_certificate(pair.certificate)
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.certificate))
        belongs = _key(pair.key).public_key() == found.public_key()
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return belongs and list(named) == [_general(host) for host in hosts] and ends(pair) - now > SERVER_LIFE / 3


def ends(pair: Pair) -> datetime:
    """Return until when a certificate is valid."""
    return x509.load_pem_x509_certificate(pair.certificate).not_valid_after_utc


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])  # ub-common-name, RFC 5280


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, end: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=BEGIN,
        not_valid_after=end,
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate=builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key on an elliptic curve")
    return key
