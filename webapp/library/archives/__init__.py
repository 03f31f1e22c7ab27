"""Zip archives: many files that arrive as one.

receiving.py    the archive's bytes are there: it is kept until it is unpacked
safety.py       the verdict on all of it; directory.py and names.py read what it says of itself
members.py      one file of it as a stream
taking.py       a row for each file, then each through accept(); folders on this machine go the same way: ../importing.py
unpacking.py    the job; ending.py what is left when a job is not there to end it
tables.py       words about the files: the table that came beside the archive, and the one inside
"""

from webapp.library.archives.receiving import receive
from webapp.library.archives.tables import keep as keep_table

__all__ = ["keep_table", "receive"]
