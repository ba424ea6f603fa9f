"""Makes a frozen PyTorch backbone a detector file for `dear`, with a head of zeros that is still to be trained.

    pip install -r examples/requirements-export.txt
    python examples/export_backbone.py --arch resnet50 --weights resnet50.pth --out resnet50.onnx --check
    python examples/export_backbone.py --module mine.networks:trunk --name mine --licence MIT --out mine.onnx --check

`--arch resnet50` without `--weights` downloads torchvision's ImageNet weights. `--module PACKAGE:FACTORY` takes any network:
the factory is called without arguments and returns a `torch.nn.Module`, weights loaded, that maps normalised RGB
`[N, 3, H, W]` to features `[N, C, h, w]` after their last ReLU (not below 0), for any N, H and W; say its normalisation with
`--mean` and `--std`. Batch norm is folded by the exporter. The format is that of docs/architecture.md.

`--check` compares the file with PyTorch at three sizes, in ONNX Runtime, and a tile with its halo with the whole image.
"""

import argparse
import hashlib
import importlib
import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OPSET = 18
# Operators whose output at a place depends on the input at that place alone.
POINTWISE = {"Add", "BatchNormalization", "Clip", "Div", "Erf", "Exp", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu",
             "Mul", "PRelu", "Relu", "Sigmoid", "Sub", "Tanh"}


@dataclass
class Backbone:
    """A network from normalised RGB to features, and what its file says about it."""

    trunk: nn.Module
    name: str
    architecture: str
    licence: str
    trained_on: str
    checkpoint: Path | None = None
    mean: tuple = IMAGENET_MEAN
    std: tuple = IMAGENET_STD
    min_side: int = 32


class Normalised(nn.Module):
    """RGB in 0..1 to features: what the file holds."""

    def __init__(self, backbone):
        super().__init__()
        self.trunk = backbone.trunk
        self.register_buffer("mean", torch.tensor(backbone.mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std, dtype=torch.float32).view(1, 3, 1, 1))

    def forward(self, image):
        return self.trunk((image - self.mean) / self.std)


# Networks. ----------------------------------------------------------------------------------------------------------


def resnet_trunk(net):
    """torchvision's ResNet up to the last stage."""
    return nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4)


def resnet50(options):
    """2,048 channels at stride 32."""
    from torchvision.models import ResNet50_Weights
    from torchvision.models import resnet50 as build

    if options.weights is None:
        net, path = build(weights=ResNet50_Weights.IMAGENET1K_V2), None
    else:
        net, path = build(), Path(options.weights)
        net.load_state_dict(torch.load(path, weights_only=True))
    return Backbone(resnet_trunk(net), "resnet50", "ResNet-50", options.licence, "ImageNet classification", path)


def foreign(options):
    """The network of `--module`."""
    package, _, factory = options.module.partition(":")
    trunk = getattr(importlib.import_module(package), factory)()
    name = options.name or factory
    return Backbone(trunk, name, type(trunk).__name__, options.licence, options.trained_on, None,
                    tuple(options.mean), tuple(options.std), options.min_side)


ARCHITECTURES = {"resnet50": resnet50}


# The file. ----------------------------------------------------------------------------------------------------------


def exported(network, side):
    """The graph from `image` to `features` alone, by PyTorch's exporter."""
    n, h, w = torch.export.Dim("N"), torch.export.Dim("H", min=side), torch.export.Dim("W", min=side)
    # Sides that differ from each other and from every multiple of the stride: nothing may be specialised to them.
    example = torch.rand(2, 3, 5 * side + 1, 6 * side + 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trunk.onnx"
        torch.onnx.export(network, (example,), path, input_names=["image"], output_names=["features"], opset_version=OPSET,
                          dynamic_shapes=({0: n, 2: h, 3: w},), external_data=False, dynamo=True, verbose=False)
        return onnx.load(path)


def reach(model):
    """(stride, pixels before, pixels after) that one feature sees, in pixels of the image; None where it may see everything.

    Followed node by node along both axes at once, so kernels must be square.
    """
    lengths = np.arange(300, 440)
    seen = {"image": (1, 0, 0, lengths)}
    for node in model.graph.node:
        inputs = [seen[name] for name in node.input if name in seen]
        if not inputs:
            continue
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        jump, before, after = inputs[0][0], max(i[1] for i in inputs), max(i[2] for i in inputs)
        if node.op_type in ("Conv", "MaxPool", "AveragePool"):
            kernel = attributes.get("kernel_shape") or initializer(model, node.input[1]).dims[2:]
            stride, dilation = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
            pads = attributes.get("pads", [0] * 4)
            square = all(len(set(pair)) == 1 for pair in (kernel, stride, dilation, pads[:2], pads[2:]))
            if not square or attributes.get("ceil_mode", 0) or attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
                return None
            span = (kernel[0] - 1) * dilation[0]
            before, after = before + pads[0] * jump, after + (span - pads[0]) * jump
            length = (inputs[0][3] + pads[0] + pads[2] - span - 1) // stride[0] + 1
            jump *= stride[0]
        elif node.op_type in POINTWISE:
            length = inputs[0][3]
        else:
            return None
        seen[node.output[0]] = (jump, before, after, length)
    stride, before, after, length = seen["features"]
    # Tiles count on it that every side is rounded up.
    if (length != -(-lengths // stride)).any():
        return None
    return stride, before, after


def initializer(model, name):
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def add_head(graph, channels):
    """Pool and head as the format wants them: two tensors of zeros, whose bytes a trained head replaces."""
    def constant(name, array):
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(kind, inputs, output, **attributes):
        graph.node.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    weight = constant("head.weight", np.zeros((1, channels, 1, 1), np.float32))
    bias = constant("head.bias", np.zeros(1, np.float32))
    node("Conv", ["features", weight, bias], "evidence", kernel_shape=[1, 1])
    node("Flatten", [node("GlobalAveragePool", ["features"], "pool")], "pooled", axis=1)
    row = node("Reshape", [weight, constant("head.row_shape", np.array([1, channels], np.int64))], "head.row")
    column = node("Gemm", ["pooled", row, bias], "head.column", transB=1)
    node("Squeeze", [column, constant("head.squeeze_axis", np.array([1], np.int64))], "logit")


def to_onnx(backbone):
    """The detector file of a backbone, as an ONNX model."""
    network = Normalised(backbone).eval()
    trunk = exported(network, backbone.min_side)
    with torch.no_grad():
        features = network(torch.rand(1, 3, 8 * backbone.min_side, 8 * backbone.min_side))
    if features.ndim != 4 or features.min() < 0:
        raise SystemExit(f"{backbone.name}: features are {list(features.shape)} from {features.min():.3g}, expected "
                         "[N, C, h, w] after a ReLU")
    channels = features.shape[1]
    seen = reach(trunk)
    stride, before, after = seen or (8 * backbone.min_side // features.shape[2], None, None)

    graph = trunk.graph
    add_head(graph, channels)
    del graph.output[:], graph.value_info[:]
    shapes = {"features": ["N", channels, "h", "w"], "pooled": ["N", channels], "logit": ["N"], "evidence": ["N", 1, "h", "w"]}
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph.name = backbone.name
    trunk.producer_name = "dear examples/export_backbone.py"
    digest = backbone.checkpoint and hashlib.sha256(backbone.checkpoint.read_bytes()).hexdigest()
    document = {
        "schema": 1,
        "name": backbone.name,
        "architecture": backbone.architecture,
        "licence": backbone.licence,
        "source": {"checkpoint": backbone.checkpoint and backbone.checkpoint.name, "sha256": digest},
        "stride": stride,
        "receptive_field": seen and before + after + 1,
        # The last cell of a tile begins one stride before the tile's end.
        "halo": seen and math.ceil(max(before, after - stride + 1, 0) / stride) * stride,
        "channels": channels,
        "preprocessing": {"color": "rgb", "range": [0, 1], "mean": list(backbone.mean), "std": list(backbone.std)},
        "valid_input": {"min_side": backbone.min_side, "trained_on": backbone.trained_on},
        "gate": None,
        "rad": None,
        "head": {"training": "none: a head of zeros"},
        "threshold": {"value": 0.0, "origin": "default (logit 0)"},
        "calibration": None,
        "card": "a backbone without a head: every logit is 0 until one is trained",
    }
    # The exporter leaves notes about the machine's source files in its properties.
    for item in (trunk, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    helper.set_model_props(trunk, {"dear": json.dumps(document)})
    onnx.checker.check_model(trunk, full_check=True)
    return trunk


def check(backbone, data):
    """The file against PyTorch, and a tile with its halo against the whole image."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    document = json.loads({p.key: p.value for p in onnx.load_from_string(data).metadata_props}["dear"])
    network, rng = Normalised(backbone).eval(), np.random.default_rng(0)
    stride, channels, halo = document["stride"], document["channels"], document["halo"]
    outputs = ["features", "pooled", "logit", "evidence"]
    for n, h, w in ((2, 96, 96), (1, 224, 224), (1, 201, 131)):
        image = rng.random((n, 3, h, w), np.float32)
        features, pooled, logit, evidence = session.run(outputs, {"image": image})
        with torch.no_grad():
            expected = network(torch.from_numpy(image)).numpy()
        # Folded batch norm rounds its weights once more: errors of f32 over some fifty layers. A wrong graph is off by more.
        bound = 5e-4 * max(1.0, expected.max())
        np.testing.assert_allclose(features, expected, rtol=0, atol=bound)
        np.testing.assert_allclose(pooled, expected.mean((2, 3)), rtol=0, atol=bound)
        assert (logit == 0).all() and logit.shape == (n,) and evidence.shape == (n, 1, *features.shape[2:])
        print(f"{n} x {h} x {w}: features {features.shape}, largest difference {np.abs(features - expected).max():.2e} of "
              f"{expected.max():.3g}")
    if halo is None:
        print("no halo: the network may see the whole image, so large images cannot be tiled")
        return
    # Three cells, with their halo, that begin two cells into the picture: the tile is cut on every side.
    side = 2 * halo + 7 * stride
    image = rng.random((1, 3, side, side + stride + 1), np.float32)
    whole = session.run(["features"], {"image": image})[0]
    margin = halo // stride
    tile = image[:, :, 2 * stride : 5 * stride + 2 * halo, 2 * stride : 5 * stride + 2 * halo]
    part = session.run(["features"], {"image": tile})[0][:, :, margin : margin + 3, margin : margin + 3]
    whole = whole[:, :, margin + 2 : margin + 5, margin + 2 : margin + 5]
    difference = np.abs(part - whole).max()
    assert difference <= 1e-4 * max(1.0, whole.max()), difference
    print(f"a tile with halo {halo}: largest difference {difference:.2e}; {channels} channels")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--arch", choices=ARCHITECTURES)
    what.add_argument("--module", metavar="PACKAGE:FACTORY", help="a function that returns a torch.nn.Module")
    parser.add_argument("--weights", help="a state dict; by default the architecture's ImageNet weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="compare the file with PyTorch")
    parser.add_argument("--licence", default="unknown", help="of the weights, an SPDX expression")
    parser.add_argument("--name", help="for --module; by default the factory's")
    parser.add_argument("--trained-on", default="unknown", help="for --module")
    parser.add_argument("--mean", type=float, nargs=3, default=IMAGENET_MEAN, help="for --module; by default ImageNet's")
    parser.add_argument("--std", type=float, nargs=3, default=IMAGENET_STD, help="for --module; by default ImageNet's")
    parser.add_argument("--min-side", type=int, default=32, help="for --module: the shortest side that it takes; 32")
    options = parser.parse_args()
    backbone = foreign(options) if options.module else ARCHITECTURES[options.arch](options)
    data = to_onnx(backbone).SerializeToString(deterministic=True)
    if options.check:
        check(backbone, data)
    options.out.write_bytes(data)
    print(f"{options.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
