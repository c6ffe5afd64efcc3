"""What the command line says of devices, put into their profiles."""

from __future__ import annotations

from collections.abc import Sequence

from devices import DeviceProfile, Precision, ProfileError


def offered(profile: DeviceProfile, asked: Sequence[Precision]) -> list[Precision]:
    """Return those of the precisions asked for that a device's profile offers; ProfileError where there is none."""
    found = [precision for precision in dict.fromkeys(asked) if precision in profile.precisions]
    if not found:
        has = ", ".join(profile.precisions)
        raise ProfileError(f"{profile.name} offers {has}, and --precision asks for {', '.join(asked)}")
    return found


def missing(profile: DeviceProfile, asked: Sequence[Precision]) -> list[Precision]:
    """Return those of the precisions asked for that a device's profile, which offers others of them, does not."""
    able = offered(profile, asked)
    return [precision for precision in dict.fromkeys(asked) if precision not in able]


def overridden(profile: DeviceProfile, host: str | None, threads: int | None) -> DeviceProfile:
    """Return a profile with what the command line says in place of its own."""
    if host is not None and profile.transport == "local":
        raise ProfileError(f"{profile.name} is this machine, so --host cannot name another; use --device ssh-cpu")
    given = {"host": host, "threads": threads}
    return profile.override(**{name: value for name, value in given.items() if value is not None})
