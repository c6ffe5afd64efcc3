"""A card for every exported file of a run, from its rows, its record and what the file says of itself."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

import onnx
from pydantic import TypeAdapter, ValidationError

from harness.clauses import complaint
from harness.data import Preprocessing
from harness.export import SubnetFileError, read_subnet, subnet_filename
from harness.files import write_whole
from harness.report import Row
from harness.report.card import Card, card_text
from harness.running import Record, RunFolder

_CLASSES = TypeAdapter(list[str])


def write_cards(folder: RunFolder, rows: Sequence[Row]) -> None:
    """Write a card beside every exported file that rows are of."""
    files: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        files[folder.subnets / subnet_filename(row.arch_id, row.precision, row.batch_size)].append(row)
    for file, own in files.items():
        if file.exists():
            card = _card(file, folder, own[0])
            write_whole(file.with_suffix(".md"), card_text(card, own).encode())


def _card(file: Path, folder: RunFolder, row: Row) -> Card:
    model = read_subnet(file)
    about = {entry.key: entry.value for entry in model.metadata_props}
    baseline = folder.record.baselines.get(row.arch_id)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    try:
        return Card(
            file=file.name,
            title=f"{baseline.name}, a baseline" if baseline else _subnet(about),
            inputs=_shapes(model.graph.input),
            outputs=_shapes(model.graph.output),
            classes=_CLASSES.validate_json(about["classes"]),
            preprocessing=Preprocessing.model_validate_json(about["preprocessing"]).model_dump(mode="json"),
            provenance=dict(_provenance(folder, about, digest)),
        )
    except KeyError as error:
        raise SubnetFileError(f"{file} is no exported subnet: nothing in it says its {error}") from error
    except ValidationError as error:
        raise SubnetFileError(f"{file} is no exported subnet: {complaint(error)}") from error


def _subnet(about: Mapping[str, str]) -> str:
    return f"Subnet {about['arch_id']} of {about['model']}, widths {about['widths']}"


def _shapes(ends: Iterable[onnx.ValueInfoProto]) -> dict[str, str]:
    found = {}
    for end in ends:
        tensor = end.type.tensor_type
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        found[end.name] = f"{kind} [{', '.join(str(size.dim_value) for size in tensor.shape.dim)}]"
    return found


def _provenance(folder: RunFolder, about: Mapping[str, str], digest: str) -> Iterator[tuple[str, str]]:
    record = folder.record
    yield "run", f"{folder.path.resolve().name}, started {record.started}"
    yield "data", ", sha256 ".join(filter(None, [record.data.get("name"), record.data.get("digest")]))
    yield "method", about.get("method", "")
    yield "seed", str(record.seed)
    yield "weights that training began with", _weights(record)
    yield "versions", ", ".join(f"{name} {version}" for name, version in record.versions.items() if version)
    yield "sha256 of the file", digest


def _weights(record: Record) -> str:
    """Name the weights without the folders that they lie in on this machine."""
    if not record.weights:
        return "random"
    return f"{PurePath(record.weights.get('source', '')).name}, sha256 {record.weights.get('sha256', '')}"
