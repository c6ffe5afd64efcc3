"""From an architecture to a file that a device can run, and the check of what the device then answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from devices import Device
from harness.bank import Architecture, ModelBank, Statistics
from harness.data import Domains
from harness.export import Template, topology_key, verify, write_subnet
from harness.measuring import Subject, with_one_reconnection
from harness.space import arch_id

#: Images on which an engine's answers are compared with the bank's.
CHECK_IMAGES = 256


class Deployment:
    """Exports subnets of one bank at one batch size."""

    def __init__(self, bank: ModelBank, batch_size: int) -> None:
        self.bank = bank
        self.batch_size = batch_size
        self._template = Template.create(bank, batch_size)

    def shape(self, arch: Architecture, folder: Path) -> Subject:
        """Write a subnet with neutral batch-norm statistics: enough for latency, which depends on shapes alone."""
        return self._write(self.bank, arch, self.bank.neutral_statistics(arch), folder, {})

    def subnet(self, arch: Architecture, domains: Domains, folder: Path, provenance: Mapping[str, str]) -> Subject:
        """Write a subnet with its own statistics on the target, run it in ONNX Runtime and compare it with the bank.

        Raises ExportMismatch, and leaves no file, where it differs.
        """
        bank = self.bank.weights_of(arch)
        statistics = bank.reestimate(domains.calibration, arch)
        metadata = {"preprocessing": domains.preprocessing.to_json(), **provenance}
        subject = self._write(bank, arch, statistics, folder, metadata)
        try:
            verify(subject.file, bank, arch, statistics, domains.target[:CHECK_IMAGES])
        except Exception:
            subject.file.unlink()
            raise
        return subject

    @torch.no_grad()
    def agreement(self, device: Device, subject: Subject, arch: Architecture, domains: Domains) -> float:
        """Return the share of target images to which the engine on the device gives the bank's top-1 class."""
        images = domains.target[:CHECK_IMAGES]
        statistics = self.bank.reestimate(domains.calibration, arch)
        expected = self.bank.logits(images, arch, statistics).argmax(dim=1).numpy()
        found = with_one_reconnection(device, lambda: device.infer(subject.file, images.numpy()))
        return float((found.argmax(axis=1) == expected).mean())

    def _write(
        self,
        bank: ModelBank,
        arch: Architecture,
        statistics: Statistics,
        folder: Path,
        metadata: Mapping[str, str],
    ) -> Subject:
        model = self._template.subnet(bank, arch, statistics, metadata)
        name = arch_id(bank.spec.model, arch)
        path = write_subnet(folder, model, name, batch_size=self.batch_size)
        return Subject(name, path, topology_key(model), batch_size=self.batch_size)
