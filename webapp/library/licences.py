"""The note that goes with pictures that leave the archive: which encoder found them and what it allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

CONCH = """\
Encoder: CONCH (a visual-language foundation model for computational pathology), Mahmood Lab.
Licence of its weights and of what is derived from them: CC-BY-NC-ND 4.0. Non-commercial research only, with attribution; no
redistribution of the weights. https://creativecommons.org/licenses/by-nc-nd/4.0/

Please cite:
  Lu, M. Y., Chen, B., Williamson, D. F. K. et al. A visual-language foundation model for computational pathology.
  Nature Medicine 30, 863-874 (2024). https://doi.org/10.1038/s41591-024-02856-4
"""
MINI = """\
Encoder: Conchive's bundled mini encoder, Apache-2.0. A demonstration that learned from drawn pictures and a few public
slides: not for research. What it was trained on, with the licences of those data: docs/mini-encoder.md in Conchive's source.
"""
CLIP = """\
Encoder: a CLIP model that this site's operators installed. Its own licence and citation apply: ask them which model it is.
"""
FAKE = """\
Encoder: the test encoder, whose vectors come from colours and words only and mean nothing.
"""
ENCODERS = {"conch": CONCH, "mini": MINI, "clip": CLIP, "fake": FAKE}
NOTE = """\
Images from a Conchive archive, {date}
{line}

NOT FOR DIAGNOSIS. What was selected by similarity is similar to a model, which says nothing about a patient.

{encoder}
The images belong to whoever put them into the archive; this file grants no right to them. Ask before you pass them on.
They come from {n} of: {collections}

{contents}
"""


def note(*, collections: Sequence[str], images: int, contents: str, at: datetime) -> str:
    """``collections``: names. ``contents``: a sentence or more about what lies beside the note."""
    date = f"{at:%d %B %Y, %H:%M} {at.tzname() or ''}".strip()
    told = {"date": date, "line": "=" * (31 + len(date)), "encoder": ENCODERS[settings.CONCHIVE_ENCODER], "contents": contents}
    counted = f"{images:,} image{'' if images == 1 else 's'}"
    return NOTE.format(**told, n=counted, collections="; ".join(sorted(collections)))
