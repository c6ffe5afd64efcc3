"""What is in quantised networks."""

import onnx


def integers_read(model: onnx.ModelProto) -> set[int]:
    """Return the types of the constants that nodes dequantise."""
    kinds = {weight.name: weight.data_type for weight in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
    return {kinds[node.input[0]] for node in nodes if node.input[0] in kinds}
