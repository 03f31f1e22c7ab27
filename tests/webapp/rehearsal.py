"""A site is made, backed up, lost and restored, each step a process of its own: with whatever database the environment names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.services.services import run

MAKE = """
from tests.webapp.conftest import picture, stored, run_tasks
from webapp.accounts.models import Membership, Role, Team, User
from webapp.library.models import Collection
team = Team.objects.create(name="A")
user = User.objects.create_user("alice", password="a long enough password")
Membership.objects.create(user=user, team=team, role=Role.EDITOR)
collection = Collection.objects.create(team=team, name="Kidneys", made_by=user)
colours = ("brown", "pink", "blue", "red", "green", "purple", "orange", "grey")
for number in range({images}):
    colour = colours[number % len(colours)]
    stored(collection, picture(colour, seed=number), name=f"{colour}-{number}.png", caption=f"{colour} field {number}")
run_tasks()
"""

ASK = """
import itertools, json
from webapp.accounts.models import User
from webapp.explore import queries, warmup
from webapp.explore.asking import SearchQuery
warmup.ready_encoder(timeout_s=60)
alice = User.objects.get(username="alice")
words = itertools.product(("brown", "pink", "blue", "red", "green"), ("nuclei", "field", "gland", "vessel", "fat"), ("", "dark"))
texts = [" ".join(each).strip() for each in words]
assert len(texts) == 50
found = {text: [str(hit.image.pk) for hit in queries.search(SearchQuery(text=text, size=10), user=alice).hits] for text in texts}
print(json.dumps(found))
"""


class Rehearsal:
    """``folder`` holds the data folder and the backups."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data, self.backups = folder / "data", folder / "backups"
        self._environment = environment

    def manage(self, *arguments: str, status: int = 0) -> str:
        """What it printed; its error where ``status`` is not 0."""
        done = run(self.data, "manage.py", *arguments, **self._environment)
        assert done.returncode == status, done.stderr[-4000:] + done.stdout[-2000:]
        return done.stderr if status else done.stdout

    def shell(self, program: str) -> str:
        return self.manage("shell", "--no-imports", "-c", program)

    def make(self, images: int = 24) -> None:
        self.manage("migrate", "--verbosity", "0")
        self.shell(MAKE.replace("{images}", str(images)))

    def ask(self) -> dict[str, list[str]]:
        """Fifty questions and the ten best images of each."""
        answers: dict[str, list[str]] = json.loads(self.shell(ASK).splitlines()[-1])
        return answers

    def back_up(self, *options: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.manage("backup", str(self.backups), "--json", *options))
        return told

    def restore(self, *options: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.manage("restore", str(self.backups), "--json", *options))
        return told

    def lose_files(self) -> None:
        shutil.rmtree(self.data)
