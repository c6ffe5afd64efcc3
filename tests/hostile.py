"""What a stranger's file may hold: valid documents with one value replaced, and what an error about them must be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

#: Raw JSON, because most of it cannot be written by `json.dumps`.
VALUES = (
    *("null", "true", "0", "-1", "0.5", "1e999", "NaN", "-Infinity", "9223372036854775808", "1" * 400, "1" * 5000),
    *('""', '"\\u0000"', '"\\ud800"', '"a\\nb"', '"\\u001b[2J"', '"²"', '"../../x"', f'"{"x" * 100_000}"'),
    *("[]", "{}", "[" * 100_000 + "]" * 100_000, '{"a":' * 150 + "1" + "}" * 150, f"[{'1,' * 5000}1]"),
    *('{"a\\nb": 1}', '{"\\ud800": 1}', f'{{"{"k" * 5000}": []}}'),
)
#: Raw TOML.
SETTINGS = (
    *("true", "0", "-1", "1e400", "nan", "-inf", "0x" + "f" * 5000, "1" * 5000, "1979-05-27T07:32:00Z"),
    *('""', '"\\u0000"', '"""a\nb"""', '"\\u001b[2J"', f'"{"x" * 100_000}"', f"'{'é' * 300}'"),
    *("[]", "{}", "[" * 5000 + "]" * 5000, "{a = 1}", "{'a\tb' = 1}", f"[{'1,' * 5000}1]"),
)
_MARK = "here-comes-the-hostile-value"


def mutated(document: Any) -> st.SearchStrategy[bytes]:
    """JSON of the document in which one value, key or entry is another."""
    return st.builds(_replaced, st.just(document), st.sampled_from(list(_places(document))), st.sampled_from(VALUES))


def mutated_toml(text: str) -> st.SearchStrategy[bytes]:
    """TOML in which one setting has another value."""
    lines = text.splitlines()
    settings = [number for number, line in enumerate(lines) if " = " in line]

    def replaced(number: int, value: str) -> bytes:
        name = lines[number].split(" = ")[0]
        return "\n".join([*lines[:number], f"{name} = {value}", *lines[number + 1 :]]).encode()

    return st.builds(replaced, st.sampled_from(settings), st.sampled_from(SETTINGS))


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some of them others, cut short, or with more in between; or any bytes at all."""
    places = st.integers(0, len(content) - 1)
    spliced = st.builds(
        lambda place, length, new: content[:place] + new + content[place + length :],
        *(places, st.integers(0, 8), st.binary(max_size=8)),
    )
    return st.one_of(spliced, places.map(lambda place: content[:place]), st.binary(max_size=200))


def read_or_refused(read: Callable[[], object], *errors: type[Exception]) -> None:
    """Call a reader that returns something, or tells in one short sentence what is wrong."""
    try:
        read()
    except errors as error:
        assert_one_sentence(error)


def assert_one_sentence(error: Exception) -> None:
    """Assert that an error's message can be shown as it is: one line, not long."""
    message = str(error)
    assert message
    assert len(message) < 400, message
    assert len(message.splitlines()) == 1, message


def refusal(read: Callable[[], object], kind: type[Exception]) -> str:
    """Return how a reader refuses."""
    with pytest.raises(kind) as told:
        read()
    assert_one_sentence(told.value)
    return str(told.value)


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from _places(inner, (*above, key))


def _replaced(document: Any, place: tuple[Any, ...], value: str) -> bytes:
    return json.dumps(_with(document, place, _MARK)).replace(f'"{_MARK}"', value).encode()


def _with(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copied = document.copy()
    copied[place[0]] = _with(document[place[0]], place[1:], value)
    return copied
