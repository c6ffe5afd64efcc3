"""The torch engine's reading of a network, run for real on the processor, against ONNX Runtime.

Its CUDA graphs need a GPU: `TestOnAGpu` runs where there is one.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from devices import EngineFailed, Visit, connect, load_profile
from devices.agent.engines.contract import EngineError
from devices.agent.engines.torch_engine import TorchEngine, TorchNetwork
from harness.bank import MODELS
from harness.export import Template, in_precision
from tests.bank.factory import lived_in_bank
from tests.devices.networks import write_network, write_quantised_network

Array = npt.NDArray[np.float32]


def random_array(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def both(path: Path, seed: int = 0) -> tuple[Array, Array]:
    """Return what PyTorch on the processor and ONNX Runtime answer."""
    network = TorchNetwork(str(path), "cpu")
    image = random_array(network.input_shape, seed)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    theirs = session.run(None, {session.get_inputs()[0].name: image})[0]
    with torch.inference_mode():
        return network(torch.from_numpy(image)).numpy(), theirs


@pytest.fixture(scope="module", params=MODELS)
def subnet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bank = lived_in_bank(request.param)
    arch = bank.space.uniform(0.3)
    path = tmp_path_factory.mktemp("subnets") / f"{request.param}.onnx"
    template = Template.create(bank, batch_size=2)
    path.write_bytes(template.subnet(bank, arch, bank.neutral_statistics(arch)))
    return path


@pytest.fixture(scope="module")
def halved(subnet: Path) -> Path:
    path = subnet.with_suffix(".halved.onnx")
    path.write_bytes(in_precision(subnet.read_bytes(), "fp16", torch.zeros(0)))
    return path


def test_every_exported_model_gives_onnx_runtime_s_answer(subnet: Path) -> None:
    ours, theirs = both(subnet)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


def test_the_version_names_the_libraries_beneath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 90100)
    assert TorchEngine().describe()["version"] == f"{torch.__version__} CUDA 12.4 cuDNN 9.1.0"
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: None)
    assert TorchEngine().describe()["version"] == torch.__version__


def test_a_file_in_half_precision_is_computed_in_half_precision(halved: Path) -> None:
    ours, theirs = both(halved)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, ours.astype(np.float16))
    np.testing.assert_allclose(ours, theirs, atol=0.03 * np.abs(theirs).max())


def write_layer(path: Path, operator: str, shape: list[int], *weights: Array, **attributes: Any) -> Path:
    """Write a network of one node."""
    names = [f"w{index}" for index in range(len(weights))]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *names], ["y"], operator.lower(), **attributes)],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, name) for weight, name in zip(weights, names, strict=True)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("operator", "shape", "weights", "attributes"),
    [
        ("Conv", [1, 4, 9, 9], [(6, 2, 3, 3), (6,)], {"group": 2, "strides": [2, 1], "pads": [1, 1, 1, 1]}),
        ("Conv", [1, 2, 9, 9], [(3, 2, 3, 3)], {"pads": [0, 1, 2, 0], "dilations": [2, 1]}),
        ("MaxPool", [1, 2, 9, 9], [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("MaxPool", [1, 2, 9, 9], [], {"kernel_shape": [3, 2], "pads": [1, 0, 2, 1]}),
        ("MaxPool", [1, 2, 8, 8], [], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
        ("Gemm", [2, 3], [(4, 3), (4,)], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
        ("Gemm", [3, 2], [(3, 4)], {"transA": 1}),
        ("Flatten", [2, 3, 4], [], {}),
        ("Flatten", [2, 3, 4], [], {"axis": 2}),
        ("GlobalAveragePool", [2, 3, 4, 5], [], {}),
        ("Add", [2, 3], [(3,)], {}),
        ("Relu", [2, 3], [], {}),
    ],
)
def test_every_operator_means_what_onnx_says(
    tmp_path: Path, operator: str, shape: list[int], weights: list[tuple[int, ...]], attributes: dict[str, Any]
) -> None:
    arrays = [random_array(weight, seed) for seed, weight in enumerate(weights)]
    ours, theirs = both(write_layer(tmp_path / "layer.onnx", operator, shape, *arrays, **attributes), seed=9)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "layer.onnx", "Sigmoid", [1, 2])
    with pytest.raises(EngineError, match=r"no operator Sigmoid \(sigmoid\)"):
        TorchNetwork(str(path), "cpu")


def test_padding_by_rule_is_refused(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "pool.onnx", "MaxPool", [1, 1, 4, 4], kernel_shape=[2, 2], auto_pad="SAME_UPPER")
    with pytest.raises(EngineError, match="pads by rule"):
        TorchNetwork(str(path), "cpu")(torch.zeros(1, 1, 4, 4))


def test_a_quantised_network_is_refused(tmp_path: Path) -> None:
    path = write_quantised_network(tmp_path / "quantised.onnx")
    with pytest.raises(EngineError, match="no operator QuantizeLinear"):
        TorchNetwork(str(path), "cpu")


def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx")
    model = onnx.load(path)
    model.graph.node[0].input[1] = "absent"
    onnx.save(model, path)
    network = TorchNetwork(str(path), "cpu")
    with pytest.raises(EngineError, match="cannot be run: 'absent'"):
        network(torch.zeros(network.input_shape))
    model.graph.node[0].input[1] = "weight"
    model.graph.initializer[0].dims[0] = 5
    onnx.save(model, path)
    with pytest.raises(EngineError, match="the weight 'weight' cannot be read"):
        TorchNetwork(str(path), "cpu")


def test_an_input_of_open_size_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, path)
    with pytest.raises(EngineError, match="of a fixed shape"):
        TorchNetwork(str(path), "cpu")


def test_a_cast_to_another_type_is_refused(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "layer.onnx", "Cast", [1, 2], to=TensorProto.DOUBLE)
    with pytest.raises(EngineError, match=r"Cast \(cast\) is to neither float32 nor float16"):
        TorchNetwork(str(path), "cpu")(torch.zeros(1, 2))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_the_engine_says_so(tmp_path: Path) -> None:
    with connect(load_profile("cpu"), state=tmp_path) as device, device.agent() as agent:
        (found,) = agent.describe(["torch"]).engines
    assert found.missing is not None
    assert "finds no CUDA GPU here" in found.missing


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
class TestOnAGpu:
    @pytest.mark.parametrize("precision", ["fp32", "fp16"])
    def test_the_captured_graph_answers_and_is_timed(
        self, subnet: Path, halved: Path, tmp_path: Path, precision: str
    ) -> None:
        profile = load_profile("cpu").override(engines=["torch"], precisions=["fp32", "fp16"])
        _, theirs = both(subnet)
        image = random_array(TorchNetwork(str(subnet), "cpu").input_shape)
        with connect(profile, state=tmp_path) as device, device.agent() as agent:
            model = device.load(agent, halved if precision == "fp16" else subnet, precision)
            ours = agent.infer(model, image)
            result = agent.run_round([Visit(model.handle, 3, 20)])
            with pytest.raises(EngineFailed, match="does not run int8"):
                device.load(agent, subnet, "int8")
        np.testing.assert_allclose(ours, theirs, atol=(1e-3 if precision == "fp32" else 0.05) * np.abs(theirs).max())
        assert all(
            0 < device_ns < host_ns for device_ns, host_ns in zip(result.compute[0], result.samples[0], strict=True)
        )
