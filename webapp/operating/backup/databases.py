"""The database as one file, taken while the site runs, and put back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from django.db import DatabaseError, connection, connections

SSL = ("sslmode", "sslrootcert", "sslcert", "sslkey")


class DatabaseFailed(Exception):
    """The database could not be read or written: one sentence."""


def dump(path: Path) -> None:
    """One moment's state, whatever is written meanwhile. Raises DatabaseFailed."""
    if connection.vendor == "sqlite":
        _dump_sqlite(path)
    else:
        _program("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}")


def load(path: Path, *, aside: str) -> list[str]:
    """Puts the dump into the place of what is there; that is set aside under the name ``aside``. Where it lies now.

    Raises DatabaseFailed; then what was there may be set aside and nothing be in its place.
    """
    empty = _empty()
    connections.close_all()
    if connection.vendor == "sqlite":
        return _load_sqlite(path, "" if empty else aside)
    kept = [] if empty else _set_schema_aside(aside)
    _program("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", _dbname(), str(path))
    return kept


def _empty() -> bool:
    """False also for one that is damaged: whatever it holds is kept."""
    try:
        return not connection.introspection.table_names()
    except DatabaseError:
        return False


# --- SQLite -----------------------------------------------------------------------------------------------------------


def _dump_sqlite(path: Path) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(path)])  # a reader like any other: writers go on
    except DatabaseError as exc:
        raise DatabaseFailed(f"The database cannot be copied: {exc}.") from exc


def _load_sqlite(path: Path, aside: str) -> list[str]:
    place = Path(connection.settings_dict["NAME"])
    kept = []
    for ending in ("", "-wal", "-shm"):  # a log without its database would be taken for the new one's
        present = place.with_name(place.name + ending)
        if present.exists() and aside:
            present.rename(place.with_name(f"{place.name}.{aside}{ending}"))
            kept.append(f"{place}.{aside}{ending}")
        present.unlink(missing_ok=True)
    draft = place.with_name(f".{place.name}.restored")
    shutil.copyfile(path, draft)
    draft.chmod(0o640)
    draft.replace(place)
    return kept[:1]


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def _set_schema_aside(aside: str) -> list[str]:
    """The tables keep lying in the same database, under a schema of their own."""
    schema = aside.replace("-", "_").lower()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER SCHEMA public RENAME TO {connection.ops.quote_name(schema)}")
            cursor.execute("CREATE SCHEMA public")
    except DatabaseError as exc:
        raise DatabaseFailed("The database's user must own the database, to set aside what is in it.") from exc
    finally:
        connection.close()
    return [f"schema {schema}"]


def _dbname() -> str:
    return f"--dbname={connection.settings_dict['NAME']}"


def _program(name: str, *arguments: str) -> None:
    if shutil.which(name) is None:
        raise DatabaseFailed(f"{name} is not installed; it comes with PostgreSQL's client programs.")
    done = subprocess.run([name, *arguments], env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise DatabaseFailed(f"{name} failed: {said[0] if said else 'without a word'}")


def _environment() -> dict[str, str]:
    """Where the database is, and who asks: in no process list."""
    told = connection.settings_dict
    named = {"PGHOST": told["HOST"], "PGPORT": told["PORT"], "PGUSER": told["USER"], "PGPASSWORD": told["PASSWORD"]}
    named |= {"PGDATABASE": told["NAME"]} | {f"PG{option.upper()}": told["OPTIONS"].get(option) for option in SSL}
    return dict(os.environ) | {name: str(value) for name, value in named.items() if value}
