"""Collections, and the one rule of who may see and change what lies in them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

from webapp.accounts.models import Role, Team, User

if TYPE_CHECKING:
    Viewer = User | AnonymousUser


class Visibility(models.TextChoices):
    PRIVATE = "private", "only whoever made it, and the team's owners"
    TEAM = "team", "the team"
    EVERYONE = "everyone", "everyone signed in"


class CollectionQuerySet(models.QuerySet["Collection"]):
    def visible_to(self, user: Viewer) -> CollectionQuerySet:
        """Default deny: an anonymous or inactive user sees nothing, an administrator everything."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self
        teams = user.memberships.values("team")
        owned = user.memberships.filter(role=Role.OWNER).values("team")
        return self.filter(
            Q(visibility=Visibility.EVERYONE)
            | Q(visibility=Visibility.TEAM, team__in=teams)
            | Q(visibility=Visibility.PRIVATE, team__in=owned)
            | Q(visibility=Visibility.PRIVATE, team__in=teams, made_by=user)
        )

    def editable_by(self, user: Viewer) -> CollectionQuerySet:
        """Where ``user`` may add, change and delete: visible, and an editor or owner of its team."""
        visible = self.visible_to(user)
        if not isinstance(user, User) or user.is_superuser:
            return visible
        return visible.filter(team__in=user.memberships.filter(role__gte=Role.EDITOR).values("team"))


class Collection(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="collections")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.TEAM)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    objects = CollectionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "name"], name="one_collection_name_a_team")]

    def __str__(self) -> str:
        return self.name
