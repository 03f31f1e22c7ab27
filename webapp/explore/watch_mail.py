"""News of watched searches by mail: names of searches and counts, and where to look; nothing of an image.

A letter is noted before it is sent and the note taken back where the server did not take it: one that is lost in a crash is
better than one that comes every hour. What it would have told stands on the page all the same.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse
from django.utils import timezone

from webapp.explore.models import Watch
from webapp.explore.watching import Letter, letters

log = logging.getLogger(__name__)

EVERY_H = 24.0


def send_letters() -> int:
    """How many were sent."""
    return sum(_send(letter) for letter in letters(hours=EVERY_H))


def _send(letter: Letter) -> bool:
    before = {watch.pk: watch.mailed_at for watch in letter.watches}
    noted = Watch.objects.filter(user=letter.user, by_mail=True)  # all: one letter a day, whatever is found meanwhile
    before |= dict(noted.values_list("pk", "mailed_at"))
    noted.update(mailed_at=timezone.now())
    try:
        send_mail(_subject(letter), _text(letter), None, [letter.user.email])
    except OSError as exc:  # of which smtplib's errors are
        log.warning("news for user %s could not be mailed (%s): tried again within the hour", letter.user.pk, type(exc).__name__)
        for pk, mailed_at in before.items():
            Watch.objects.filter(pk=pk).update(mailed_at=mailed_at)
        return False
    return True


def _subject(letter: Letter) -> str:
    n = len(letter.lines)
    return f"Conchive: new images match {n} watched search{'es' if n > 1 else ''}"


def _text(letter: Letter) -> str:
    lines = "\n".join(f"  {' '.join(name.split())}: {n} new image{'s' if n > 1 else ''}" for name, n in letter.lines)
    where = settings.CONCHIVE_URL + reverse("watched")
    return f"New images match searches that you watch:\n\n{lines}\n\nLook at them, or end these letters: {where}\n"
