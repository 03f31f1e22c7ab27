"""Every file of the shared data ends the same whichever way it came: by the site's form, its page, the admin, or in a zip."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.webapp.conftest import run_tasks
from tests.webapp.expected import FOLDERS, NO_IMAGES, data, names, outcomes
from tests.webapp.test_upload_admin import as_staff
from tests.webapp.ways import Way, by_admin, by_form, by_page, by_zip
from webapp.library.kinds import last_part
from webapp.library.models import Caption, Image, Kind, State, Upload
from webapp.library.receipts import item_receipt, lines, receipt

pytestmark = [pytest.mark.shared, pytest.mark.filterwarnings("ignore::UserWarning:PIL"), pytest.mark.timeout(300)]
TABLE, ARCHIVE = "inputs/00_control/captions.csv", "inputs/00_control/control.zip"

ALONE: dict[str, Way] = {"form": by_form, "page": by_page, "admin": by_admin}
WAYS = ALONE | {"zip": by_zip}


@pytest.fixture
def browser(signed_in, alice) -> Client:
    """Of an editor who is staff as well."""
    client: Client = signed_in(as_staff(alice, "add_upload"))
    return client


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("way", WAYS)
def test_every_file_ends_as_its_manifest_says(browser, collection, way, folder):
    wanted = [name for name in names(folder) if name not in NO_IMAGES]
    if not wanted:
        pytest.skip("the shared images are not beside this repository")
    table = data(TABLE).read_bytes() if folder == "inputs" else None
    upload = WAYS[way](browser, collection, {name: data(name).read_bytes() for name in wanted}, table)
    run_tasks()
    sent = [item_receipt(row) for row in lines(upload).exclude(kind__in=[Kind.PAGE, Kind.TABLE]).select_related("image")]
    found = {line.name: (line.state, line.reason) for line in sent}
    called = {name: last_part(name) if way == "form" else name for name in wanted}
    expected = outcomes(wanted)
    assert found == {called[name]: (each.state, each.reason) for name, each in expected.items()}
    images = Image.objects.filter(state__in=[State.READY, State.HELD])
    assert images.count() == sum(each.images for each in expected.values())
    assert receipt(upload).done
    if table is not None:
        assert (Caption.objects.count(), Upload.objects.get().table_errors) == (20, [])


@pytest.mark.parametrize("way", ALONE)
def test_the_archive_among_them_is_20_images_with_captions(browser, collection, way):
    if not names("inputs"):
        pytest.skip("the shared images are not beside this repository")
    upload = ALONE[way](browser, collection, {ARCHIVE: data(ARCHIVE).read_bytes()}, None)
    run_tasks()
    counts = {state: n for state, n in receipt(upload).counts.items() if n}
    assert counts == {"ready": 20, "attached": 1}
    assert Caption.objects.filter(image__state=State.READY).count() == 20
