"""API tokens: make, list, revoke."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webapp.accounts.audit import record
from webapp.accounts.models import ApiToken, Scope, User
from webapp.explore.management.answers import print_table

DAYS = 365


class Command(BaseCommand):
    help = "Make an API token that acts as a user. It is printed once, on standard output, and cannot be read again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what it is for")
        parser.add_argument("--scope", action="append", choices=Scope.values, help="what it may do; read and write unless told")
        parser.add_argument("--days", type=int, default=DAYS, help=f"until it expires; {DAYS} unless told, 0: never")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--list", action="store_true", help="the user's tokens by name")
        action.add_argument("--revoke", metavar="NAME", help="the tokens of this name stop working at once")

    def handle(self, *, username: str, name: str, revoke: str | None, **given: Any) -> None:
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {username!r}.")
        if given["list"]:
            rows = [
                (token.name, f"{token.made_at:%Y-%m-%d}", _used(token), ", ".join(token.scopes), _until(token))
                for token in user.api_tokens.order_by("made_at")
            ]
            print_table(("name", "made", "last used", "may", "until"), rows)
        elif revoke is not None:
            self._revoke(user, revoke)
        else:
            scopes = [Scope(scope) for scope in given["scope"] or (Scope.READ, Scope.WRITE)]
            _, token = ApiToken.issue(user, name[:100], scopes=scopes, days=given["days"] or None)
            record(user, "token-made", user)
            self.stdout.write(token)

    def _revoke(self, user: User, name: str) -> None:
        revoked, _ = user.api_tokens.filter(name=name).delete()
        if not revoked:
            raise CommandError(f"{user} has no token {name!r}.")
        record(user, "token-revoked", user)
        self.stderr.write(f"{revoked} revoked")


def _used(token: ApiToken) -> str:
    return "never" if token.used_at is None else f"{token.used_at:%Y-%m-%d %H:%M}"


def _until(token: ApiToken) -> str:
    return "for ever" if token.expires_at is None else f"{token.expires_at:%Y-%m-%d}"
