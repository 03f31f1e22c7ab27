"""Building the index of an embedded shard in a process of its own.

The engine holds Python's global lock while it optimises, a minute for 100,000 points: in the web process that would stop every
page. So a copy of the shard is optimised by a child process while the original answers and takes writes.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from search.errors import UpkeepFailed
from search.schema import EdgeSettings, Schema

NICENESS = 10  # people who search come first
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def start(folder: Path, schema: Schema, settings: EdgeSettings) -> subprocess.Popen[str]:
    """A child that optimises the shard in ``folder``, which nobody else may have open."""
    order = json.dumps({"schema": asdict(schema), "settings": asdict(settings)})
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, "-m", "search.optimising", str(folder), order, str(os.getpid())]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(child: subprocess.Popen[str]) -> bool:
    """Waits for it; whether it changed anything. Raises UpkeepFailed with its last words."""
    output, complaint = child.communicate()
    if child.returncode != 0:
        last_words = complaint.strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        raise UpkeepFailed(f"optimising failed: {last_words[0]}")
    return output.strip() == "True"


def main(folder: str, order: str, owner: str) -> None:
    """What the child does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != int(owner):
        sys.exit("the process that asked for this is gone")
    os.nice(NICENESS)
    import qdrant_edge as edge

    from search.edge_models import config_of

    given = json.loads(order)
    shard = edge.EdgeShard.load(folder, config_of(Schema(**given["schema"]), EdgeSettings(**given["settings"])))
    changed = shard.optimize()
    shard.flush()
    shard.close()
    sys.stdout.write(f"{changed}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
