import pytest

from harness.measuring import fences
from harness.measuring.fences import REFERENCES

ORIN_NX = "NVIDIA Jetson Orin NX Engineering Reference Developer Kit"
PI4, PI5 = "Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 5 Model B Rev 1.0"


@pytest.mark.parametrize(
    ("board", "engine", "precision", "model", "p50_ms", "within"),
    [
        ("Jetson AGX Orin Developer Kit", "tensorrt", "int8", "resnet50", 0.7, True),
        ("Jetson AGX Orin Developer Kit", "tensorrt", "int8", "resnet50", 0.3, False),
        ("Jetson AGX Orin Developer Kit", "trtexec", "int8", "resnet50", 2.0, False),
        ("Jetson-AGX", "tensorrt", "fp16", "resnet18", 1.64, True),
        ("NVIDIA Jetson Nano Developer Kit", "onnxruntime-tensorrt", "fp16", "resnet34", 20.2, True),
        ("NVIDIA Jetson Xavier NX Developer Kit", "tensorrt", "int8", "resnet50", 7.4, False),
        (PI5, "onnxruntime", "fp32", "mobilenet_v2", 10.5, True),
        (PI5, "onnxruntime", "fp32", "resnet50", 150.0, False),
    ],
)
def test_a_measurement_is_held_against_the_published_one(
    board: str, engine: str, precision: str, model: str, p50_ms: float, within: bool
) -> None:
    found = fences.check(board=board, engine=engine, precision=precision, model=model, p50_ms=p50_ms)
    assert found is not None
    assert found.within is within
    assert found.ratio == pytest.approx(p50_ms / found.reference.p50_ms)


@pytest.mark.parametrize(("ratio", "within"), [(0.49, False), (0.5, True), (3.0, True), (3.01, False)])
def test_the_fence_is_from_half_to_three_times(ratio: float, within: bool) -> None:
    found = fences.check(board=PI5, engine="onnxruntime", precision="fp32", model="resnet18", p50_ms=20.0 * ratio)
    assert found is not None
    assert found.within is within


def test_where_two_are_published_the_nearer_one_counts() -> None:
    def source(p50_ms: float) -> str:
        found = fences.check(board=PI4, engine="onnxruntime", precision="fp32", model="resnet50", p50_ms=p50_ms)
        assert found is not None
        return found.reference.source

    assert "ncnn" in source(300)
    assert "MLPerf" in source(500)
    found = fences.check(board=ORIN_NX, engine="tensorrt", precision="int8", model="resnet50", p50_ms=1.5)
    assert found is not None
    assert "power-limited" in found.reference.source


@pytest.mark.parametrize(
    "change",
    [
        {"board": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit"},
        {"board": "Intel(R) Xeon(R) Processor, 2 logical cores"},
        {"engine": "torch"},
        {"precision": "fp16"},
        {"model": "resnet101"},
        {"threads": 1},
    ],
)
def test_what_nothing_is_published_for_has_no_fence(change: dict[str, object]) -> None:
    about = {"board": PI5, "engine": "onnxruntime", "precision": "fp32", "model": "resnet50", "threads": 4}
    assert fences.check(**about, p50_ms=46.2) is not None  # type: ignore[arg-type]
    assert fences.check(**{**about, **change}, p50_ms=46.2) is None  # type: ignore[arg-type]


def test_every_published_latency_is_a_positive_number_with_its_source() -> None:
    assert len(REFERENCES) == 17
    assert all(reference.p50_ms > 0 and reference.source for reference in REFERENCES)
