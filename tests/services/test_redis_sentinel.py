"""A patient's name in a file's name and header does not reach Redis: neither the queue's messages nor the cache."""

from __future__ import annotations

from typing import Any

import redis

from tests.services.services import address, run
from tests.services.test_redis import PRODUCTION
from tests.webapp.test_sentinel import says

SEND = """
import io
from tests.embedder.named import NAMED, SENTINEL
from webapp.accounts.models import Membership, Role, Team, User
from webapp.library.ingest import NewFile, accept, start_upload
from webapp.library.metadata import Metadata
from webapp.library.models import Collection
team = Team.objects.create(name="A")
user = User.objects.create_user("alice")
Membership.objects.create(user=user, team=team, role=Role.EDITOR)
collection = Collection.objects.create(team=team, name="Kidneys", made_by=user)
files = [NewFile(f"{SENTINEL}/{SENTINEL}-{number}.png") for number in range(3)]
upload = start_upload(user=user, collection=collection, source="api", files=files, defaults=Metadata(caption=SENTINEL))
for number, item in enumerate(upload.items.order_by("pk")):
    accept(item, io.BytesIO(NAMED["PNG tEXt"][1]() + bytes(number)))
print("sent")
"""


def test_no_message_and_nothing_cached_says_the_name(tmp_path):
    where = address("TEST_REDIS_URL", "Redis")
    database = redis.Redis.from_url(where)
    before = len(_everything(database))
    assert run(tmp_path, "manage.py", "migrate", REDIS_URL=where, **PRODUCTION).returncode == 0
    told = run(tmp_path, "manage.py", "shell", "--no-imports", "-c", SEND, REDIS_URL=where, **PRODUCTION)
    assert "sent" in told.stdout, told.stderr[-4000:]
    kept = _everything(database)
    database.delete("ingest")  # nobody is to work on what this test has sent
    assert len(kept) > before
    assert not says(kept)
    assert not says((told.stdout + told.stderr).encode())


def _everything(database: Any) -> bytes:
    """Keys and values as they are: DUMP would pack them."""
    reading = {
        b"string": database.get,
        b"list": lambda key: database.lrange(key, 0, -1),
        b"hash": database.hgetall,
        b"set": database.smembers,
        b"zset": lambda key: database.zrange(key, 0, -1, withscores=True),
    }
    return b"\n".join(key + repr(reading[database.type(key)](key)).encode() for key in database.scan_iter())
