import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.agent import wire
from devices.agent.wire import Line

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@contextmanager
def pipe() -> Iterator[tuple[Line, Line, int]]:
    """A line from a sender to a receiver, and the descriptor that raw bytes can be sent on."""
    read, write = os.pipe()
    spare_read, spare_write = os.pipe()
    try:
        yield Line(spare_read, write), Line(read, spare_write), write
    finally:
        for descriptor in (read, write, spare_read, spare_write):
            os.close(descriptor)


@settings(deadline=None, max_examples=50)
@given(
    message=st.dictionaries(st.text().filter(lambda key: key != "blob"), json_values, max_size=4),
    blob=st.binary(max_size=3000),
)
def test_a_message_and_its_blob_arrive_as_they_were_sent(message: dict[str, Any], blob: bytes) -> None:
    with pipe() as (sender, receiver, _):
        sender.send(message, 5.0, blob)
        assert receiver.receive(5.0) == (message, blob)


def test_a_blob_of_many_lines_arrives_whole() -> None:
    blob = os.urandom(2 * wire.CHUNK + 17)
    with pipe() as (sender, receiver, _):
        thread = threading.Thread(target=sender.send, args=({"op": "x"}, 10.0, blob))
        thread.start()
        assert receiver.receive(10.0) == ({"op": "x"}, blob)
        thread.join()


@pytest.mark.parametrize("text", [b"hello", b"[1]", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b""])
def test_a_line_that_is_no_object_is_refused_and_the_next_one_read(text: bytes) -> None:
    with pipe() as (sender, receiver, _):
        thread = threading.Thread(target=sender._write_all, args=(text + b"\n", time.monotonic() + 20))
        thread.start()
        with pytest.raises(wire.Malformed):
            receiver.receive(5.0)
        thread.join()
        sender.send({"op": "next"}, 5.0)
        assert receiver.receive(5.0)[0] == {"op": "next"}


def test_an_oversize_line_is_skipped_without_being_kept_and_the_next_one_read() -> None:
    def flood(sender: Line) -> None:
        sender._write_all(b"x" * (wire.MAX_LINE + 2**20) + b"\n", time.monotonic() + 20)
        sender.send({"op": "next"}, 5.0)

    with pipe() as (sender, receiver, _):
        thread = threading.Thread(target=flood, args=(sender,))
        thread.start()
        with pytest.raises(wire.Oversize):
            receiver.receive(10.0)
        assert len(receiver._buffer) < wire.MAX_LINE
        assert receiver.receive(5.0)[0] == {"op": "next"}
        thread.join()


@pytest.mark.parametrize("size", [-1, True, "7", wire.MAX_BLOB + 1, 1.5])
def test_an_impossible_blob_size_ends_the_conversation(size: object) -> None:
    with pipe() as (sender, receiver, _):
        sender.send({"blob": size}, 5.0)
        with pytest.raises(wire.WireError, match="blob"):
            receiver.receive(5.0)


@pytest.mark.parametrize("piece", [b"!!!!", b"", b"AAAAAAAA"])
def test_a_blob_that_is_not_as_announced_ends_the_conversation(piece: bytes) -> None:
    with pipe() as (_, receiver, raw):
        os.write(raw, b'{"blob": 3}\n' + piece + b"\n")
        with pytest.raises(wire.WireError, match="blob"):
            receiver.receive(5.0)


def test_half_a_line_and_then_nothing_is_silence() -> None:
    with pipe() as (_, receiver, raw):
        os.write(raw, b'{"op": ')
        with pytest.raises(wire.Silent):
            receiver.receive(0.05)


def test_a_peer_that_stops_reading_runs_into_the_time_out() -> None:
    with pipe() as (sender, _, _raw), pytest.raises(wire.Silent):
        sender.send({"op": "x"}, 0.1, b"x" * 2**20)
