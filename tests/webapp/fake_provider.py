"""A provider of sign-ins (OpenID Connect) on this machine, which says of its visitor what a test wants it to say."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

CLIENT, SECRET = "conchive", "not in use anywhere"


@dataclass
class Provider:
    """``claims``: of whoever signs in next. ``id_claims``: what the id token says otherwise. ``codes``: with PKCE's challenge."""

    port: int = 0
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "42", "preferred_username": "dora"})
    id_claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    cancels: bool = False

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **options: Any) -> dict[str, Any]:
        """As OIDC_PROVIDERS names it."""
        named = {"id": "lab", "name": "Lab Login", "issuer": self.issuer, "client_id": CLIENT, "client_secret": SECRET}
        return named | options

    def visited(self, address: str) -> str:
        """Somebody signs in there: the address that their browser is sent back to."""
        opener = urllib.request.build_opener(_Stays)
        try:
            opener.open(address, timeout=10)
        except urllib.error.HTTPError as answer:
            return str(answer.headers["Location"])
        raise AssertionError("the provider sent nobody back")

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def back(self, asked: dict[str, str]) -> str:
        if self.cancels:
            return asked["redirect_uri"] + "?" + urlencode({"error": "access_denied", "state": asked["state"]})
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked.get("code_challenge", "")
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})

    def tokens(self, asked: dict[str, str]) -> dict[str, Any] | None:
        """None where the code is none of these, was used, or comes without its PKCE verifier."""
        challenge = self.codes.pop(asked.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(asked.get("code_verifier", "").encode()).digest()).decode().rstrip("=")
        if challenge is None or challenge != proof or asked.get("client_secret") != SECRET:
            return None
        told = {"iss": self.issuer, "aud": CLIENT, "exp": time.time() + 60, "iat": time.time()} | self.claims | self.id_claims
        return {"access_token": "token", "token_type": "Bearer", "id_token": jwt.encode(told, "k" * 32, headers={"kid": "1"})}


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.back({name: value[0] for name, value in parse_qs(parts.query).items()}))
                self.end_headers()
            else:
                self._json(provider.claims if parts.path == "/userinfo" else provider.discovery())

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._json(provider.tokens({name: value[0] for name, value in parse_qs(sent).items()}))

        def _json(self, told: dict[str, Any] | None) -> None:
            body = json.dumps(told or {"error": "invalid_grant"}).encode()
            self.send_response(400 if told is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
