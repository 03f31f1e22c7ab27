"""What people carry with them: an authenticator app and a passkey, in software."""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import struct
import time
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from webapp.accounts.models import User

FLAG = AuthenticatorData.FLAG


def totp(secret: str, *, steps: int = 0) -> str:
    """RFC 6238: the code that an app shows, ``steps`` half minutes from now."""
    moment = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.new(base64.b32decode(secret), moment, sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


def confirm(client: Any, password: str) -> None:
    """Says once more who one is, as the pages that guard an account ask."""
    assert client.post("/account/confirm", {"password": password, "next": "/account"}).status_code == 302


def add_app(client: Any, password: str) -> tuple[str, list[str]]:
    """The secret of an app that was just set up by the pages, and the recovery codes shown after it."""
    confirm(client, password)
    page = client.get("/account/app").content.decode()
    secret = re.search(r'id="secret" value="([A-Z2-7]+)"', page)[1]  # type: ignore[index]
    done = client.post("/account/app", {"code": totp(secret)})
    assert done["Location"] == "/account/recovery-codes", done.content.decode()
    shown = client.get("/account/recovery-codes").content.decode()
    return secret, re.findall(r"^(?:<[^\n]*>)?(\d{8})$", shown.replace("readonly>", "readonly>\n"), re.MULTILINE)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Passkey:
    """A key bound to ``origin``; it asks its owner for a finger unless ``asks_owner`` is False."""

    origin: str = "http://localhost"
    rp_id: str = "localhost"
    asks_owner: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    user_handle: bytes = b""

    def made(self, options: dict[str, Any]) -> str:
        """The answer to a page that wants a new passkey, as its script sends it."""
        self.user_handle = _bytes(options["user"]["id"])
        public = ES256.from_cryptography_key(self.key.public_key())
        held = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, public)
        data = AuthenticatorData.create(self._hash, self._flags | FLAG.AT, 0, held)
        told = CollectedClientData.create("webauthn.create", options["challenge"], self.origin)
        attested = AttestationObject.create("none", data, {})
        return self._answer(attestationObject=_text(bytes(attested)), clientDataJSON=_text(bytes(told)))

    def used(self, options: dict[str, Any]) -> str:
        """The answer to a page that asks for a passkey."""
        data = AuthenticatorData.create(self._hash, self._flags, 0)
        told = CollectedClientData.create("webauthn.get", options["challenge"], self.origin)
        signature = self.key.sign(bytes(data) + told.hash, ec.ECDSA(SHA256()))
        return self._answer(
            authenticatorData=_text(bytes(data)),
            clientDataJSON=_text(bytes(told)),
            signature=_text(signature),
            userHandle=_text(self.user_handle),
        )

    def _answer(self, **response: str) -> str:
        told = {"id": _text(self.credential_id), "rawId": _text(self.credential_id), "type": "public-key"}
        return json.dumps(told | {"response": response, "clientExtensionResults": {}})

    @property
    def _hash(self) -> bytes:
        return sha256(self.rp_id.encode()).digest()

    @property
    def _flags(self) -> Any:
        return FLAG.UP | FLAG.UV if self.asks_owner else FLAG.UP


def options_of(page: Any) -> dict[str, Any]:
    """What a page asks the browser for."""
    told = re.search(r'<script id="passkey-options" type="application/json">(.*?)</script>', page.content.decode(), re.DOTALL)
    assert told is not None, page.content.decode()
    asked: dict[str, Any] = json.loads(told[1])["publicKey"]
    return asked


def add_passkey(client: Any, password: str, *, name: str = "laptop") -> Passkey:
    """One that was just added by the pages."""
    confirm(client, password)
    passkey = Passkey()
    asked = options_of(client.get("/account/passkeys/add"))
    sent = {"name": name, "credential": passkey.made(asked), "passwordless": "true"}
    done = client.post("/account/passkeys/add", sent)
    assert done.status_code == 302, done.content.decode()
    return passkey


def whoever(client: Any) -> User | None:
    """Who is signed in with this client."""
    user = client.get("/account", follow=True).wsgi_request.user
    return user if isinstance(user, User) else None
