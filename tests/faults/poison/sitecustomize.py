"""Put on a worker's path by tests/faults: a decoder that dies or hangs on marked files, and another encoder's fingerprint.

Python imports this before anything else; nothing of it is part of the site.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

if os.environ.get("POISONED_DECODER"):
    import embedder.sandbox

    embedder.sandbox.decoder_command = lambda: [sys.executable, "-I", "-B", str(ROOT / "tests" / "faults" / "poisoned.py")]

if digits := os.environ.get("OTHER_ENCODER"):
    from embedder.fake import FakeEncoder

    FakeEncoder.spec = dataclasses.replace(FakeEncoder.spec, weights_sha256=digits * 64)
