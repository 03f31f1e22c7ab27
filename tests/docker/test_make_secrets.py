"""A new site's secrets are made once, whole, and stay."""

from __future__ import annotations

import ssl
import stat

from cryptography import x509

from docker.make_secrets import NAMES, make_certificate, make_secrets


def test_secrets_are_made_once_and_stay(tmp_path):
    folder = tmp_path / "secrets"
    assert make_secrets(folder) == list(NAMES)
    kept = {name: (folder / name).read_text() for name in NAMES}
    assert len(set(kept.values())) == len(NAMES)
    assert min(map(len, kept.values())) > 50
    assert make_secrets(folder) == []
    assert {name: (folder / name).read_text() for name in NAMES} == kept
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}


def test_the_certificate_names_every_host_and_fits_its_key(tmp_path):
    assert make_certificate(tmp_path, ["archive.example.org", "192.0.2.7"])
    assert not make_certificate(tmp_path, ["another.example.org"])
    certificate = x509.load_pem_x509_certificate((tmp_path / "tls.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["archive.example.org"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")


def test_a_key_whose_certificate_was_never_written_is_used(tmp_path):
    make_certificate(tmp_path, ["localhost"])
    key = (tmp_path / "tls.key").read_bytes()
    (tmp_path / "tls.crt").unlink()
    assert make_certificate(tmp_path, ["localhost"])
    assert (tmp_path / "tls.key").read_bytes() == key
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
