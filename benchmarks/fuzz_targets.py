"""What reads strangers' files: real valid ones to begin with, and how each reader is called."""

from __future__ import annotations

import gc
import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from devices import known_profiles, load_profile
from devices.agent import energy, wire
from devices.agent.engines.contract import EngineError
from devices.agent.engines.onnx_file import read
from harness.bank import create_bank, load_bank, save_bank
from harness.bank.storage import DESCRIPTION, WEIGHTS
from harness.data import Preprocessing
from harness.data.lists import read_list
from harness.data.reading import read_resized
from harness.export import SubnetFileError, Template, read_subnet, topology_key
from harness.report import read_csv, write_csv
from harness.results import write_cards
from harness.running import read_record
from harness.running.run_folder import RunFolder
from tests.data.made import classes
from tests.devices.external import FORMS
from tests.devices.messages import exchanges, line, requests
from tests.devices.networks import write_network, write_quantised_network
from tests.devices.peers import agent_that_said, served, still_server
from tests.report.factory import row, tradeoff
from tests.running.record import RECORD

RGB = Preprocessing(size=(16, 16), channels=3, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))


class Target(NamedTuple):
    """A reader to be fuzzed."""

    seeds: list[bytes]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()
    """What it may raise beside what a command of ours ends with in a sentence."""


def profile(folder: Path) -> Target:
    """A device profile."""
    file = folder / "mine.toml"

    def read_profile(content: bytes) -> object:
        file.write_bytes(content)
        return load_profile(file).is_local

    return Target([path.read_bytes() for path in known_profiles().values()], read_profile)


def bank(folder: Path) -> Target:
    """The description of a bank."""
    save_bank(create_bank("resnet8", ["a", "b"], (1, 16, 16)), folder, {"seed": 3})
    file = folder / DESCRIPTION
    seed = file.read_bytes()
    apart = {**json.loads(seed), "standalone": ["32-32-64-128-32-64-128"]}

    def read_description(content: bytes) -> object:
        file.write_bytes(content)
        return load_bank(folder)

    return Target([seed, json.dumps(apart).encode()], read_description)


def weights(folder: Path) -> Target:
    """The header of a bank's weights, before the numbers themselves."""
    save_bank(create_bank("resnet8", ["a", "b"], (1, 16, 16)), folder, {})
    file = folder / WEIGHTS
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    rest = content[8 + length :]

    def read_weights(header: bytes) -> object:
        file.write_bytes(len(header).to_bytes(8, "little") + header + rest)
        return load_bank(folder)

    return Target([content[8 : 8 + length]], read_weights)


def record(folder: Path) -> Target:
    """A run.json."""
    file = folder / "run.json"

    def read_run(content: bytes) -> object:
        file.write_bytes(content)
        return json.dumps(read_record(folder).model_dump(mode="json"))

    return Target([RECORD.model_dump_json(indent=2).encode()], read_run)


def table(folder: Path) -> Target:
    """A tradeoff.csv."""
    file = folder / "tradeoff.csv"
    write_csv([row(), row(precision="int8")], file)
    few = file.read_bytes()
    write_csv(tradeoff(labels=True, candidates=5), file)
    many = file.read_bytes()

    def read_table(content: bytes) -> object:
        file.write_bytes(content)
        return read_csv(file)

    return Target([few, many], read_table)


def answers(folder: Path) -> Target:
    """What an agent sends us: the first byte says what it was asked."""
    known = list(exchanges(folder).values())

    def use(said: bytes) -> None:
        if said:
            with agent_that_said(said[1:]) as agent:
                known[said[0] % len(known)].used(agent)

    seeds = [bytes([place]) + line(exchange.reply, exchange.blob) for place, exchange in enumerate(known)]
    return Target(seeds, use)


def asked(folder: Path) -> Target:
    """What we send an agent, which is to answer everything and to have no error that it does not know."""
    write_network(folder / "network.onnx")
    energy.measure = lambda *_: {}  # which may be asked to take hours
    gc.collect = lambda generation=2: 0  # which takes most of the time else
    nothing = tempfile.mkdtemp(dir=folder)

    def answer(sent: bytes) -> None:
        for reply in served(still_server(folder, nothing), sent):
            if reply.get("kind") == "internal":
                raise RuntimeError(reply["message"])

    whole = [line(request, b"\0" * 256 if request["op"] == "infer" else b"") for request in requests()]
    return Target([b"".join(whole), *whole], answer, (wire.WireError,))


def image_list(folder: Path) -> Target:
    """An image list."""
    classes(folder, count=2)
    file = folder / "list.txt"

    def read_lines(content: bytes) -> object:
        file.write_bytes(content)
        return read_list(file)

    return Target(
        [b"a/0.png 0\na/1.png 0\nb/0.png 1\n", b"a/0.png\n\nb/1.png\n", b"b/0.png cat\r\na/1.png\tdog\n"], read_lines
    )


def onnx(folder: Path) -> Target:
    """A network: as the agent reads it, and as an exported file in a run folder."""
    small = create_bank("resnet8", ["a", "b"], (3, 16, 16))
    arch = small.space.smallest
    about = {"preprocessing": RGB.to_json()}
    subnet = Template.create(small).subnet(small, arch, small.neutral_statistics(arch), about)
    plain, quantised = write_network(folder / "plain.onnx"), write_quantised_network(folder / "quantised.onnx")
    seeds = [subnet, plain.read_bytes(), quantised.read_bytes(), *(form("../x").SerializeToString() for form in FORMS)]
    run = RunFolder(folder, RECORD)
    own = row()
    file = run.subnets / f"{own.arch_id}-fp32-b1.onnx"
    file.parent.mkdir()

    def read_network(content: bytes) -> None:
        file.write_bytes(content)
        problems = [_refusal(lambda: read(str(file)).source()), _refusal(lambda: write_cards(run, [own]))]
        if None not in problems:
            raise next(problem for problem in problems if problem)
        topology_key(read_subnet(file))

    return Target(seeds, read_network, (EngineError, SubnetFileError))


def image(folder: Path) -> Target:
    """An image file."""
    seeds = []
    for kind in ("png", "jpeg", "bmp", "webp", "tiff", "ppm"):
        for mode in ("RGB", "L") if kind in ("bmp", "webp", "ppm") else ("RGB", "L", "CMYK" if kind != "png" else "P"):
            Image.linear_gradient("L").resize((24, 20)).convert(mode).save(folder / "seed", kind)
            seeds.append((folder / "seed").read_bytes())
    seeds.append(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 60_000, 60_000) + seeds[0][24:])
    file = folder / "image.png"

    def read_image(content: bytes) -> object:
        file.write_bytes(content)
        return read_resized(file, RGB)

    return Target(seeds, read_image)


def _refusal(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except (EngineError, SubnetFileError) as error:
        return error
    return None


TARGETS: dict[str, Callable[[Path], Target]] = {
    "profile": profile,
    "bank": bank,
    "weights": weights,
    "record": record,
    "table": table,
    "answers": answers,
    "requests": asked,
    "list": image_list,
    "onnx": onnx,
    "image": image,
}
