"""Watching a search on the pages, its task by beat, and its letters."""

from __future__ import annotations

import smtplib
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from tests.webapp.conftest import told
from webapp.accounts.models import AuditEvent, Membership
from webapp.explore import archive, saving, sharing, tasks, watch_mail, watching
from webapp.explore.models import LinkMode, SavedQuery, Watch, WatchMatch
from webapp.outages import Outage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch):
    monkeypatch.setattr(watching, "SETTLED_S", -1.0)


@pytest.fixture
def query(make_image, alice, team_a) -> SavedQuery:
    """The team's search for what is brown, in an archive where that stands out."""
    for seed in range(3):
        make_image("pink", caption=f"pink {seed}")
    return saving.save(user=alice, name="Brown nuclei", address="q=brown", team=team_a)


@pytest.fixture
def news(query, bob, make_image):
    """bob watches it, and one new image matches."""
    watching.watch(bob, query)
    image = make_image("brown")
    tasks.match_watches()
    return image


def test_pages_of_watching_need_signing_in(client, query):
    assert client.get("/watched")["Location"].startswith("/sign-in")
    for path in ("/watched/seen", *(f"/saved/{query.pk}/{act}" for act in ("watch", "unwatch", "mail"))):
        assert client.post(path)["Location"].startswith("/sign-in")
        assert client.get(path).status_code in (302, 405)


def test_without_watched_searches_the_page_says_how_to_begin(signed_in, bob):
    assert "You watch no search yet" in told(signed_in(bob).get("/watched"))


def test_a_search_is_watched_from_the_list_and_no_longer(signed_in, bob, query):
    browser = signed_in(bob)
    assert f"/saved/{query.pk}/watch" in told(browser.get("/saved"))
    assert browser.post(f"/saved/{query.pk}/watch", {"back": "/saved"})["Location"] == "/saved"
    browser.post(f"/saved/{query.pk}/watch")
    assert Watch.objects.get().user == bob
    assert f"/saved/{query.pk}/unwatch" in told(browser.get("/saved"))
    browser.post(f"/saved/{query.pk}/unwatch")
    assert not Watch.objects.exists()
    acts = AuditEvent.objects.filter(actor=bob, action__startswith="watch", target_id=str(query.pk))
    assert list(acts.order_by("pk").values_list("action", flat=True)) == ["watch-begun", "watch-ended"]


@pytest.mark.parametrize(("seconds", "told_as"), [(10, "every 10 seconds"), (60, "once a minute"), (300, "every 5 minutes")])
def test_the_page_says_how_often_new_images_are_compared(signed_in, bob, settings, seconds, told_as):
    settings.WATCH_EVERY_S = seconds
    assert f"New images are compared about {told_as}" in told(signed_in(bob).get("/watched"))


def test_a_shared_search_says_whether_one_watches_it_and_leads_back_to_it(signed_in, alice, bob, query):
    link, _ = sharing.share(alice, query, sharing.Wish(mode=LinkMode.FROZEN))
    browser, page = signed_in(bob), f"/shared/{link.pk}"
    assert "Be told when new images match" in told(browser.get(page))
    assert browser.post(f"/saved/{query.pk}/watch", {"back": page})["Location"] == page
    assert "Choose this to end it" in told(browser.get(page))


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
def test_nobody_is_led_elsewhere(signed_in, bob, query, back):
    assert signed_in(bob).post(f"/saved/{query.pk}/watch", {"back": back})["Location"] == "/watched"


def test_results_of_a_saved_search_offer_to_watch_it(signed_in, bob, query):
    browser = signed_in(bob)
    assert f"/saved/{query.pk}/watch" in told(browser.get("/", {"q": "brown"}))
    assert "/watch" not in told(browser.get("/", {"q": "pink"})).replace("/watched", "")


def test_a_search_is_saved_and_watched_at_once(signed_in, alice, make_image):
    signed_in(alice).post("/saved/new", {"name": "x", "address": "q=brown", "watch": "on"})
    assert Watch.objects.get().user == alice


def test_a_foreign_search_and_an_unknown_one_cannot_be_watched(signed_in, charlie, query):
    for pk in (query.pk, uuid.uuid4()):
        for act in ("watch", "unwatch", "mail"):
            assert signed_in(charlie).post(f"/saved/{pk}/{act}").status_code == 404
    assert not Watch.objects.exists()


def test_the_page_tells_how_many_match_and_shows_them(signed_in, bob, news):
    page = told(signed_in(bob).get("/watched"))
    assert '<span class="number">1</span> new image matches' in page
    assert f"/images/{news.pk}/thumbnail" in page
    assert "Brown nuclei" in page


def test_every_page_counts_the_news_until_they_are_seen(signed_in, bob, alice, news, query):
    browser = signed_in(bob)
    assert "Watched searches: 1 new image" in told(browser.get("/saved"))
    assert signed_in(alice).post("/watched/seen", {"query": query.pk}).status_code == 404
    browser = signed_in(bob)
    assert browser.post("/watched/seen", {"query": query.pk})["Location"] == "/watched"
    assert "Watched searches: " not in told(browser.get("/saved"))
    assert "nothing new" in told(browser.get("/watched"))


def test_all_are_marked_seen_at_once(signed_in, bob, news):
    signed_in(bob).post("/watched/seen")
    assert watching.unseen(bob) == 0
    assert signed_in(bob).post("/watched/seen", {"query": "nonsense"}).status_code == 404


def test_the_count_costs_no_statement_for_half_a_minute(bob, news, django_assert_num_queries):
    assert watching.news(bob) == 1
    with django_assert_num_queries(0):
        assert watching.news(bob) == 1


def test_whoever_leaves_the_team_sees_nothing_of_it(signed_in, bob, news, query):
    Membership.objects.filter(user=bob).delete()
    browser = signed_in(bob)
    page = told(browser.get("/watched"))
    assert "Brown nuclei" not in page
    assert str(news.pk) not in page
    answer = browser.post(f"/saved/{query.pk}/unwatch", follow=True)
    assert "Brown nuclei" not in told(answer)
    assert not Watch.objects.exists()


def test_what_is_new_for_one_is_no_news_for_another(signed_in, alice, query, news):
    assert "You watch no search yet" in told(signed_in(alice).get("/watched"))


# --- by beat ----------------------------------------------------------------------------------------------------------


def test_while_the_index_is_away_all_waits_for_the_next_round(query, bob, make_image, monkeypatch):
    watching.watch(bob, query)
    image = make_image("brown")
    real = archive.images

    def away():
        raise Outage("The index is out of order.")

    monkeypatch.setattr(archive, "images", away)
    tasks.match_watches()
    assert not WatchMatch.objects.exists()
    monkeypatch.setattr(archive, "images", real)
    tasks.match_watches()
    assert WatchMatch.objects.get().image_id == image.pk


def test_the_clock_compares_each_minute_in_the_queue_of_questions(settings):
    beat = settings.CELERY_BEAT_SCHEDULE["match watches"]
    assert (beat["schedule"], beat["options"]["queue"]) == (60, "query")
    assert "mail watches" not in settings.CELERY_BEAT_SCHEDULE


# --- letters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_mail(bob, query):
    bob.email = "bob@example.org"
    bob.save()
    watching.watch(bob, query, by_mail=True)


def test_mail_is_turned_on_and_off(signed_in, bob, query, by_mail, settings):
    browser = signed_in(bob)
    assert "/mail" not in told(browser.get("/watched"))
    settings.MAILS = True
    assert "Mail: on" in told(browser.get("/watched"))
    browser.post(f"/saved/{query.pk}/mail")
    assert not Watch.objects.get().by_mail
    browser.post(f"/saved/{query.pk}/mail", {"by_mail": "on"})
    assert Watch.objects.get().by_mail


def test_a_letter_names_searches_and_counts_and_nothing_of_an_image(by_mail, news, bob):
    watching.watch(bob, SavedQuery.objects.get(), by_mail=True)
    tasks.mail_watches()
    [letter] = mail.outbox
    assert letter.to == ["bob@example.org"]
    assert "Brown nuclei: 1 new image\n" in letter.body
    assert "http://127.0.0.1:8000/watched" in letter.body
    for hidden in (str(news.pk), news.name, "Kidneys"):
        assert hidden not in f"{letter.subject}{letter.body}"


def test_there_is_one_letter_a_day_whatever_is_found(by_mail, news, bob, alice, make_image):
    other = watching.watch(bob, saving.save(user=bob, name="Brown, mine", address="q=brown+nuclei"), by_mail=True)
    watching.watch(bob, SavedQuery.objects.get(name="Brown nuclei"), by_mail=True)
    assert watch_mail.send_letters() == 1
    make_image("brown", caption="later")
    tasks.match_watches()
    assert WatchMatch.objects.filter(watch=other).exists()
    assert watch_mail.send_letters() == 0
    Watch.objects.update(mailed_at=timezone.now() - timedelta(hours=25))
    WatchMatch.objects.update(found_at=timezone.now())
    assert watch_mail.send_letters() == 1
    assert "Brown, mine" in mail.outbox[1].body


def test_a_letter_that_the_server_does_not_take_is_sent_later(by_mail, news, bob, monkeypatch):
    watching.watch(bob, SavedQuery.objects.get(), by_mail=True)

    def away(*_: object, **__: object):
        raise smtplib.SMTPServerDisconnected

    with monkeypatch.context() as broken:
        broken.setattr(watch_mail, "send_mail", away)
        assert watch_mail.send_letters() == 0
    assert watch_mail.send_letters() == 1


def test_a_name_of_several_lines_makes_no_header(by_mail, news, bob):
    watching.watch(bob, SavedQuery.objects.get(), by_mail=True)
    SavedQuery.objects.update(name="x\nBcc: eve@example.org")
    tasks.mail_watches()
    assert "x Bcc: eve@example.org: 1" in mail.outbox[0].body
    assert mail.outbox[0].recipients() == ["bob@example.org"]
