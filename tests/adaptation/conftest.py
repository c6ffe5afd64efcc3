import pytest
import torch

from harness.bank import ModelBank, create_bank
from harness.data import Domains, LabelledImages, Preprocessing


@pytest.fixture
def domains() -> Domains:
    """Three classes of blobs at different places; the target's are shifted and dimmer."""
    generator = torch.Generator().manual_seed(0)
    places = torch.tensor([[4, 4], [4, 11], [11, 8]])

    def images(labels: torch.Tensor, shift: int, gain: float) -> torch.Tensor:
        rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
        centres = places[labels] + shift
        distance = (rows - centres[:, 0, None, None]) ** 2 + (columns - centres[:, 1, None, None]) ** 2
        noise = 0.2 * torch.randn(len(labels), 16, 16, generator=generator)
        return (gain * torch.exp(-distance / 6.0) + noise).unsqueeze(1)

    def labels(count: int) -> torch.Tensor:
        return torch.randint(3, (count,), generator=generator)

    source, check = labels(120), labels(60)
    return Domains(
        name="blobs",
        classes=("a", "b", "c"),
        preprocessing=Preprocessing(size=(16, 16), channels=1, mean=(0.0,), std=(1.0,)),
        source=LabelledImages(images(source, 0, 1.0), source),
        source_check=LabelledImages(images(check, 0, 1.0), check),
        target=images(labels(90), 1, 0.7),
    )


@pytest.fixture
def bank() -> ModelBank:
    return create_bank("resnet8", ("a", "b", "c"), (1, 16, 16), seed=3)
