"""docker-compose.yml and docker/Dockerfile as data, with the values that Compose and Docker would put in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE, DOCKERFILE, EXAMPLE = ROOT / "docker-compose.yml", ROOT / "docker" / "Dockerfile", ROOT / ".env.example"
_PLACE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::-(?P<otherwise>[^}]*))?\}")


def read_compose(told: Mapping[str, str]) -> dict[str, Any]:
    """The whole file; ``told`` is what .env says."""
    read: dict[str, Any] = _filled(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")), told)
    return read


def example() -> dict[str, str]:
    """.env.example, which is to do as it is."""
    lines = (line.strip() for line in EXAMPLE.read_text(encoding="utf-8").splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _filled(value: Any, told: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, told) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, told) for each in value]
    return _PLACE.sub(lambda found: _put_in(found, told), value) if isinstance(value, str) else value


def _put_in(found: re.Match[str], told: Mapping[str, str]) -> str:
    if found["name"] is None:
        return "$"
    return told.get(found["name"]) or found["otherwise"] or ""


@dataclass
class Stage:
    """One FROM of a Dockerfile and what follows it. ``base``: a stage above it, or an image from elsewhere."""

    name: str
    base: str
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""


def stages() -> dict[str, Stage]:
    """By name, each with what it has from the stage that it is made of."""
    made: dict[str, Stage] = {}
    stage = Stage("", "")
    for instruction, rest in _instructions():
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            above = made.get(base, Stage("", ""))
            stage = made[name] = Stage(name, base, list(above.command), dict(above.environment), above.user)
        elif instruction == "CMD":
            stage.command = json.loads(rest)
        elif instruction == "ENV":
            stage.environment |= dict(each.split("=", 1) for each in rest.split())
        elif instruction == "USER":
            stage.user = rest
    return made


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", "", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]
