"""The web process of production mode, measured from inside: serves some requests, then says how large it is."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import django


def main() -> None:
    django.setup()
    from django.test import Client

    from webapp.accounts.models import ApiToken
    from webapp.accounts.operator import operator
    from webapp.wsgi import application  # as a server loads it

    asked = {"": 0}
    client = Client(headers={"authorization": f"Bearer {ApiToken.issue(operator(), 'benchmark')[1]}"})
    for path in 5 * (
        "/api/v1/collections",
        "/api/v1/images?size=100",
        "/api/v1/vocabularies",
        "/api/v1/status",
        "/api/v1/search?text=glands",
    ):
        status = str(client.get(path).status_code)
        asked[status] = asked.get(status, 0) + 1
    del asked[""]
    told = {
        "answers": asked,
        "resident_mb": _resident_mb(),
        "most_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "torch_loaded": "torch" in sys.modules,
        "application": type(application).__name__,
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return round(int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024, 1)
