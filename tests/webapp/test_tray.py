"""The selection: tagging, moving, exporting and taking back, with the rights of each image."""

from __future__ import annotations

import csv
import io
import re
import uuid
import zipfile
from codecs import BOM_UTF8

import pytest

from search import Filters, Keyword, Scope
from tests.webapp.conftest import PASSWORD, on_disk, picture, run_tasks, stored, told
from webapp import spreadsheets, wiring
from webapp.accounts.models import AuditEvent, Membership, Role, User
from webapp.library import bulk, bundle, choosing, files, sending, terms, tray_views
from webapp.library.models import Caption, Collection, Embedding, Image, Visibility

pytestmark = pytest.mark.django_db

ACTIONS = ("tag", "move", "csv", "zip")
ADDRESSES = ("", *(f"/{action}" for action in ACTIONS), "/undo")


def asks(*images, **fields) -> dict[str, str]:
    """A form as the tray posts it."""
    return {"images": ",".join(str(getattr(image, "pk", image)) for image in images), "back": "/?q=pink", **fields}


def page_after(browser, answer) -> str:
    assert answer.status_code == 302
    return told(browser.get(answer["Location"]))


def undo(browser, answer):
    """Presses the message's button."""
    [token] = re.findall(r'name="undo" value="([^"]+)"', page_after(browser, answer))
    return browser.post("/selected/undo", {"undo": token, "back": "/?q=pink"})


def table(answer) -> str:
    """What was downloaded, which begins with the mark that spreadsheets know UTF-8 by."""
    content = answer.getvalue()
    assert content.startswith(BOM_UTF8)
    return str(content.decode("utf-8-sig"))


def rows(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table(answer))))


def unpacked(answer) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


@pytest.fixture
def other(team_a, alice) -> Collection:
    return Collection.objects.create(team=team_a, name="Hearts", made_by=alice, visibility=Visibility.TEAM)


@pytest.fixture
def dave(team_a, team_b) -> User:
    """An editor of team A and a viewer of team B."""
    person = User.objects.create_user("dave", password=PASSWORD)
    Membership.objects.create(user=person, team=team_a, role=Role.EDITOR)
    Membership.objects.create(user=person, team=team_b, role=Role.VIEWER)
    return person


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_tray_needs_signing_in(client, address):
    assert client.post(f"/selected{address}")["Location"].startswith("/sign-in")


@pytest.mark.parametrize("address", ADDRESSES[1:])
def test_nothing_is_done_by_following_a_link(signed_in, alice, address):
    assert signed_in(alice).get(f"/selected{address}").status_code == 405


def test_a_foreign_image_is_as_if_it_were_not_there(signed_in, charlie, make_image):
    image, answers = make_image(tags="mine"), {}
    browser = signed_in(charlie)
    for chosen in (image.pk, uuid.uuid4()):
        answers[chosen] = [
            page_after(
                browser, browser.post(f"/selected/{action}", asks(chosen, tags="x", into=image.collection_id, back="/saved"))
            )
            for action in ("tag", "csv", "zip")
        ]
    foreign, unknown = ([re.sub(r'oken": "\w+"|oken" value="\w+"', "", page) for page in pages] for pages in answers.values())
    assert foreign == unknown
    assert Image.objects.get().tags == ["mine"]


def test_foreign_images_among_others_are_left_out_of_every_export(signed_in, bob, make_image, foreign_collection):
    mine, foreign = make_image(), make_image(into=foreign_collection)
    browser = signed_in(bob)
    assert [row["id"] for row in rows(browser.post("/selected/csv", asks(foreign, mine)))] == [str(mine.pk)]
    with unpacked(browser.post("/selected/zip", asks(foreign, mine))) as archive:
        assert not [name for name in archive.namelist() if str(foreign.pk) in name]
        assert "Livers" not in archive.read(bundle.NOTE).decode()


def test_a_viewer_changes_nothing_and_is_told_so(signed_in, bob, make_image, other):
    image, browser = make_image(), signed_in(bob)
    for address, fields in (("tag", {"tags": "x"}), ("move", {"into": other.pk})):
        assert "message error" in page_after(browser, browser.post(f"/selected/{address}", asks(image, **fields)))
    image.refresh_from_db()
    assert (image.tags, image.collection.name) == ([], "Kidneys")


def test_images_that_one_may_only_look_at_stay_as_they_are(signed_in, dave, make_image, foreign_collection):
    mine, theirs = make_image(), make_image(into=foreign_collection)
    browser = signed_in(dave)
    page = page_after(browser, browser.post("/selected/tag", asks(mine, theirs, tags="x")))
    assert "1 that you may only look at stayed as it is" in page
    assert [Image.objects.get(pk=image.pk).tags for image in (mine, theirs)] == [["x"], []]


def test_the_tray_offers_a_viewer_no_button_that_would_fail(signed_in, bob, alice, make_image):
    image = make_image()
    viewers, editors = (told(signed_in(user).get(f"/collections/{image.collection_id}")) for user in (bob, alice))
    assert "/selected/csv" in viewers
    assert "/selected/tag" not in viewers
    assert "/selected/tag" in editors


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_ticked_boxes_do_without_script(signed_in, alice, make_image):
    first, second = make_image(), make_image()
    page = told(signed_in(alice).get("/", {"q": "pink"}))
    boxes = set(re.findall(r'class="pick" name="image" value="([0-9a-f-]+)" form="tray"', page))
    assert boxes == {str(first.pk), str(second.pk)}
    answer = signed_in(alice).post("/selected/csv", {"image": [second.pk, first.pk], "images": ""})
    assert [row["id"] for row in rows(answer)] == [str(second.pk), str(first.pk)]


def test_the_review_page_shows_what_is_selected_in_its_order(signed_in, bob, make_image):
    first, second = make_image(caption="One"), make_image(caption="Two")
    page = told(signed_in(bob).post("/selected", asks(second, first)))
    assert "2 selected images" in page
    assert page.index("Two") < page.index("One")
    assert "Nothing is selected" in told(signed_in(bob).get("/selected"))


def test_more_than_five_hundred_are_refused_before_anything_is_looked_up(signed_in, alice, make_image):
    image, browser = make_image(), signed_in(alice)
    many = [image, *(uuid.uuid4() for _ in range(choosing.MOST))]
    page = page_after(browser, browser.post("/selected/tag", asks(*many, tags="x")))
    assert "At most 500 images at a time: 501 are selected." in page
    assert Image.objects.get().tags == []


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""])
def test_one_comes_back_to_this_site_only(signed_in, alice, make_image, back):
    assert signed_in(alice).post("/selected/tag", asks(make_image(), tags="x", back=back))["Location"] == "/"


# --- tags -------------------------------------------------------------------------------------------------------------


def test_tags_are_added_once_and_searchable_at_once(signed_in, alice, make_image, django_capture_on_commit_callbacks):
    first, second = make_image(tags="teaching"), make_image()
    browser = signed_in(alice)
    with django_capture_on_commit_callbacks(execute=True):
        browser.post("/selected/tag", asks(first, second, tags="teaching; to review"))
    assert [Image.objects.get(pk=image.pk).tags for image in (first, second)] == [["teaching", "to review"]] * 2
    assert str(second.pk) in told(browser.get("/", {"q": "pink", "tags": "teaching"}))


def test_tags_are_removed_however_they_are_written(signed_in, alice, make_image):
    image = make_image(tags="Teaching; old")
    signed_in(alice).post("/selected/tag", asks(image, tags="teaching", how="remove"))
    assert Image.objects.get().tags == ["old"]


def test_undo_takes_exactly_the_new_tags_back(signed_in, alice, make_image):
    first, second = make_image(tags="x"), make_image()
    browser = signed_in(alice)
    undo(browser, browser.post("/selected/tag", asks(first, second, tags="x; y")))
    assert [Image.objects.get(pk=image.pk).tags for image in (first, second)] == [["x"], []]


def test_undo_brings_removed_tags_back(signed_in, alice, make_image):
    image, browser = make_image(tags="a; b"), signed_in(alice)
    undo(browser, browser.post("/selected/tag", asks(image, tags="B", how="remove")))
    assert sorted(Image.objects.get(pk=image.pk).tags) == ["a", "b"]


def test_a_change_is_taken_back_once(signed_in, alice, make_image):
    browser = signed_in(alice)
    answer = browser.post("/selected/tag", asks(make_image(), tags="x"))
    [token] = re.findall(r'name="undo" value="([^"]+)"', page_after(browser, answer))
    answers = [page_after(browser, browser.post("/selected/undo", {"undo": token})) for _ in range(2)]
    assert "Taken back for 1 image." in answers[0]
    assert "cannot be taken back any more" in answers[1]


def test_undo_asks_for_the_rights_of_now(signed_in, alice, team_a, make_image):
    image, browser = make_image(), signed_in(alice)
    answer = browser.post("/selected/tag", asks(image, tags="x"))
    Membership.objects.filter(user=alice).update(role=Role.VIEWER)
    undo(browser, answer)
    assert Image.objects.get().tags == ["x"]


def test_an_empty_or_overlong_tag_is_told(signed_in, alice, make_image):
    image, browser = make_image(), signed_in(alice)
    for tags in ("", " ; ", "x" * 61):
        assert "message error" in page_after(browser, browser.post("/selected/tag", asks(image, tags=tags)))


def test_an_image_full_of_tags_is_told(signed_in, alice, make_image):
    image, browser = make_image(tags="; ".join(f"t{n}" for n in range(50))), signed_in(alice)
    assert "1 would have too many tags" in page_after(browser, browser.post("/selected/tag", asks(image, tags="one more")))


def test_what_a_tag_says_is_shown_as_text(signed_in, alice, make_image):
    images = [make_image(ready=False) for _ in range(choosing.SURE_UP_TO + 1)]
    assert "<b>x" not in told(signed_in(alice).post("/selected/tag", asks(*images, tags="<b>x")))


# --- moving -----------------------------------------------------------------------------------------------------------


def test_rights_and_index_follow_a_move_at_once(signed_in, alice, bob, make_image, team_a, django_capture_on_commit_callbacks):
    hidden = Collection.objects.create(team=team_a, name="Hidden", made_by=alice, visibility=Visibility.PRIVATE)
    image = make_image(caption="Pink tissue", size=(1200, 1000))
    assert signed_in(bob).get(f"/images/{image.pk}").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        signed_in(alice).post("/selected/move", asks(image, into=hidden.pk))
    assert signed_in(bob).get(f"/images/{image.pk}").status_code == 404
    for index in (wiring.get_image_index(), wiring.get_text_index()):
        about_it = Filters(keywords=(Keyword(field="image", any_of=(str(image.pk),)),))
        assert index.count(scope=Scope.of([str(hidden.pk)]), filters=about_it) > 0
        assert index.count(scope=Scope.of([str(image.collection_id)]), filters=about_it) == 0
    assert not Embedding.objects.filter(indexed_at=None).exists()
    assert not Caption.objects.filter(indexed_at=None).exists()


@pytest.mark.parametrize("which", ["foreign", "only seen", "unknown", "none"])
def test_nothing_is_moved_where_one_may_not_edit(signed_in, dave, make_image, foreign_collection, which, team_b):
    seen = which == "only seen"
    target = Collection.objects.create(team=team_b, name="B", visibility=Visibility.TEAM if seen else Visibility.PRIVATE)
    into = {"unknown": uuid.uuid4(), "none": "nonsense"}.get(which, target.pk)
    image, browser = make_image(), signed_in(dave)
    page = page_after(browser, browser.post("/selected/move", asks(image, into=into)))
    assert "Choose a collection to move them to." in page
    assert Image.objects.get(pk=image.pk).collection_id == image.collection_id


def test_a_duplicate_in_the_target_is_told_and_not_overwritten(signed_in, alice, collection, other):
    twins = [stored(each, picture("pink"), caption=each.name) for each in (collection, other)]
    single = stored(collection, picture("brown"))
    run_tasks()
    browser = signed_in(alice)
    page = page_after(browser, browser.post("/selected/move", asks(twins[0], single, into=other.pk)))
    assert "Moved 1 image" in page
    assert "1 stayed, because the same file lies in Hearts already" in page
    assert f'<a href="/images/{twins[0].pk}">Kidneys</a>' in page
    assert sorted(Image.objects.values_list("collection__name", flat=True)) == ["Hearts", "Hearts", "Kidneys"]


def test_twins_that_are_moved_together_do_not_meet(alice, collection, other, team_a):
    third = Collection.objects.create(team=team_a, name="Third", visibility=Visibility.TEAM)
    ids = [stored(each, picture("pink")).pk for each in (collection, other)]
    done = bulk.move(alice, ids, third)
    assert (done.changed, len(done.duplicates)) == (1, 1)


def test_undo_moves_them_home_unless_they_were_moved_on(signed_in, alice, make_image, other, collection, team_a):
    first, second, browser = make_image(), make_image(), signed_in(alice)
    answer = browser.post("/selected/move", asks(first, second, into=other.pk))
    third = Collection.objects.create(team=team_a, name="Third", visibility=Visibility.TEAM)
    Image.objects.filter(pk=second.pk).update(collection=third)
    page = page_after(browser, undo(browser, answer))
    assert "Taken back for 1 image. 1 had been changed since and stay" in page
    assert [Image.objects.get(pk=image.pk).collection.name for image in (first, second)] == ["Kidneys", "Third"]


def test_undo_brings_nothing_into_a_collection_that_was_taken_away(
    signed_in, alice, make_image, other, collection, charlie, team_b
):
    browser, image = signed_in(alice), make_image()
    answer = browser.post("/selected/move", asks(image, into=other.pk))
    Collection.objects.filter(pk=collection.pk).update(team=team_b)
    undo(browser, answer)
    assert Image.objects.get().collection == other


def test_while_the_index_is_away_sql_moves_and_a_worker_is_left_the_rest(
    signed_in, alice, make_image, other, request, monkeypatch, django_capture_on_commit_callbacks
):
    image, hints = make_image(), []
    request.getfixturevalue("broken_index")
    monkeypatch.setattr(sending, "hint", lambda task, *_: hints.append(task.name.rpartition(".")[2]))
    with django_capture_on_commit_callbacks(execute=True):
        assert signed_in(alice).post("/selected/move", asks(image, into=other.pk, back="/collections")).status_code == 302
    assert Image.objects.get().collection == other
    assert Embedding.objects.filter(indexed_at=None).count() == 1
    assert hints == ["publish", "embed_texts"]


# --- asking before much is changed ------------------------------------------------------------------------------------


def test_more_than_twenty_are_changed_only_after_a_question(signed_in, alice, make_image, other):
    images = [make_image(ready=False) for _ in range(choosing.SURE_UP_TO + 1)]
    browser = signed_in(alice)
    for address, fields in (("tag", {"tags": "x"}), ("move", {"into": other.pk})):
        before = list(Image.objects.values_list("tags", "collection"))
        question = browser.post(f"/selected/{address}", asks(*images, **fields))
        assert "21 images" in told(question)
        assert list(Image.objects.values_list("tags", "collection")) == before
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', told(question)))
        assert browser.post(f"/selected/{address}", form)["Location"] == "/?q=pink"
    assert (other.images.count(), other.images.filter(tags=["x"]).count()) == (21, 21)


def test_twenty_are_changed_without_one(signed_in, alice, make_image):
    images = [make_image(ready=False) for _ in range(choosing.SURE_UP_TO)]
    assert signed_in(alice).post("/selected/tag", asks(*images, tags="x")).status_code == 302


# --- exports ----------------------------------------------------------------------------------------------------------


def test_the_table_tells_what_is_known_and_no_file_name_to_a_viewer(signed_in, alice, bob, make_image):
    image = make_image(name="DOE-JANE.png", caption='A, "b"', stain="H&E", organ="colon", mpp="0.25", tags="x; y", case="c1")
    [row] = rows(signed_in(bob).post("/selected/csv", asks(image)))
    expected = {"id": str(image.pk), "collection": "Kidneys", "stain": "H&E", "tags": "x; y", "mpp": "0.25", "caption": 'A, "b"'}
    assert expected.items() <= row.items()
    assert "score" not in row
    assert "DOE-JANE" not in str(row)
    assert rows(signed_in(alice).post("/selected/csv", asks(image)))[0]["file"] == "DOE-JANE.png"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_begins_as_a_formula_does(sign):
    assert spreadsheets.harmless(f"{sign}1+1") == f"'{sign}1+1"
    assert spreadsheets.harmless(f"  {sign}1+1").startswith("'")
    assert spreadsheets.harmless(f"1{sign}1") == f"1{sign}1"


def test_every_cell_is_quoted_and_formulas_are_disarmed(signed_in, bob, make_image):
    image = make_image(caption='=HYPERLINK("http://evil.example")', organ="＝1+1", tags="@x; y", finding="-2")
    answer = signed_in(bob).post("/selected/csv", asks(image))
    text = table(answer)
    assert all(line.startswith('"') and line.endswith('"') for line in text.splitlines())
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["organ"], row["finding"], row["tags"]) == ("'＝1+1", "'-2", "'@x; y")
    assert row["caption"].startswith("'=")


def test_the_zip_holds_pictures_table_and_note(signed_in, bob, make_image, settings):
    image = make_image(name="DOE-JANE.png")
    settings.CONCHIVE_ENCODER = "conch"
    terms.accept(bob)
    answer = signed_in(bob).post("/selected/zip", asks(image, originals="yes"))
    with unpacked(answer) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [bundle.NOTE, bundle.TABLE, f"images/{image.pk}.jpg"]
        assert archive.read(f"images/{image.pk}.jpg") == on_disk(files.display(image.pk)).read_bytes()
        assert archive.read(bundle.TABLE).startswith(BOM_UTF8)
        note = archive.read(bundle.NOTE).decode()
    for fact in ("CC-BY-NC-ND 4.0", "10.1038/s41591-024-02856-4", "NOT FOR DIAGNOSIS", "1 image of: Kidneys"):
        assert fact in note
    assert answer["Content-Disposition"].startswith('attachment; filename="conchive-')


@pytest.mark.parametrize(("encoder", "says"), [("mini", "mini encoder"), ("clip", "CLIP model"), ("fake", "test encoder")])
def test_the_note_names_the_encoder_that_is_on(signed_in, bob, make_image, settings, encoder, says):
    image = make_image()
    settings.CONCHIVE_ENCODER = encoder
    with unpacked(signed_in(bob).post("/selected/zip", asks(image))) as archive:
        note = archive.read(bundle.NOTE).decode()
    assert says in note
    assert "CONCH (" not in note


def test_originals_go_along_for_editors_who_choose_them(signed_in, dave, make_image, foreign_collection):
    mine, theirs = make_image(name="../DOE/JANE.png"), make_image(into=foreign_collection, name="X.png")
    browser = signed_in(dave)
    with unpacked(browser.post("/selected/zip", asks(mine, theirs))) as archive:
        assert not [name for name in archive.namelist() if name.startswith("originals")]
    with unpacked(browser.post("/selected/zip", asks(mine, theirs, originals="yes"))) as archive:
        [name] = [name for name in archive.namelist() if name.startswith("originals")]
        assert name == f"originals/{mine.pk}-JANE.png"
        assert archive.read(name) == on_disk(files.original(mine.pk)).read_bytes()
        assert "X.png" not in archive.read(bundle.TABLE).decode()


def test_a_file_name_stays_in_its_folder():
    assert bundle.safe("../../etc/passwd") == "_.._etc_passwd"
    assert bundle.safe("..\\x:y\x00.png") == "_x_y_.png"
    assert bundle.safe("...") == "unnamed"
    assert len(bundle.safe("腎" * 255).encode()) <= bundle.LONGEST_NAME


def test_a_picture_that_goes_while_the_zip_is_sent_is_told_in_it(signed_in, bob, make_image):
    first, second = make_image(), make_image()
    pieces = iter(signed_in(bob).post("/selected/zip", asks(first, second)).streaming_content)
    begun = [next(pieces) for _ in range(3)]
    on_disk(files.display(second.pk)).unlink()
    with zipfile.ZipFile(io.BytesIO(b"".join([*begun, *pieces]))) as archive:
        assert archive.testzip() is None
        assert str(second.pk) in archive.read(bundle.MISSING).decode()


def test_the_zip_is_sent_while_it_is_made_and_asks_each_right_anew(signed_in, bob, make_image, collection):
    first, second = make_image(), make_image()
    answer = signed_in(bob).post("/selected/zip", asks(first, second))
    assert answer.streaming
    pieces = iter(answer.streaming_content)
    begun = [next(pieces) for _ in range(3)]
    Membership.objects.filter(user=bob).delete()
    with zipfile.ZipFile(io.BytesIO(b"".join([*begun, *pieces]))) as archive:
        assert f"images/{first.pk}.jpg" in archive.namelist()
        assert f"images/{second.pk}.jpg" not in archive.namelist()
        assert str(second.pk) in archive.read(bundle.MISSING).decode()


def test_a_large_picture_goes_through_in_pieces(signed_in, bob, make_image):
    image = make_image()
    on_disk(files.display(image.pk)).write_bytes(bytes(3 * bundle.PIECE_BYTES))
    answer = signed_in(bob).post("/selected/zip", asks(image))
    assert max(map(len, answer.streaming_content)) < 2 * bundle.PIECE_BYTES


def test_an_image_without_a_picture_is_told_in_the_zip(signed_in, bob, make_image):
    image = make_image(ready=False)
    with unpacked(signed_in(bob).post("/selected/zip", asks(image))) as archive:
        assert str(image.pk) in archive.read(bundle.MISSING).decode()


# --- the log ----------------------------------------------------------------------------------------------------------


def test_a_token_of_strange_letters_takes_nothing_back(signed_in, alice, make_image):
    image = make_image()
    browser = signed_in(alice)
    browser.post("/selected/tag", asks(image, tags="seen"))
    assert "cannot be taken back" in page_after(browser, browser.post("/selected/undo", {"undo": "é"}))
    assert Image.objects.get(pk=image.pk).tags == ["seen"]


def test_each_action_is_written_down_with_ids_and_no_names(signed_in, alice, make_image, other):
    image, browser = make_image(name="DOE-JANE.png"), signed_in(alice)
    undo(browser, browser.post("/selected/tag", asks(image, tags="SECRET")))
    browser.post("/selected/move", asks(image, into=other.pk))
    browser.post("/selected/csv", asks(image))
    browser.post("/selected/zip", asks(image, originals="yes"))
    written = {event.action: event for event in AuditEvent.objects.filter(actor=alice).exclude(action__in=["sign-in", "search"])}
    assert set(written) == {"tags-added", "change-taken-back", "images-moved", "export-csv", "export-zip"}
    assert all(event.details["images"] == [str(image.pk)] for event in written.values())
    assert written["export-zip"].details["originals"] == [str(image.pk)]
    assert not [event for event in written.values() if "DOE" in str(event.details) or "SECRET" in str(event.details)]


def test_tags_of_the_tray_stand_in_each_images_history(signed_in, alice, make_image):
    image = make_image(tags="kept")
    signed_in(alice).post("/selected/tag", asks(image, tags="tumour; mitosis"))
    image.refresh_from_db()
    (change,) = image.changes.all()
    assert (change.by, change.revision, image.revision) == (alice, 1, 1)
    assert [(entry["before"], entry["after"]) for entry in change.entries] == [(["kept"], ["kept", "tumour", "mitosis"])]


def test_a_link_shows_each_visitor_what_is_theirs_to_see(signed_in, alice, charlie, make_image):
    image = make_image(caption="Under the skin")
    reviewed = told(signed_in(alice).post("/selected", asks(image)))
    link = f"/selected?images={image.pk}"
    assert link in reviewed
    assert "Under the skin" in told(signed_in(alice).get(link))
    foreign = told(signed_in(charlie).get(link))
    unknown = told(signed_in(charlie).get(f"/selected?images={uuid.uuid4()}"))
    assert "Under the skin" not in foreign
    assert "None of the images that this link names is here for you" in foreign
    assert re.sub(r"[A-Za-z0-9]{64}", "", foreign) == re.sub(r"[A-Za-z0-9]{64}", "", unknown)


def test_a_link_holds_no_more_than_mail_programs_take(signed_in, alice, make_image, monkeypatch):
    monkeypatch.setattr(tray_views, "IN_A_LINK", 1)
    assert "A link holds at most 1 image." in told(signed_in(alice).post("/selected", asks(make_image(), make_image("pink"))))
