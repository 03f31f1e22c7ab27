"""How long a page waits for PostgreSQL; what it says then: outages.py.

Only the web server of production is in a hurry (wsgi.py). Migrations, commands and workers, also the one that `manage.py up` has
in its process, may take as long as they need.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connections


def limit_statements() -> None:
    """From the next connection on, every statement of this process ends after STATEMENT_TIMEOUT_S; with 0, none does."""
    database = connections.settings["default"]
    if settings.STATEMENT_TIMEOUT_S and database["ENGINE"].endswith("postgresql"):
        milliseconds = round(1000 * settings.STATEMENT_TIMEOUT_S)
        told = database["OPTIONS"].get("options", "")
        database["OPTIONS"]["options"] = f"{told} -c statement_timeout={milliseconds}".strip()
