"""Makes the secrets of a new site, and a certificate for as long as it has none: `make_secrets.py FOLDER HOST…`.

What is there already stays as it is, so that this may run at every start. Only services that mount the folder can read it.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("secret_key", "postgres_password", "redis_password", "qdrant_api_key", "metrics_token")
CERTIFICATE_DAYS = 825  # the longest that browsers accept
READABLE = 0o444  # by the users of every image that mounts the folder: each has another number


def make_secrets(folder: Path) -> list[str]:
    """The names of those that were made now."""
    folder.mkdir(parents=True, exist_ok=True)
    return [name for name in NAMES if _make(folder / name, lambda: secrets.token_urlsafe(50).encode())]


def make_certificate(folder: Path, hosts: list[str]) -> bool:
    """A self-signed one, which browsers ask about once: tls.crt and tls.key. False where there is one already."""
    if (folder / "tls.crt").exists():
        return False
    _make(folder / "tls.key", _new_key)  # one that was left behind without its certificate is used
    key = serialization.load_pem_private_key((folder / "tls.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SystemExit(f"{folder / 'tls.key'}: no key on an elliptic curve; put its certificate beside it as tls.crt")
    certificate = _signed(key, hosts)
    return _make(folder / "tls.crt", lambda: certificate.public_bytes(serialization.Encoding.PEM))


def _new_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _signed(key: ec.EllipticCurvePrivateKey, hosts: list[str]) -> x509.Certificate:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    building = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    return building.sign(key, hashes.SHA256())


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)


def _make(path: Path, content: Callable[[], bytes]) -> bool:
    """Whole or not at all, and never over one that is there."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    draft.write_bytes(content())
    draft.chmod(READABLE)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def main() -> None:
    folder, hosts = Path(sys.argv[1]), [host for each in sys.argv[2:] for host in each.split(",") if host]
    made = make_secrets(folder)
    if make_certificate(folder, hosts or ["localhost"]):
        made.append("tls.crt")
    sys.stdout.write(f"made: {', '.join(made)}\n" if made else "every secret is there\n")


if __name__ == "__main__":
    main()
