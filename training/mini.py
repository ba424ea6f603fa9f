"""The `mini` detector: its network, and how it becomes `models/mini.onnx`.

    python training/mini.py --out models/mini.onnx                   # untrained, seeded weights
    python training/mini.py --checkpoint mini.pt --out models/mini.onnx

A bottleneck ResNet without stem down-sampling, as Corvi's ResNet-50, only a hundred times cheaper. The
ONNX graph is written node by node instead of traced, so that its names are readable, batch norm is
folded into the convolutions and only operators remain that every engine has.
"""

import argparse
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
STEM = 16
# (bottleneck width, output channels, stride of the first block, blocks)
STAGES = ((8, 32, 1, 1), (16, 64, 2, 2), (32, 128, 2, 2), (64, 256, 2, 2))
CHANNELS = STAGES[-1][1]
STRIDE = math.prod(stage[2] for stage in STAGES)
MAX_MACS_PER_PIXEL = 15_000
MAX_BYTES = 3_000_000
OPSET = 17


class ConvNorm(nn.Module):
    """A convolution without bias and its batch norm: one `Conv` in the exported graph."""

    def __init__(self, channels_in, channels_out, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x):
        return self.norm(self.conv(x))

    def folded(self):
        """Weight and bias of the single convolution that does the same in inference, in f64 -> f32."""
        norm = self.norm
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        weight = self.conv.weight.double() * scale[:, None, None, None]
        bias = norm.bias.double() - norm.running_mean.double() * scale
        return weight.float().detach().numpy(), bias.float().detach().numpy()


class Bottleneck(nn.Module):
    """1x1 reduce, 3x3 (carries the stride), 1x1 expand, plus a projected or identical shortcut."""

    def __init__(self, channels_in, width, channels_out, stride):
        super().__init__()
        self.reduce = ConvNorm(channels_in, width, 1)
        self.spatial = ConvNorm(width, width, 3, stride)
        self.expand = ConvNorm(width, channels_out, 1)
        same = stride == 1 and channels_in == channels_out
        self.shortcut = None if same else ConvNorm(channels_in, channels_out, 1, stride)
        nn.init.zeros_(self.expand.norm.weight)  # a block starts as its shortcut

    def forward(self, x):
        y = torch.relu(self.reduce(x))
        y = torch.relu(self.spatial(y))
        y = self.expand(y)
        return torch.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Mini(nn.Module):
    """Takes RGB in 0..1; `features` are post-ReLU, `head` is average pool + linear."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        self.stem = ConvNorm(3, STEM, 3)
        stages, channels = [], STEM
        for width, out, stride, blocks in STAGES:
            stage = []
            for index in range(blocks):
                stage.append(Bottleneck(channels, width, out, stride if index == 0 else 1))
                channels = out
            stages.append(nn.ModuleList(stage))
        self.stages = nn.ModuleList(stages)
        self.head = nn.Linear(CHANNELS, 1)

    def features(self, image):
        x = torch.relu(self.stem((image - self.mean) / self.std))
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return x

    def forward(self, image):
        return self.head(self.features(image).mean((2, 3))).squeeze(1)

    def convolutions(self):
        """(ConvNorm, down-sampling of its *input* relative to the image), in order of execution."""
        yield self.stem, 1
        down = 1
        for stage in self.stages:
            for block in stage:
                yield block.reduce, down
                yield block.spatial, down
                if block.shortcut is not None:
                    yield block.shortcut, down
                down *= block.spatial.conv.stride[0]
                yield block.expand, down


def macs_per_pixel(net):
    """Multiply-adds of all convolutions per pixel of the input image (the head adds C per cell / 64)."""
    total = 0.0
    for unit, down in net.convolutions():
        conv = unit.conv
        out = down * conv.stride[0]
        total += conv.in_channels * conv.out_channels * conv.kernel_size[0] ** 2 / out**2
    return total


def receptive_field(net):
    """Side in pixels. Only the 3x3 convolutions widen it, and shortcuts run beside them."""
    return 1 + sum((unit.conv.kernel_size[0] - 1) * down for unit, down in net.convolutions())


def halo(net):
    """Pixels beyond a tile that can influence its features, rounded up to whole feature cells."""
    return math.ceil((receptive_field(net) - 1) / 2 / STRIDE) * STRIDE


def to_onnx(net, metadata):
    """The ONNX model of a network in inference mode."""
    nodes, initializers = [], []

    def constant(name, array):
        array = np.ascontiguousarray(array)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        initializers.append(helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def conv(unit, x, name):
        weight, bias = unit.folded()
        side, stride, pad = unit.conv.kernel_size[0], unit.conv.stride[0], unit.conv.padding[0]
        inputs = [x, constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)]
        return node("Conv", inputs, name, kernel_shape=[side] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def conv_relu(unit, x, name):
        return node("Relu", [conv(unit, x, name)], f"{name}.relu")

    mean = constant("preprocessing.mean", np.array(MEAN, np.float32).reshape(1, 3, 1, 1))
    std = constant("preprocessing.std", np.array(STD, np.float32).reshape(1, 3, 1, 1))
    x = node("Sub", ["image", mean], "preprocessing.centred")
    x = node("Div", [x, std], "preprocessing.normalised")
    x = conv_relu(net.stem, x, "stem")
    blocks = [(s, b, block) for s, stage in enumerate(net.stages, 1) for b, block in enumerate(stage, 1)]
    for s, b, block in blocks:
        name = f"stage{s}.block{b}"
        y = conv_relu(block.reduce, x, f"{name}.reduce")
        y = conv_relu(block.spatial, y, f"{name}.spatial")
        y = conv(block.expand, y, f"{name}.expand")
        if block.shortcut is not None:
            x = conv(block.shortcut, x, f"{name}.shortcut")
        y = node("Add", [y, x], f"{name}.add")
        last = block is blocks[-1][2]
        x = node("Relu", [y], "features" if last else f"{name}.relu")

    # The head is exactly these two tensors; whoever replaces it replaces them and nothing else.
    weight = constant("head.weight", net.head.weight.detach().numpy().reshape(1, CHANNELS, 1, 1))
    bias = constant("head.bias", net.head.bias.detach().numpy().reshape(1))
    node("Conv", ["features", weight, bias], "evidence", kernel_shape=[1, 1], strides=[1, 1], pads=[0] * 4)
    average = node("GlobalAveragePool", ["features"], "pool")
    node("Flatten", [average], "pooled", axis=1)
    row = node("Reshape", [weight, constant("head.row_shape", np.array([1, CHANNELS], np.int64))], "head.row")
    column = node("Gemm", ["pooled", row, bias], "head.column", transB=1)
    node("Squeeze", [column, constant("head.squeeze_axis", np.array([1], np.int64))], "logit")

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "mini",
        [value("image", ["N", 3, "H", "W"])],
        [
            value("features", ["N", CHANNELS, "h", "w"]),
            value("pooled", ["N", CHANNELS]),
            value("logit", ["N"]),
            value("evidence", ["N", 1, "h", "w"]),
        ],
        initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="dear training/mini.py"
    )
    helper.set_model_props(model, {"dear": json.dumps(metadata)})
    onnx.checker.check_model(model, full_check=True)
    return model


def metadata(net, checkpoint_sha256, trained_on, head_training):
    return {
        "schema": 1,
        "name": "mini",
        "architecture": "mini-resnet",
        "licence": "MIT OR Apache-2.0",
        "source": {"checkpoint": "mini.pt", "sha256": checkpoint_sha256},
        "stride": STRIDE,
        "receptive_field": receptive_field(net),
        "halo": halo(net),
        "channels": CHANNELS,
        "preprocessing": {"color": "rgb", "range": [0, 1], "mean": list(MEAN), "std": list(STD)},
        "valid_input": {"min_side": 48, "trained_on": trained_on},
        "gate": None,
        "rad": None,
        "head": {"training": head_training},
        "threshold": {"value": 0.0, "origin": "default (logit 0)"},
        "calibration": None,
        "card": "for demonstration and tests, never to judge anyone's picture",
    }


def check(net, path):
    """What the contract promises, asked of ONNX Runtime: equal to PyTorch, evidence, halo, odd sides."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for side_h, side_w in ((96, 96), (201, 131)):
        image = rng.random((2, 3, side_h, side_w), np.float32)
        features, pooled, logit, evidence = session.run(["features", "pooled", "logit", "evidence"], {"image": image})
        with torch.no_grad():
            expected = net(torch.from_numpy(image)).numpy()
        assert features.shape == (2, CHANNELS, -(-side_h // STRIDE), -(-side_w // STRIDE)), features.shape
        assert features.min() >= 0 and pooled.shape == (2, CHANNELS) and logit.shape == (2,)
        np.testing.assert_allclose(logit, expected, atol=1e-4)
        np.testing.assert_allclose(evidence.mean((1, 2, 3)), logit, atol=1e-4)
    # A tile with its halo must give the features of the whole image.
    image = rng.random((1, 3, 256, 256), np.float32)
    margin = halo(net)
    tile = image[:, :, 96 - margin : 160 + margin, 96 - margin : 160 + margin]
    whole = session.run(["features"], {"image": image})[0][:, :, 12:20, 12:20]
    cell = margin // STRIDE
    part = session.run(["features"], {"image": tile})[0][:, :, cell : cell + 8, cell : cell + 8]
    np.testing.assert_allclose(part, whole, atol=1e-4)


def export(net, path, info):
    net = net.eval()
    assert macs_per_pixel(net) <= MAX_MACS_PER_PIXEL
    data = to_onnx(net, info).SerializeToString(deterministic=True)
    assert len(data) <= MAX_BYTES
    Path(path).write_bytes(data)
    check(net, path)
    print(
        f"{path}: {len(data)} bytes, {macs_per_pixel(net):.0f} MAC per pixel, receptive field "
        f"{receptive_field(net)}, halo {halo(net)}, sha256 {hashlib.sha256(data).hexdigest()}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="written by train.py; without it weights are random")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    net = Mini()
    if options.checkpoint is None:
        info = metadata(net, None, "nothing", "none: seeded random weights")
    else:
        saved = torch.load(options.checkpoint, weights_only=True)
        net.load_state_dict(saved["model"])
        digest = hashlib.sha256(options.checkpoint.read_bytes()).hexdigest()
        info = metadata(net, digest, saved["trained_on"], saved["training"])
    export(net, options.out, info)


if __name__ == "__main__":
    main()
