"""One round of comparing watched searches: `python -m benchmarks.watching [--images 10000] [--watches 100]`.

An archive of its own in a temporary folder, the bundled encoder. Timed: the first round, in which every image is new to every
watch and each question is encoded; the same again, with the questions at hand; and a round without anything new.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable

TISSUES = ("nuclei", "glands", "fat", "muscle", "cartilage", "bone", "nerve", "vessel", "mucus", "keratin")
LOOKS = ("brown stained", "dense", "pale", "inflamed", "necrotic", "fibrous", "atypical", "mitotic", "vacuolated", "pigmented")


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--images", type=int, default=10_000)
    told.add_argument("--watches", type=int, default=100)
    asked = told.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CONCHIVE_DATA": folder, "CONCHIVE_ENCODER": "mini", "DJANGO_SETTINGS_MODULE": "webapp.settings"}
        from benchmarks.serve_archive import make

        make(asked.images)
        _run(asked.watches)


def _run(watches: int) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from webapp.accounts.models import Membership, Role, Team, User
    from webapp.explore import saving, watching
    from webapp.explore.models import Watch, WatchMatch

    user, team = User.objects.create_user("watcher"), Team.objects.get(name="Benchmark")
    Membership.objects.create(user=user, team=team, role=Role.VIEWER)
    for number in range(watches):
        address = f"q={LOOKS[number % 10]}+{TISSUES[number // 10 % 10]}".replace(" ", "+")
        watching.watch(user, saving.save(user=user, name=f"Search {number}", address=address))

    def all_new() -> None:
        WatchMatch.objects.all().delete()
        Watch.objects.update(compared_to=timezone.now() - timedelta(days=1))

    all_new()
    for words in ("all new, questions not encoded yet", "all new, questions at hand"):
        _timed(words, lambda: watching.compare_all(for_s=3600))
        if not words.endswith("hand"):
            all_new()
    _timed("nothing new", watching.compare_all)
    _timed("the number at the top, uncached", lambda: watching.unseen(user))
    _timed("the page's digests", lambda: len(watching.digests(user)))


def _timed(words: str, work: Callable[[], int]) -> None:
    begun = time.perf_counter()
    found = work()
    print(f"{words:40} {time.perf_counter() - begun:8.3f} s   {found}")


if __name__ == "__main__":
    main()
