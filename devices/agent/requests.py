"""What a request may say: fields of the right type, within bounds; anything else is refused in words."""

from __future__ import annotations

from typing import Any

from .engines.contract import Settings

MAX_RUNS = 100_000  # runs of one round request: bounds the answer's size
MAX_MODELS = 1024
MAX_ENGINES = 16
MAX_MEMORY_RUNS = 1000
MAX_WINDOW_S = 3600.0
MAX_BUILDS = 100
MAX_LIMIT_S = 86_400.0


class Refused(Exception):
    """The request is not one this agent accepts."""


def identity_of(request: dict[str, Any]) -> int | None:
    """Return its number, where that is a whole one."""
    identity = request.get("id")
    return identity if type(identity) is int else None


def field(request: dict[str, Any], name: str, kind: type, default: object = None) -> Any:
    """Return a field of exactly this type."""
    value = request.get(name, default)
    if type(value) is not kind:
        raise Refused("%r must be of type %s" % (name, kind.__name__))
    return value


def visits_of(request: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Return the visits of a round, each a handle with its untimed and timed runs."""
    visits = []
    for visit in field(request, "visits", list):
        if not isinstance(visit, list) or len(visit) != 3 or not all(type(number) is int for number in visit):
            raise Refused("a visit is [handle, untimed, timed]")
        handle, untimed, timed = visit
        if untimed < 0 or timed < 1:
            raise Refused("a visit has at least one timed run")
        visits.append((handle, untimed, timed))
    if sum(untimed + timed for _, untimed, timed in visits) > MAX_RUNS:
        raise Refused("a round is of at most %d runs" % MAX_RUNS)
    return visits


def settings_of(request: dict[str, Any]) -> Settings:
    """Return how a network is to be loaded."""
    settings = Settings(
        threads=field(request, "threads", int),
        precision=field(request, "precision", str),
        build=field(request, "build", int, 0),
        limit_s=field(request, "limit_s", float, MAX_LIMIT_S),
    )
    if not 1 <= settings.threads <= 1024:
        raise Refused("threads must be 1 to 1024")
    if not 0 <= settings.build < MAX_BUILDS:
        raise Refused("a build is numbered from 0 to %d" % (MAX_BUILDS - 1))
    if not 0 < settings.limit_s <= MAX_LIMIT_S:
        raise Refused("a limit is above 0 and up to %g s" % MAX_LIMIT_S)
    return settings
