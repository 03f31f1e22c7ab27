"""A whole site in a folder: database, files, key and, where wanted, index; and back again.

FOLDER/2026-11-28T133356Z/manifest.json        what made it, of what, when
                          SHA256SUMS           of every other file: `sha256sum --check --quiet SHA256SUMS` needs no Conchive
                          database.sqlite3     or database.dump, of pg_dump's custom format
                          secret_key
                          files/…              as in the data folder; unchanged ones are hard links to those of the backup before
                          index/…              snapshots, where wanted: an index can always be made anew from the database
FOLDER/.….part                                 one that was cut off: worth nothing

Each backup is whole by itself: any may be deleted without harm to the others.
"""

from webapp.operating.backup.making import Made, back_up
from webapp.operating.backup.manifest import BackupUnusable
from webapp.operating.backup.restoring import Restored, SiteInUse, restore

__all__ = ["BackupUnusable", "Made", "Restored", "SiteInUse", "back_up", "restore"]
