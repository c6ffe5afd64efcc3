"""From an architecture to a file that a device can run, and the check of what the device then answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from devices import AgentLost, ConnectionLost, Device, EngineFailed, Precision
from harness.bank import Architecture, ModelBank
from harness.console import Advance
from harness.costs import Form, LayerKind
from harness.data import Domains
from harness.export import Template, in_precision, single_layer, topology_key, verify, write_subnet
from harness.measuring import OWN_PROCESS, Subject, with_one_reconnection
from harness.search import discrepancy
from harness.space import arch_id

#: Images on which an exported float32 file is compared with the bank on this machine.
CHECK_IMAGES = 256
#: Images that a device answers for, at least, and bytes of them, at most: large images are not sent by the hundred.
LEAST_ANSWERS, MOST_BYTES = 64, 64 * 2**20


#: Least share of images with the bank's class for a subnet to be selected: float32 and float16 differ from the bank by
#: rounding alone, int8 by what quantisation costs. Our choice.
LEAST_AGREEMENT: dict[Precision, float] = {"fp32": 0.98, "fp16": 0.98, "int8": 0.9}


class Answers(NamedTuple):
    """What the engine on the device answers, beside what the bank does."""

    images: int
    agreement: float | None
    """Share of the images with the bank's top-1 class; None where there is no answer to compare."""
    upem: float | None
    """UPEM of the network as it is deployed: distance of its predictions from those of the bank's full-width subnet."""
    problem: str = ""
    """Why there is no answer to compare."""

    def doubt(self, precision: Precision, original: str) -> str | None:
        """Say why they rule a network out, which is `original` on the workstation; None where they do not."""
        if self.agreement is None:
            return self.problem
        if self.agreement >= LEAST_AGREEMENT[precision]:
            return None
        return (
            f"the engine on the device names another class than {original} for {1 - self.agreement:.0%} of "
            f"{self.images} images"
        )


class Deployment:
    """Exports subnets of one bank at one batch size and in one precision."""

    def __init__(
        self,
        bank: ModelBank,
        domains: Domains,
        batch_size: int,
        precision: Precision = "fp32",
        *,
        for_tensorrt: bool = False,
    ) -> None:
        """Export subnets; `for_tensorrt` says that TensorRT is to read them."""
        self.bank = bank
        self.domains = domains
        self.batch_size = batch_size
        self.precision: Precision = precision
        self._for_tensorrt = for_tensorrt
        self._template = Template.create(bank, batch_size)

    @property
    def form(self) -> Form:
        """What the exported numbers are like."""
        return "int8 for TensorRT" if self.precision == "int8" and self._for_tensorrt else self.precision

    def shape(self, arch: Architecture, folder: Path, provenance: Mapping[str, str] | None = None) -> Subject:
        """Write a subnet with neutral batch-norm statistics: enough for its costs, which depend on shapes alone.

        With the provenance of what is deployed its file is of the same size too.
        """
        statistics = self.bank.neutral_statistics(arch)
        model = self._template.subnet(self.bank, arch, statistics, self._metadata(provenance or {}))
        few = self.domains.calibration[: self.batch_size]  # which scales are found makes no difference in time
        return self._write(model, few, self._name(arch), folder)

    def layer(self, kind: LayerKind, inputs: int, outputs: int, folder: Path) -> Subject:
        """Write a network of one layer, to be measured by itself."""
        shape = kind.input_shape(inputs)
        model = single_layer(kind.module(inputs, outputs), shape, outputs, self.batch_size)
        calibration = torch.rand(self.batch_size, *shape, generator=torch.Generator().manual_seed(0))
        return self._write(model, calibration, kind.file_name(inputs, outputs), folder)

    def subnet(self, arch: Architecture, folder: Path, provenance: Mapping[str, str]) -> Subject:
        """Write a subnet with its own statistics on the target.

        Its float32 form is run in ONNX Runtime and compared with the bank before it is brought to the precision.
        Raises ExportMismatch where it differs and PrecisionError where it cannot be brought there, and leaves no file.
        """
        bank, domains = self.bank.weights_of(arch), self.domains
        statistics = bank.reestimate(domains.calibration, arch)
        model = self._template.subnet(bank, arch, statistics, self._metadata(provenance))
        verify(model, bank, arch, statistics, domains.target[:CHECK_IMAGES])
        return self._write(model, domains.calibration, self._name(arch), folder)

    def check(
        self, device: Device, subjects: Mapping[Architecture, Subject], wanted: int, progress: Advance
    ) -> dict[Architecture, Answers]:
        """Run subnets on the device for `wanted` target images (fewer where they are large) and compare the answers.

        An engine that fails, with its agent or without, costs the one subnet it ran. A line to the device that breaks
        meanwhile is mended once; raises `DeviceError` where it stays broken.
        """
        images = check_images(self.domains, device, wanted)
        anchored = self._logits(images, self.bank.space.full).softmax(dim=1)
        return compared(device, subjects, images, lambda arch: self._logits(images, arch), anchored, progress)

    @torch.no_grad()
    def _logits(self, images: Tensor, arch: Architecture) -> Tensor:
        statistics = self.bank.reestimate(self.domains.calibration, arch)
        parts = torch.split(images, CHECK_IMAGES)
        return torch.cat([self.bank.logits(part, arch, statistics) for part in parts])

    def _metadata(self, provenance: Mapping[str, str]) -> dict[str, str]:
        return {"preprocessing": self.domains.preprocessing.to_json(), "precision": self.precision, **provenance}

    def _name(self, arch: Architecture) -> str:
        return arch_id(self.bank.spec.model, arch)

    def _write(self, model: bytes, calibration: Tensor, name: str, folder: Path) -> Subject:
        for_tensorrt = self._for_tensorrt
        return write(model, calibration, name, folder, self.precision, self.batch_size, for_tensorrt=for_tensorrt)


def write(
    model: bytes,
    calibration: Tensor,
    name: str,
    folder: Path,
    precision: Precision,
    batch_size: int,
    *,
    for_tensorrt: bool = False,
) -> Subject:
    """Bring a float32 model to a precision, by unlabelled images where it needs them, and write it into `folder`.

    Raises PrecisionError.
    """
    model = in_precision(model, precision, calibration, for_tensorrt=for_tensorrt)
    path = write_subnet(folder, model, name, precision=precision, batch_size=batch_size)
    return Subject(name, path, topology_key(model), precision, batch_size)


def check_images(domains: Domains, device: Device, wanted: int) -> Tensor:
    """Return the target images that a device answers for: as many as `wanted`, or fewer where they are large."""
    affordable = MOST_BYTES // domains.calibration[0].numpy().nbytes
    if device.engine in OWN_PROCESS:  # started for every batch, which takes a board seconds
        affordable = LEAST_ANSWERS
    return domains.calibration[: max(LEAST_ANSWERS, min(wanted, affordable))]


Key = TypeVar("Key")


def compared(
    device: Device,
    subjects: Mapping[Key, Subject],
    images: Tensor,
    expected: Callable[[Key], Tensor],
    anchored: Tensor | None,
    progress: Advance,
) -> dict[Key, Answers]:
    """Compare what a device answers with the `expected` logits [N, K] of every subject; see `Deployment.check`.

    UPEM is the distance from `anchored` predictions [N, K], where there are any.
    """

    def answered() -> dict[Key, Answers]:
        found: dict[Key, Answers] = {}
        for key, subject in subjects.items():
            found[key] = _answers(device, subject, images, expected(key), anchored)
            progress(len(found), len(subjects))
        return found

    return with_one_reconnection(device, answered)


def _answers(device: Device, subject: Subject, images: Tensor, expected: Tensor, anchored: Tensor | None) -> Answers:
    try:
        found = torch.from_numpy(device.infer(subject.file, images.numpy()))
    except ConnectionLost:
        raise
    except (AgentLost, EngineFailed) as error:
        return Answers(len(images), None, None, f"the engine failed: {error}")
    if found.shape != expected.shape:
        shapes = f"{list(found.shape)}, not {list(expected.shape)}"
        return Answers(len(images), None, None, f"the engine answers with shape {shapes}")
    if not found.isfinite().all():
        return Answers(len(images), None, None, "the engine answers with numbers that are not finite")
    agreement = float((found.argmax(dim=1) == expected.argmax(dim=1)).float().mean())
    upem = None if anchored is None else discrepancy(found.softmax(dim=1), anchored)
    return Answers(len(images), agreement, upem)
