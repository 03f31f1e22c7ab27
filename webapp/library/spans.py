"""How long something takes, as people say it."""

from __future__ import annotations


def span(seconds: float) -> str:
    """ "some seconds", "about 4 minutes", "about 3 hours", "about 2 days"."""
    if seconds < 45:
        return "some seconds"
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        n = round(seconds / size)
        if seconds >= 0.9 * size or name == "minute":
            n = max(1, n)
            return f"about {n} {name}{'' if n == 1 else 's'}"
    return ""
