"""Uploads in the admin: the site's form for staff who may change the collection, and the list of what was uploaded."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from tests.webapp.conftest import add, picture, run_tasks, told
from tests.webapp.test_pages_upload import announce
from webapp.library.models import Collection, ItemState
from webapp.library.receipts import receipt

pytestmark = pytest.mark.django_db

ADD, LIST = "/admin/library/upload/add/", "/admin/library/upload/"


def as_staff(person, *names: str):
    person.is_staff = True
    person.save()
    person.user_permissions.add(*Permission.objects.filter(codename__in=names, content_type__app_label="library"))
    return person


def test_staff_choose_among_the_collections_that_they_may_change(signed_in, alice, collection, foreign_collection):
    page = told(signed_in(as_staff(alice, "add_upload")).get(ADD))
    assert str(collection.pk) in page
    assert str(foreign_collection.pk) not in page


def test_the_form_is_that_of_the_site(signed_in, alice, collection):
    page = told(signed_in(as_staff(alice, "add_upload")).get(ADD, {"collection": str(collection.pk)}))
    assert f'data-announce="/collections/{collection.pk}/announce"' in page
    assert '<input type="hidden" name="source" value="admin">' in page


def test_a_collection_of_others_is_not_there(signed_in, alice, bob, collection, foreign_collection):
    for person, pk in ((alice, foreign_collection.pk), (bob, collection.pk), (alice, "nonsense")):
        assert signed_in(as_staff(person, "add_upload")).get(ADD, {"collection": str(pk)}).status_code == 404


@pytest.mark.parametrize("address", [ADD, LIST, "/admin/"])
def test_the_admin_names_the_sites_icon_so_that_no_browser_looks_for_another(signed_in, alice, collection, address):
    assert '<link rel="icon" href="/static/brand.svg"' in told(
        signed_in(as_staff(alice, "add_upload", "view_upload")).get(address)
    )


def test_staff_without_the_permission_are_told_which_one_they_lack(signed_in, alice, collection):
    refused = signed_in(as_staff(alice, "view_upload")).get(ADD)
    assert refused.status_code == 403
    assert "lacks the permission “Can add upload”" in told(refused)
    assert "Your role" not in told(refused)


def test_staff_without_any_other_permission_are_not_told_that_their_role_is_to_blame(signed_in, alice, collection):
    refused = signed_in(as_staff(alice)).get("/admin/library/collection/")
    assert refused.status_code == 403
    assert "Your staff account lacks the permission for this part of the administration." in told(refused)


def test_who_may_change_no_collection_is_told_so(signed_in, bob, collection):
    assert "There is no collection that you may change" in told(signed_in(as_staff(bob, "add_upload")).get(ADD))


def test_a_superuser_chooses_among_all(signed_in, alice, collection, foreign_collection):
    alice.is_superuser = True
    page = told(signed_in(as_staff(alice)).get(ADD))
    assert str(foreign_collection.pk) in page


def test_the_list_counts_files_by_what_became_of_them(signed_in, alice, collection):
    upload = add(collection, {"a.png": picture("pink"), "b.png": picture("brown"), "c.png": picture("pink")}, user=alice)
    upload.items.create(name="d.png", state=ItemState.PENDING)
    upload.items.create(name="e.png", state=ItemState.FAILED)
    upload.items.create(name="f.txt", state=ItemState.ATTACHED)
    upload.items.create(name="g.zip", state=ItemState.UNPACKED)
    run_tasks()
    page = signed_in(as_staff(alice, "view_upload")).get(LIST)
    [row] = page.context_data["cl"].result_list
    assert (row.n_files, row.n_ready, row.n_open, row.n_held, row.n_failed) == (6, 2, 1, 0, 1)
    assert row.n_files == receipt(upload).total
    assert f'href="/uploads/{upload.pk}"' in told(page)


def test_uploads_of_others_are_not_listed(signed_in, alice, charlie, collection, foreign_collection):
    upload = add(foreign_collection, {"a.png": picture()}, user=charlie)
    browser = signed_in(as_staff(alice, "view_upload"))
    assert "0 uploads" in told(browser.get(LIST))
    Collection.objects.create(name="Spleens", team=collection.team)  # a filter needs two to choose from
    assert "Spleens" in told(browser.get(LIST))
    assert foreign_collection.name not in told(browser.get(LIST))
    assert browser.get(f"{LIST}{upload.pk}/change/").status_code == 302


def test_what_staff_upload_says_that_it_came_by_the_admin(signed_in, alice, collection):
    as_staff(alice)
    announce(signed_in(alice), collection, ("a.png", picture()), source="admin")
    assert collection.uploads.get().source == "admin"


def test_others_cannot_say_so(signed_in, alice, collection):
    announce(signed_in(alice), collection, ("a.png", picture()), source="admin")
    assert collection.uploads.get().source == "form"


def test_staff_see_what_they_may_change_alone(signed_in, alice, collection, foreign_collection, make_image):
    own, foreign = make_image(ready=False), make_image(into=foreign_collection, ready=False)
    browser = signed_in(as_staff(alice, "view_image", "view_collection"))
    images, collections = told(browser.get("/admin/library/image/")), told(browser.get("/admin/library/collection/"))
    assert str(own.pk) in images
    assert str(foreign.pk) not in images
    assert str(collection.pk) in collections
    assert str(foreign_collection.pk) not in collections
    assert browser.get(f"/admin/library/image/{foreign.pk}/change/").status_code == 302
