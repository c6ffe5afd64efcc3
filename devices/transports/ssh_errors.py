"""What went wrong between ssh and the board, told apart: from OpenSSH's English and from the board's own answers."""

import re
from typing import Any

from devices.errors import DeviceError, DeviceUnreachable, one_line
from devices.transports.lock import busy
from devices.transports.ssh_command import BROKEN

_LAST_WORDS = 300
_HUNG_UP = "{host} closed the connection: it may be starting, or limit logins; try by hand: {login}"

#: Patterns of OpenSSH's messages, the more telling first; the error; what to say, of {host}, {login} (the command that
#: logs in by hand), {line} (the message) and {where} (the line of the known hosts that a message names).
_CONNECTING: tuple[tuple[str, type[DeviceError], str], ...] = (
    (
        r"Could not resolve hostname",
        DeviceUnreachable,
        "there is no host called {host}: check the name, or give its address, in the profile (host) or with --host",
    ),
    (
        r"Connection refused",
        DeviceUnreachable,
        "{host} refuses connections: is its SSH server running (sudo systemctl start ssh), and on this port? ({line})",
    ),
    (
        r"timed out|No route to host|Network is unreachable|Host is down",
        DeviceUnreachable,
        "{host} does not answer: is it switched on and on this network? ({line})",
    ),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        DeviceError,
        "the host key of {host} has changed: it was installed anew, or something stands in between; if you know why, "
        "remove the old key{where} (ssh-keygen -R) and accept the new one by logging in once: {login}",
    ),
    (
        r"Host key verification failed|host key is known|POSSIBLE DNS SPOOFING",
        DeviceError,
        "the host key of {host} is not known here: check and accept it by logging in once: {login}",
    ),
    (
        r"Permission denied \(|Too many authentication failures|No more authentication methods",
        DeviceError,
        "{host} does not let you in without a password: set up key login (ssh-copy-id) until this works by itself: "
        "{login} ({line})",
    ),
    (
        r"Connection closed by|Connection reset|kex_exchange_identification|Connection to .* closed|Broken pipe",
        DeviceUnreachable,
        _HUNG_UP + " ({line})",
    ),
    (
        r"configuration option|user config file|Bad owner or permissions on|not a regular file",
        DeviceError,
        "ssh does not accept its configuration: {line}",
    ),
)
_NOT_FOUND = (126, 127)  # how a shell ends where a command cannot be run

#: What to say of a failure that the board itself reports, by its kind.
_ON_BOARD = {
    "python": "{host} has too old a Python: {message}, and 3.8 or newer is needed",
    "full": "the disk of {host} is full: make room there ({message})",
    "folder": "the work folder on {host} cannot be used: {message}",
    "damaged": "a file arrived on {host} damaged ({message}): check its disk and memory, and try again",
}


def connection_error(host: str, login: str, stderr: str, fallback: str, status: int | None) -> DeviceError:
    """Return the error that ssh's standard error tells of; where it says nothing, `fallback` is what is known.

    `status` is how ssh ended. What it says of a host that hangs up while they agree on keys it says at the level INFO,
    which it is not asked for (a login's banner is at that level too): BROKEN without a word is that.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for pattern, kind, words in _CONNECTING:
        telling = [line for line in lines if re.search(pattern, line, re.IGNORECASE)]
        if telling:
            place = re.search(r"Offending \S+ key in (\S+)", stderr)
            where = f", {place.group(1)}," if place else ""
            return kind(words.format(host=host, login=login, line=telling[-1][:_LAST_WORDS], where=where))
    if status == BROKEN and not lines:
        return DeviceUnreachable(_HUNG_UP.format(host=host, login=login))
    said = f": {lines[-1][:_LAST_WORDS]}" if lines else ""
    return DeviceError(f"the connection to {host} {fallback}{said}; try by hand: {login}")


def command_error(host: str, python: str, status: int | None, stderr: str) -> DeviceError:
    """Return the error of a `python` that could not be run on the board, from its shell's status and last words."""
    said = " | ".join(stderr.strip().splitlines()[-3:])[:_LAST_WORDS]
    if status in _NOT_FOUND:
        return DeviceError(
            f"{host} has no {python} that its login shell finds: install Python 3.8 or newer there, or name the one "
            "that there is in the profile (python)" + (f" ({said})" if said else "")
        )
    return DeviceError(f"{python} on {host} ended with status {status}" + (f": {said}" if said else ""))


def board_error(host: str, answer: dict[str, Any]) -> DeviceError:
    """Return the error that the board reports."""
    kind, told = answer.get("kind"), answer.get("message")
    message = (one_line(told, _LAST_WORDS) if isinstance(told, str) else "") or "it gave no reason"
    if kind == "busy":
        return busy(host, message)
    words = _ON_BOARD.get(str(kind), "{host} refused: {message}")
    return DeviceError(words.format(host=host, message=message))
