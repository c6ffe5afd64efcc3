"""The agent's line with a stranger at the other end: what a board answers, and what a board is asked."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import DeviceError
from devices.agent import wire
from devices.agent.lock import Lock
from devices.transports.ssh_errors import board_error
from tests.devices.messages import Exchange, exchanges, line, requests
from tests.devices.networks import write_network
from tests.devices.peers import agent_that_said, served, still_server
from tests.hostile import damaged, mutated, read_or_refused, refusal

OPERATIONS = ("describe", "load", "round", "infer", "telemetry", "memory", "energy", "failure")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    write_network(folder / "network.onnx")
    return folder


@pytest.fixture(scope="module", autouse=True)
def _litter_is_left_lying() -> Iterator[None]:
    """Memory is measured after a collection, which in a process of tests takes longer than all else here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda generation=2: 0)
        yield


@pytest.fixture(scope="module")
def known(work: Path) -> dict[str, Exchange]:
    return exchanges(work)


def use(exchange: Exchange, said: bytes) -> None:
    with agent_that_said(said) as agent:
        exchange.used(agent)


@pytest.mark.parametrize("operation", [operation for operation in OPERATIONS if operation != "failure"])
def test_an_answer_that_nothing_is_wrong_with_is_used(known: dict[str, Exchange], operation: str) -> None:
    use(known[operation], line(known[operation].reply, known[operation].blob))


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_answer_is_used_or_refused_in_one_sentence(
    known: dict[str, Exchange], operation: str, data: st.DataObject
) -> None:
    whole = line(known[operation].reply, known[operation].blob)
    message = json.loads(whole.splitlines()[0])
    said = data.draw(mutated(message).map(lambda text: text + whole[whole.index(b"\n") :]) | damaged(whole))
    read_or_refused(lambda: use(known[operation], said), DeviceError)


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("describe", {"host": {"memory_total": 10**400}}),
        ("describe", {"host": {"logical_cores": 10**30}}),
        ("load", {"input_shape": [10**12, 1, 8, 8]}),
        ("load", {"output_shape": [-1, -1]}),
        ("load", {"output_shape": []}),
        ("memory", {"process": {"baseline": 10**400, "peak": 10**400, "last": 10**400}}),
        ("failure", {"message": "x\n\x1b[2J" * 10**5}),
        ("failure", {"message": {"a": [1]}}),
        ("failure", {"message": "\ud800"}),
    ],
)
def test_an_answer_without_bounds_is_refused(
    known: dict[str, Exchange], operation: str, change: dict[str, object]
) -> None:
    reply = dict(known[operation].reply)
    for name, value in change.items():
        reply[name] = {**reply[name], **value} if isinstance(value, dict) and name in ("host", "process") else value
    refusal(lambda: use(known[operation], line(reply)), DeviceError)


@st.composite
def asked_differently(draw: st.DrawFn) -> bytes:
    """One of every operation, of which one is asked differently."""
    lines = [line(request, b"\0" * 256 if request["op"] == "infer" else b"") for request in requests()]
    place = draw(st.integers(0, len(lines) - 1))
    changed = mutated(requests()[place]).map(line) | damaged(lines[place]).map(line)
    return b"".join([*lines[:place], draw(changed), *lines[place + 1 :]])


def test_requests_that_nothing_is_wrong_with_are_done(work: Path) -> None:
    whole = b"".join(line(request, b"\0" * 256 if request["op"] == "infer" else b"") for request in requests())
    assert [reply.get("message") for reply in served(still_server(work), whole)] == [None] * len(requests())


@settings(max_examples=60, deadline=None)
@given(asked=asked_differently())
def test_any_request_is_done_or_refused_and_the_agent_goes_on(work: Path, asked: bytes) -> None:
    try:
        replies = served(still_server(work), asked)
    except wire.WireError:
        return
    assert not [reply["message"] for reply in replies if reply.get("kind") == "internal"]
    assert all(len(str(reply.get("message", ""))) <= 2000 for reply in replies)


@pytest.mark.parametrize("file", ["a\0b", "x" * 300, "\ud800", "a/" * 3000, ""])
def test_a_name_that_no_file_can_have_is_refused(work: Path, file: str) -> None:
    request = next(request for request in requests() if request["op"] == "load")
    (reply,) = served(still_server(work), line({**request, "file": file}))
    assert reply["kind"] == "refused"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "[" * 900 + "]" * 900, '"x"', "1.0", "true", "null"])
def test_a_request_is_numbered_by_a_whole_number(work: Path, number: str) -> None:
    (reply,) = served(still_server(work), b'{"v": %d, "op": "telemetry", "id": %s}\n' % (wire.VERSION, number.encode()))
    assert (reply["kind"], reply["id"]) == ("refused", None)


def test_a_session_that_fails_without_words_is_told_in_one_sentence() -> None:
    error = board_error("board", {"kind": "folder", "message": ["\n"] * 10**5})
    assert "\n" not in str(error)


@pytest.mark.parametrize("content", ["[" * 1000, '{"holder": "a", "pid": 1e999, "since": "b"}', '{"pid": "x"}'])
def test_whoever_holds_a_lock_that_says_nothing_of_them_is_another_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock").write_text(content)
    lock = Lock(str(tmp_path / "lock"))
    assert lock.holder() == "another process"
    lock.close()
