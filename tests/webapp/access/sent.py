"""What is sent with each request of the table, so that whoever has the right gets something done: forms, JSON, files, headers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.webapp.access.world import TABLE, Actor, World, a_file
from tests.webapp.conftest import picture

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = "application/offset+octet-stream"
BYTES = picture("navy", seed=56)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """``form``: fields and files; ``body``: JSON; ``raw``: bytes of ``content_type``; one of them at most. ``query``: in the
    address.
    """

    form: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    raw: bytes | None = None
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)


def form(**fields: Any) -> Sent:
    return Sent(form=fields)


def body(**fields: Any) -> Sent:
    return Sent(body=fields)


def query(**fields: Any) -> Sent:
    return Sent(query=fields)


def piece(_: World) -> Sent:
    return Sent(raw=BYTES, content_type=PIECE, headers=TUS | {"Upload-Offset": "0"})


def creation(world: World) -> Sent:
    told = {"collection": str(world.collection.pk), "filename": "by-tus.png"}
    packed = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())
    return Sent(raw=b"", content_type=PIECE, headers=TUS | {"Upload-Length": str(len(BYTES)), "Upload-Metadata": packed})


def new_account(**more: str) -> Sent:
    return form(username="newcomer", password1="quite a long one 7", password2="quite a long one 7", **more)


def announced(world: World) -> str:
    del world
    return json.dumps([["announced.png", len(BYTES), ""]])


def images(*some: Any) -> dict[str, str]:
    return {"images": ",".join(str(image.pk) for image in some)}


def ids(*some: Any) -> list[str]:
    return [str(image.pk) for image in some]


Build = Callable[[World], Sent]

_SEARCH = "q=pink"

SENT: dict[tuple[str, str], Build] = {
    # --- reading ---
    ("search", "GET"): lambda _: query(q="pink"),
    ("describe", "GET"): lambda w: query(image=w.image.pk),
    ("suggest-terms", "GET"): lambda _: query(kind="stain", told="p"),
    ("save", "GET"): lambda _: query(q="pink"),
    ("share", "GET"): lambda _: query(q="pink"),
    ("tray", "GET"): lambda w: query(images=w.image.pk),
    ("browse-folder", "GET"): lambda _: query(folder=0),
    ("review", "GET"): lambda w: query(collection=w.collection.pk),
    ("admin:library_upload_add", "GET"): lambda w: query(collection=w.collection.pk),
    ("admin:autocomplete", "GET"): lambda _: query(
        app_label="accounts", model_name="membership", field_name="user", term="editor"
    ),
    ("api:list_images", "GET"): lambda w: query(collection=w.collection.pk),
    ("api:search_images", "GET"): lambda _: query(text="pink"),
    ("api:describe_image", "GET"): lambda w: query(image=w.image.pk),
    ("api:list_held", "GET"): lambda w: query(collection=w.collection.pk),
    ("api:list_pairs", "GET"): lambda w: query(collection=w.collection.pk),
    ("tus-item", "HEAD"): lambda _: Sent(headers=TUS),
    ("api:transfer_file", "HEAD"): lambda _: Sent(headers=TUS),
    # --- oneself ---
    ("account_login", "POST"): lambda _: form(login="editor", password="not this one"),
    ("sign-up", "POST"): lambda _: new_account(),
    ("join", "POST"): lambda _: new_account(),
    ("terms", "POST"): lambda _: form(accept="yes"),
    # --- teams ---
    ("new-team", "POST"): lambda _: form(name="Team C"),
    ("change-role", "POST"): lambda _: form(role=3),
    ("put-back-member", "POST"): lambda w: form(undo=w.undo_word),
    ("hand-over-team", "POST"): lambda w: form(to=w.people["second editor"].pk),
    ("invite", "POST"): lambda _: form(role=1, days=7),
    # --- collections ---
    ("new-collection", "POST"): lambda w: form(name="Spleens", team=w.team.pk, visibility="team"),
    ("edit-collection", "POST"): lambda _: form(name="Kidneys, renamed", visibility="team"),
    ("new-field", "POST"): lambda _: form(name="score", kind="text"),
    ("define-field", "POST"): lambda _: form(name="grade", kind="number"),
    ("import-table", "POST"): lambda _: form(table=a_file("table.csv", TABLE)),
    ("map-table", "POST"): lambda _: form(forget="yes"),
    # --- uploads ---
    ("upload", "POST"): lambda _: form(files=a_file()),
    ("announce", "POST"): lambda w: form(files=announced(w)),
    ("check", "POST"): lambda w: form(files=announced(w)),
    ("check-folder", "POST"): lambda _: form(folder=0, path=""),
    ("import", "POST"): lambda _: form(folder=0, path=""),
    ("tus", "POST"): creation,
    ("tus", "OPTIONS"): lambda _: Sent(headers=TUS),
    ("tus-item", "PATCH"): piece,
    ("tus-item", "DELETE"): lambda _: Sent(headers=TUS),
    ("tus-item", "OPTIONS"): lambda _: Sent(headers=TUS),
    ("move-upload", "POST"): lambda w: form(into=w.second.pk),
    # --- review, trash, duplicates ---
    ("review-decide", "POST"): lambda w: form(image=w.held.pk, decision="release", collection=w.collection.pk),
    ("review-release-all", "POST"): lambda w: form(until="2100-01-01T00:00:00+00:00", collection=w.collection.pk),
    ("review-undo", "POST"): lambda w: form(collection=w.collection.pk),
    ("trash-back", "POST"): lambda w: form(**images(w.trashed)),
    ("trash-delete", "POST"): lambda w: form(**images(w.trashed), word="delete"),
    ("collection-trash-back", "POST"): lambda w: form(**images(w.trashed)),
    ("collection-trash-delete", "POST"): lambda w: form(**images(w.trashed), word="delete"),
    ("decide-duplicates", "POST"): lambda w: form(first=w.twins[0].pk, second=w.twins[1].pk, decision="both"),
    ("decide-duplicates-of", "POST"): lambda w: form(first=w.twins[0].pk, second=w.twins[1].pk, decision="both"),
    ("keep-older", "POST"): lambda _: form(list="bytes", sure="yes", images="1"),
    ("keep-older-of", "POST"): lambda _: form(list="bytes", sure="yes", images="1"),
    # --- the selection ---
    ("tray", "POST"): lambda w: form(**images(w.image)),
    ("tray-tag", "POST"): lambda w: form(**images(w.image), tags="checked"),
    ("tray-move", "POST"): lambda w: form(**images(w.image), into=w.second.pk),
    ("tray-trash", "POST"): lambda w: form(**images(w.image)),
    ("tray-csv", "POST"): lambda w: form(**images(w.image)),
    ("tray-zip", "POST"): lambda w: form(**images(w.image), originals="yes"),
    # --- images ---
    ("edit-field", "POST"): lambda _: form(value="liver"),
    ("new-caption", "POST"): lambda _: form(text="new words"),
    ("edit-caption", "POST"): lambda _: form(text="other words"),
    # --- asking ---
    ("ask-with-picture", "POST"): lambda _: form(picture=a_file()),
    ("save", "POST"): lambda w: form(name="Kept", team=w.team.pk, address=_SEARCH),
    ("rename-saved", "POST"): lambda _: form(name="Another name"),
    ("watch-mail", "POST"): lambda _: form(by_mail="on"),
    ("mark-seen", "POST"): lambda w: form(query=w.saved.pk),
    ("share", "POST"): lambda w: form(name="Shared", team=w.team.pk, address=_SEARCH, mode="live", days=3),
    ("share-selected", "POST"): lambda w: form(**images(w.image)),
    ("extend-link", "POST"): lambda _: form(days=9),
    ("guest", "POST"): lambda _: form(password="none is needed"),
    # --- the API ---
    ("api:create_collection", "POST"): lambda w: body(name="Spleens", team=w.team.name),
    ("api:create_transfer", "POST"): creation,
    ("api:transfer_file", "PATCH"): piece,
    ("api:transfer_file", "DELETE"): lambda _: Sent(headers=TUS),
    ("api:check_files", "POST"): lambda w: form(files=announced(w)),
    ("api:announce_files", "POST"): lambda w: form(files=announced(w)),
    ("api:announce", "POST"): lambda w: body(collection=str(w.collection.pk), files=[{"name": "a.png", "bytes": 5}]),
    ("api:send_file", "POST"): lambda _: form(file=a_file()),
    ("api:send_files", "POST"): lambda w: form(files=a_file(), collection=w.collection.pk),
    ("api:start_import", "POST"): lambda _: body(folder=0),
    ("api:check_import", "POST"): lambda _: body(folder=0),
    ("api:release", "POST"): lambda w: body(images=ids(w.held)),
    ("api:hold_again", "POST"): lambda w: body(images=ids(w.held)),
    ("api:throw_away", "POST"): lambda w: body(images=ids(w.held)),
    ("api:decide_pair", "POST"): lambda w: body(first=str(w.twins[0].pk), second=str(w.twins[1].pk), decision="both"),
    ("api:edit_image", "PATCH"): lambda _: body(stain="PAS"),
    ("api:bring_back", "POST"): lambda w: body(images=ids(w.trashed)),
    ("api:delete", "POST"): lambda w: body(images=ids(w.trashed)),
    ("api:start_job", "POST"): lambda w: body(kind="retry", images=ids(w.image)),
    ("api:move_upload", "POST"): lambda w: body(into=str(w.second.pk)),
    ("api:search_by_picture", "POST"): lambda _: form(file=a_file()),
    ("api:describe_picture", "POST"): lambda _: form(file=a_file()),
    ("api:create_query", "POST"): lambda w: body(name="Kept", address=_SEARCH, team=w.team.name),
    ("api:rename_query", "PATCH"): lambda _: body(name="Another name"),
    ("api:create_link", "POST"): lambda w: body(query=str(w.saved.pk)),
    ("api:open_link", "POST"): lambda w: body(token=w.link.token),
    ("api:extend_link", "POST"): lambda _: body(days=9),
    ("api:create_vocabulary", "POST"): lambda w: body(name="Ours", team=w.team.name),
    ("api:add_terms", "POST"): lambda _: body(text="violet", kind="stain"),
    ("api:verify_archive", "POST"): lambda _: body(),
    ("api:reindex", "POST"): lambda _: body(),
    # --- the admin ---
    ("admin:accounts_team_add", "POST"): lambda _: form(name="Team D", **_inline("memberships")),
    ("admin:accounts_user_add", "POST"): lambda _: new_account(usable_password="true"),
    ("admin:library_collection_add", "POST"): lambda w: form(team=w.team.pk, name="Made in the admin", visibility="team"),
    ("admin:library_collection_change", "POST"): lambda w: form(team=w.team.pk, name="Changed there", visibility="team"),
    ("admin:library_image_change", "POST"): lambda w: form(
        collection=w.collection.pk, name="x.png", stain="changed", tags="[]", metadata="{}", **_inline("captions")
    ),
    ("admin:library_vocabulary_change", "POST"): lambda w: form(name="Changed there", team=w.team.pk, **_inline("terms")),
    ("admin:accounts_apitoken_delete", "POST"): lambda _: form(post="yes"),
    ("admin:library_vocabulary_delete", "POST"): lambda _: form(post="yes"),
    ("admin:accounts_team_delete", "POST"): lambda _: form(post="yes"),
    ("admin:accounts_user_delete", "POST"): lambda _: form(post="yes"),
    ("admin:library_collection_delete", "POST"): lambda _: form(post="yes"),
    ("admin:library_image_changelist", "POST"): lambda w: form(action="throw_away", _selected_action=str(w.image.pk)),
    ("admin:library_upload_changelist", "POST"): lambda w: form(action="throw_away", _selected_action=str(w.upload.pk)),
}


def _inline(prefix: str) -> dict[str, str]:
    return {f"{prefix}-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}


def sent(world: World, name: str, method: str) -> Sent:
    build = SENT.get((name, method)) or (SENT.get((name, "GET")) if method == "HEAD" else None)
    return Sent() if build is None else build(world)


def ask(who: Actor, method: str, address: str, what: Sent) -> Any:
    """The answer, read to its end and closed, with its bytes in ``body``; by the token where programs ask."""
    headers = (who.headers if address.startswith("/api/") else {}) | what.headers
    named: dict[str, Any] = {"headers": headers, "query_params": what.query or None}
    client: Any = who.browser
    if what.body is not None:
        answer = client.generic(method, address, json.dumps(what.body), "application/json", **named)
    elif what.raw is not None:
        answer = client.generic(method, address, what.raw, what.content_type, **named)
    elif method == "POST":
        answer = client.post(address, what.form, **named)
    else:
        answer = client.generic(method, address, **named)
    answer.body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    answer.close()
    return answer
