"""People, teams and what a membership allows. Every right in the site follows from a role in a team."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from webapp.accounts.tokens import digest


class User(AbstractUser):
    """A person who signs in."""

    def role_in(self, team: Team) -> Role | None:
        """None for whoever is no member."""
        held = self.memberships.filter(team=team).values_list("role", flat=True).first()
        return None if held is None else Role(held)


class Role(models.IntegerChoices):
    """Each role may do what the ones before it may."""

    VIEWER = 1, "viewer"
    EDITOR = 2, "editor"
    OWNER = 3, "owner"


class Team(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    max_bytes = models.BigIntegerField(null=True, blank=True, help_text="of its originals; empty: the site's TEAM_MAX_BYTES")
    max_files = models.PositiveIntegerField(null=True, blank=True, help_text="empty: the site's TEAM_MAX_FILES")
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(User, through="Membership", related_name="teams")

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_a_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}: {Role(self.role).label}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> InvitationQuerySet:
        """Those that still let somebody in."""
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=Now())


class Invitation(models.Model):
    """Lets whoever holds its link join a team, once. Only the link's hash is kept."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(blank=True, help_text="empty: whoever has the link")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.VIEWER)
    sha256 = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-made_at"]

    def __str__(self) -> str:
        return f"invitation {self.pk} to {self.team}"


class LicenceAcceptance(models.Model):
    """A user read the terms of an encoder's weights and agreed; of other terms, anew."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="licences")
    encoder = models.CharField(max_length=40)
    terms_sha256 = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "encoder", "terms_sha256"], name="one_yes_to_the_same_terms")
        ]

    def __str__(self) -> str:
        return f"{self.user} accepted the terms of {self.encoder}"


class Scope(models.TextChoices):
    """What an API token may do with its user's rights; each is a right of its own."""

    READ = "read", "search and look"
    WRITE = "write", "upload and change"
    OPERATE = "operate", "run the archive: verify, reindex"


def all_scopes() -> list[str]:
    return [scope.value for scope in Scope]


class ApiToken(models.Model):
    """Lets a program act as a user. Only the token's hash is kept: a stolen database opens no door."""

    PREFIX = "cnv_"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(default=all_scopes)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="empty: never; only for the site's own commands")

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @classmethod
    def issue(
        cls, user: User, name: str, *, scopes: Iterable[Scope] = tuple(Scope), days: int | None = None
    ) -> tuple[ApiToken, str]:
        """The row, and the token itself: the only time that it can be read. ``days`` None: it does not expire."""
        token = cls.PREFIX + secrets.token_urlsafe(32)
        until = None if days is None else timezone.now() + timedelta(days=days)
        kept = cls.objects.create(
            user=user, name=name, sha256=digest(token), scopes=[Scope(scope).value for scope in scopes], expires_at=until
        )
        return kept, token

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class AuditEvent(models.Model):
    """Who did what to which thing, and when. Details hold ids and counts, never names of patients or files."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=40, db_index=True)
    target_type = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=40, blank=True)
    details = models.JSONField(default=dict, blank=True)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["target_id", "action", "at"], name="what_was_done_to_a_thing")]

    def __str__(self) -> str:
        return f"{self.action} {self.target_type} {self.target_id}"
