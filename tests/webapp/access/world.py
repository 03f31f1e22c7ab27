"""A small archive with one of everything that an address can name, and everybody who may ask for it.

Team A has the things; team B is there to be foreign. Each actor has a browser, and a program where they have an account.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.webapp.conftest import PASSWORD, add, picture, run_tasks, stored
from webapp.accounts import invitations, teams
from webapp.accounts.models import ApiToken, AuditEvent, Invitation, LicenceAcceptance, Membership, Role, Team, User
from webapp.accounts.tokens import digest
from webapp.explore import saving, sharing, watching
from webapp.explore.asking import SearchQuery
from webapp.explore.models import LinkMode, QueryPicture, SavedQuery, ShareLink
from webapp.explore.queries import search
from webapp.explore.sharing import Wish
from webapp.explore.vocabularies import add_terms, create_vocabulary
from webapp.library import editing, jobs, table_drafts, table_import, trash
from webapp.library.bulk_jobs import Which
from webapp.library.models import (
    Collection,
    FieldDefinition,
    FieldKind,
    IdentityPattern,
    Image,
    Job,
    KnownEncoder,
    TermKind,
    Upload,
    UploadItem,
    Visibility,
    Vocabulary,
)

SIGNED_IN = ("outsider", "viewer", "editor", "owner", "ex-member", "staff", "superuser")
HOLDERS = ("open link", "expired link", "revoked link")
ACTORS = ("anonymous", *SIGNED_IN, *HOLDERS)
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TABLE = b"file,stain\npink-2.png,PAS\n"


@dataclass(kw_only=True)
class Link:
    row: ShareLink
    token: str


@dataclass(kw_only=True)
class World:
    """What lies in team A."""

    team: Team
    collection: Collection
    second: Collection  # of the same team, to move things to
    everyones: Collection
    private: Collection  # made by the team's second editor, so that the first one does not see it
    images: list[Image]
    everyones_image: Image
    trashed: Image
    held: Image
    twins: tuple[Image, Image]
    upload: Upload
    pending: UploadItem
    unsent: UploadItem
    people: dict[str, User]
    saved: SavedQuery
    link: Link
    guest_links: dict[str, Link]
    picture: QueryPicture
    vocabulary: Vocabulary
    invitation: Invitation
    invitation_token: str
    definition: FieldDefinition
    draft: UUID
    table_job: Job
    job: Job
    near_job: Job
    undo_word: str
    parts: dict[str, object]  # ids of what belongs to the things above

    @property
    def image(self) -> Image:
        return self.images[0]


def build(site: Any, outside: Path) -> World:
    """``site``: the settings, as pytest lends them. ``outside``: an empty folder."""
    site.GUEST_LINKS = True
    site.IMPORT_FOLDERS = [outside]
    (outside / "slide.png").write_bytes(picture("green", seed=900))
    team, foreign = Team.objects.create(name="Team A"), Team.objects.create(name="Team B")
    people = _people(team, foreign)
    editor, owner, second_editor = people["editor"], people["owner"], people["second editor"]
    kidneys = _collection(team, "Kidneys", editor, Visibility.TEAM)
    others = {
        "second": _collection(team, "Hearts", editor, Visibility.TEAM),
        "everyones": _collection(team, "Open", editor, Visibility.EVERYONE),
        "private": _collection(team, "Secret", second_editor, Visibility.PRIVATE),
    }
    vocabulary = create_vocabulary(user=editor, team=team, name="Colours")
    add_terms(vocabulary, "brown\nblue\npink", user=editor, kind=TermKind.STAIN)
    files = {f"pink-{n}.png": picture("pink", seed=n) for n in range(1, 4)}
    upload = add(kidneys, files, user=editor, caption="pale glands", organ="kidney", case="C-1")
    pictured = [item.image for item in upload.items.select_related("image").order_by("pk") if item.image]
    open_image = stored(others["everyones"], picture("brown", seed=11), name="brown.png", caption="open words")
    stored(others["private"], picture("blue", seed=12), name="blue.png", caption="secret words")
    twins = stored(kidneys, picture("red", seed=13)), stored(others["second"], picture("red", seed=13))
    held = stored(kidneys, picture("gray", seed=14), name="Doe^Jane/MRN00417.png")
    thrown = stored(kidneys, picture("olive", seed=15))
    run_tasks()
    trash.throw_away(Image.objects.filter(pk=thrown.pk), user=editor)
    editing.edit(pictured[0].pk, {"stain": "pink"}, user=editor)
    waiting = ("late.png", "later.png")
    pending, unsent = (add_pending(upload, name) for name in waiting)
    address = f"q=pink&collection={kidneys.pk}"
    saved = saving.save(user=editor, name="Pink ones", note="look", address=address, team=team)
    picture_asked = search(SearchQuery(image_bytes=picture("teal", seed=16)), user=editor).picture
    assert picture_asked is not None
    for name in ("viewer", "editor", "owner"):
        watching.watch(people[name], saved)
    invitation, invitation_link = invitations.invite(team, by=owner, role=Role.VIEWER)
    table_job = table_import.start(table_drafts.keep(TABLE, "table.csv"), user=editor, collection=kidneys)
    job = Which(images=[pictured[2].pk]).start("throw-away", user=editor)
    near = jobs.start("near", user=editor, collection=kidneys)
    run_tasks()
    parts: dict[str, object] = {"caption": pictured[0].captions.get().pk, "change": pictured[0].changes.get().pk}
    parts |= dict(vocabulary.terms.values_list("text", "pk")) | _for_the_admin(editor, upload) | _of_the_account(second_editor)
    return World(
        team=team,
        collection=kidneys,
        **others,
        images=pictured,
        everyones_image=open_image,
        trashed=thrown,
        held=held,
        twins=twins,
        upload=upload,
        pending=pending,
        unsent=unsent,
        people=people,
        saved=saved,
        link=_shared(editor, saved, Wish()),
        guest_links={state: _shared(editor, saved, Wish(mode=LinkMode.FROZEN, guests=True)) for state in HOLDERS},
        picture=QueryPicture.objects.get(pk=picture_asked.pk),
        vocabulary=vocabulary,
        invitation=invitation,
        invitation_token=invitation_link.rpartition("/")[2],
        definition=FieldDefinition.objects.create(collection=kidneys, name="grade", kind=FieldKind.TEXT),
        draft=table_drafts.keep(TABLE, "table.csv").number,
        table_job=table_job,
        job=job,
        near_job=near,
        parts=parts,
        undo_word=teams.remove(people["removed"].memberships.select_related("team", "user").get(), by=owner),
    )


def _people(team: Team, foreign: Team) -> dict[str, User]:
    roles = {
        "viewer": Role.VIEWER, "editor": Role.EDITOR, "owner": Role.OWNER, "second editor": Role.EDITOR, "ex-member": Role.OWNER,
        "removed": Role.VIEWER, "second owner": Role.OWNER,
    }  # fmt: skip
    people = {name: User.objects.create_user(name.replace(" ", "-"), password=PASSWORD) for name in (*roles, "outsider", "staff")}
    Membership.objects.bulk_create(Membership(team=team, user=people[name], role=role) for name, role in roles.items())
    Membership.objects.create(team=foreign, user=people["outsider"], role=Role.OWNER)
    people["ex-member"].memberships.all().delete()
    people["staff"].is_staff = True
    people["staff"].save()
    people["staff"].user_permissions.set(Permission.objects.all())  # all that the admin can give, and no team
    people["superuser"] = User.objects.create_superuser("superuser", password=PASSWORD)
    return people


def _collection(team: Team, name: str, made_by: User, visibility: Visibility) -> Collection:
    return Collection.objects.create(team=team, name=name, made_by=made_by, visibility=visibility)


def add_pending(upload: Upload, name: str) -> UploadItem:
    return UploadItem.objects.create(upload=upload, name=name, bytes=len(picture(seed=77)))


def _shared(user: User, query: SavedQuery, wish: Wish) -> Link:
    row, token = sharing.share(user, query, wish)
    return Link(row=row, token=token)


# --- who asks ---------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Actor:
    """``browser``: signed in, or with what a link gave it. ``token``: of a program of theirs."""

    name: str
    user: User | None
    browser: Client
    token: str = ""
    link: Link | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def actor(world: World, name: str, *, csrf: bool = False) -> Actor:
    browser = Client(enforce_csrf_checks=csrf, raise_request_exception=False)
    if name in HOLDERS:
        return _holder(world, name, browser)
    user = None if name == "anonymous" else world.people[name]
    if user is None:
        return Actor(name=name, user=None, browser=browser)
    browser.force_login(user)
    session = browser.session
    session["tables"] = {str(world.draft): str(world.collection.pk)}  # as if everybody had sent that table, ex-members too
    session.save()
    _, token = ApiToken.issue(user, name)
    return Actor(name=name, user=user, browser=browser, token=token)


def _holder(world: World, name: str, browser: Client) -> Actor:
    """Somebody without an account who opened a link for guests while it was open."""
    link = world.guest_links[name]
    browser.get(sharing.address_of(link.token))
    rows = ShareLink.objects.filter(pk=link.row.pk)
    if name == "expired link":
        rows.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif name == "revoked link":
        rows.update(revoked_at=timezone.now())
    return Actor(name=name, user=None, browser=browser, link=link)


# --- what an address names --------------------------------------------------------------------------------------------


def named(world: World, who: Actor, pattern: str) -> dict[str, Any]:
    """The arguments of a route's address, for the things of team A. ``pattern``: as the resolver has it."""
    link = who.link or world.link
    values: dict[str, Any] = {
        "draft": world.draft,
        "field": world.definition.pk,
        "name": "organ",
        "caption": world.parts["caption"],
        "change": world.parts["change"],
        "term": world.parts["pink"],
        "user": world.people["second editor"].pk,
        "invitation": world.invitation.pk,
        "token": world.invitation_token if pattern.startswith("join") else link.token,
        "sha256": digest(link.token),
        "rank": 1,
        "key": world.unsent.key,
        "image_id": world.image.pk,
        "collection_id": world.collection.pk,
        "upload_id": world.upload.pk,
        "item_id": world.pending.pk,
        "folder": 0,
        "kind": "display",
        "change_id": world.parts["change"],
        "job_id": world.job.pk,
        "query_id": world.saved.pk,
        "link_id": world.link.row.pk,
        "vocabulary_id": world.vocabulary.pk,
        "term_id": world.parts["blue"],
        "team_id": world.team.pk,
        "content_type_id": ContentType.objects.get_for_model(Image).pk,
        "app_label": "library",
        "url": "library/nothing",
        "id": world.people["editor"].pk,
        "job": world.table_job.pk,
        "uidb36": "1",
        "provider_id": "nobody",
    }
    first = {
        "teams": world.team.pk, "collections": world.collection.pk, "uploads": world.upload.pk, "jobs": world.job.pk,
        "duplicates": world.near_job.pk, "images": world.image.pk, "trash": world.trashed.pk,
        "query-pictures": world.picture.pk, "saved": world.saved.pk, "links": world.link.row.pk, "shared": link.row.pk,
        "q": link.row.pk, "account": world.parts["accounts/apitoken"],
    }  # fmt: skip
    values["pk"] = first.get(pattern.partition("/")[0])
    if pattern.startswith("trash/<uuid:image_id>"):
        values["image_id"] = world.trashed.pk
    values["pk"] = world.parts.get("/".join(pattern.split("/")[:2]), values["pk"])
    if pattern.startswith("admin/"):
        values["object_id"] = _in_the_admin(world, pattern)
    return values


def _for_the_admin(of: User, upload: Upload) -> dict[str, object]:
    """App and model, as in addresses of the admin -> the primary key of a row."""
    return {
        "auth/group": Group.objects.create(name="Group").pk,
        "accounts/apitoken": ApiToken.issue(of, "of the editor")[0].pk,
        "accounts/licenceacceptance": LicenceAcceptance.objects.create(user=of, encoder="conch", terms_sha256="0" * 64).pk,
        "accounts/user": of.pk,
        "accounts/auditevent": AuditEvent.objects.values_list("pk", flat=True)[0],
        "library/identitypattern": IdentityPattern.objects.values_list("pk", flat=True)[0],
        "library/knownencoder": KnownEncoder.objects.values_list("pk", flat=True)[0],
        "library/upload": upload.pk,
    }


def _of_the_account(of: User) -> dict[str, object]:
    """What somebody has of their own, as addresses below the page of an account -> the primary key."""
    return {
        "account/browsers": UserSession.objects.create(user=of, ip="192.0.2.1", session_key="away", user_agent="curl").pk,
        "account/sites": SocialAccount.objects.create(user=of, provider="lab", uid="42").pk,
        "account/passkeys": Authenticator.objects.create(user=of, type=Authenticator.Type.WEBAUTHN, data={"name": "key"}).pk,
    }


def _in_the_admin(world: World, pattern: str) -> object:
    """The primary key of the row that an address of the admin is about."""
    model = "/".join(pattern.split("/")[1:3])
    of_the_team = {
        "accounts/team": world.team, "library/collection": world.collection, "library/image": world.image,
        "library/vocabulary": world.vocabulary, "r/<path:content_type_id>": world.image,
    }  # fmt: skip
    return of_the_team[model].pk if model in of_the_team else world.parts.get(model, 0)


UNKNOWN_NUMBER, UNKNOWN_WORD = 987_654_321, "B" * 22


def unknown(values: dict[str, Any]) -> dict[str, Any]:
    """The same arguments, for things that never were; what chooses among a thing's parts stays."""
    kept = ("name", "kind", "app_label", "url", "content_type_id", "rank", "folder")
    return {name: value if name in kept else _other(value) for name, value in values.items()}


def _other(value: object) -> object:
    if isinstance(value, UUID):
        return uuid.uuid4()
    if isinstance(value, int):
        return UNKNOWN_NUMBER
    return "0" * 64 if isinstance(value, str) and len(value) == 64 else UNKNOWN_WORD


def a_file(name: str = "new.png", data: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture("navy", seed=55) if data is None else data)
