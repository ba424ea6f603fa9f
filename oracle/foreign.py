"""Foreign classifiers in ONNX and what their users' pipelines answer, for `dear import --arch onnx`.

    python oracle/foreign.py    # tests/fixtures/foreign/*.onnx, *.png, foreign.json

Each pipeline is written as its users would write it, in NumPy and Pillow around Python's ONNX Runtime; it knows nothing of
`dear`. Weights are seeded and tiny. Needs the packages of `oracle/requirements.txt`: numpy, onnx, onnxruntime, pillow.
"""

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import PIL
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from PIL import Image

from detector import numbers, picture

FOLDER = Path(__file__).resolve().parent.parent / "crates" / "dear" / "tests" / "fixtures" / "foreign"
SEED = 20267
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


class Writer:
    """A graph under construction."""

    def __init__(self, seed, windows=True):
        self.rng = np.random.default_rng(SEED + seed)
        self.windows = windows
        self.nodes, self.initializers = [], []

    def weight(self, name, *shape, scale=1.0):
        fan = int(np.prod(shape[1:])) or 1
        array = (self.rng.standard_normal(shape) * scale / np.sqrt(fan)).astype(np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator, inputs, output, **attributes):
        if operator == "Conv" and self.windows:  # As most exporters write it.
            attributes["kernel_shape"] = [3, 3]
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def save(self, name, inputs, outputs, opset, ir):
        port = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)
        inputs = [port(*one) for one in inputs]
        if ir < 4:  # Initializers were inputs as well.
            inputs += [port(tensor.name, tensor.data_type, tensor.dims) for tensor in self.initializers]
        graph = helper.make_graph(self.nodes, name, inputs, [port(*one) for one in outputs], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
        model.producer_name = "oracle"
        onnx.checker.check_model(model, full_check=True)
        (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


def keras():
    """NHWC, bytes 0..255, BGR, one image of 24 x 32 at a time, softmax of two (real, generated). Old operators."""
    w = Writer(1)
    x = w.node("Transpose", ["input_1"], "nchw", perm=[0, 3, 1, 2])
    x = w.node("Mul", [x, w.constant("scale", np.float32(1 / 64))], "scaled")
    x = w.node("Conv", [x, w.weight("kernel", 4, 3, 3, 3), w.weight("bias", 4)], "conv", pads=[1] * 4, strides=[2, 2])
    x = w.node("Relu", [x], "relu")
    x = w.node("GlobalAveragePool", [x], "gap")
    x = w.node("Flatten", [x], "flat")
    x = w.node("Gemm", [x, w.weight("dense", 4, 2, scale=2), w.weight("dense_bias", 2)], "scores")
    w.node("Softmax", [x], "Identity", axis=1)
    w.save("keras", [("input_1", TensorProto.FLOAT, [1, 24, 32, 3])], [("Identity", TensorProto.FLOAT, [1, 2])], 7, 3)

    def pipeline(session, path):
        bgr = np.asarray(Image.open(path).convert("RGB"))[:, :, ::-1].astype(np.float32)
        return session.run(["Identity"], {"input_1": bgr[None]})[0][0].tolist()

    return pipeline


def timm():
    """NCHW, RGB, ImageNet's mean and deviation, any size, probability that the picture is real behind a sigmoid."""
    w = Writer(2)
    x = w.node("Conv", ["pixel_values", w.weight("w0", 6, 3, 3, 3), w.weight("b0", 6)], "c0", pads=[1] * 4, strides=[2, 2])
    x = w.node("Relu", [x], "r0")
    x = w.node("Conv", [x, w.weight("w1", 8, 6, 3, 3), w.weight("b1", 8)], "c1", pads=[1] * 4)
    x = w.node("Relu", [x], "r1")
    x = w.node("ReduceMean", [x], "mean", axes=[2, 3], keepdims=0)
    x = w.node("MatMul", [x, w.weight("fc.weight", 8, 1, scale=4)], "fc")
    x = w.node("Add", [x, w.constant("fc.bias", np.array([-3.0], np.float32))], "score")
    w.node("Sigmoid", [x], "prob")
    w.save(
        "timm",
        [("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [("prob", TensorProto.FLOAT, ["batch", 1]), ("r1", TensorProto.FLOAT, ["batch", 8, "h", "w"])],
        13,
        8,
    )

    def pipeline(session, path):
        rgb = np.asarray(Image.open(path).convert("RGB")).astype(np.float32) / 255
        x = ((rgb - MEAN) / STD).transpose(2, 0, 1)[None]
        return session.run(["prob"], {"pixel_values": np.ascontiguousarray(x)})[0][0].tolist()

    return pipeline


def torch_export():
    """NCHW, RGB, -1..1, any size, two logits (generated, real) of a named feature map, its mean and a Gemm."""
    w = Writer(3)
    x = w.node("Conv", ["x", w.weight("stem.weight", 6, 3, 3, 3), w.weight("stem.bias", 6)], "stem", pads=[1] * 4, strides=[2, 2])
    x = w.node("Relu", [x], "act")
    x = w.node("Conv", [x, w.weight("body.weight", 8, 6, 3, 3), w.weight("body.bias", 8)], "body", pads=[1] * 4, strides=[2, 2])
    x = w.node("Relu", [x], "feature_map")
    x = w.node("GlobalAveragePool", [x], "gap")
    x = w.node("Flatten", [x], "flat")
    w.node("Gemm", [x, w.weight("classifier.weight", 2, 8, scale=4), w.weight("classifier.bias", 2)], "logits", transB=1)
    w.save("torch", [("x", TensorProto.FLOAT, ["n", 3, "h", "w"])], [("logits", TensorProto.FLOAT, ["n", 2])], 17, 8)

    def pipeline(session, path):
        rgb = np.asarray(Image.open(path).convert("RGB")).astype(np.float32)
        x = (rgb / np.float32(127.5) - 1).transpose(2, 0, 1)[None]
        return session.run(["logits"], {"x": np.ascontiguousarray(x)})[0][0].tolist()

    return pipeline


def names():
    """Every name of the contract is taken by something else, and the input wants bytes. One logit, high for generated."""
    w = Writer(4)
    x = w.node("Cast", ["image"], "pooled", to=TensorProto.FLOAT)
    x = w.node("Mul", [x, w.constant("head.bias", np.float32(1 / 255))], "dear.mul_0")
    x = w.node("Conv", [x, w.weight("head.weight", 4, 3, 3, 3)], "features", name="logit", pads=[1] * 4)
    x = w.node("Relu", [x], "logit.foreign", name="features")
    x = w.node("ReduceMean", [x], "evidence", axes=[2, 3], keepdims=0)
    w.node("MatMul", [x, w.weight("pooled.shape", 4, 1, scale=6)], "logit")
    w.save("names", [("image", TensorProto.UINT8, [1, 3, "h", "w"])], [("logit", TensorProto.FLOAT, [1, 1])], 13, 7)

    def pipeline(session, path):
        rgb = np.asarray(Image.open(path).convert("RGB"))
        return session.run(["logit"], {"image": rgb.transpose(2, 0, 1)[None]})[0][0].tolist()

    return pipeline


def saturated():
    """A probability that is exactly 0 for dark pictures and exactly 1 for bright ones."""
    w = Writer(5)
    x = w.node("GlobalAveragePool", ["x"], "gap")
    x = w.node("ReduceMean", [x], "mean", axes=[1, 2, 3], keepdims=0)
    x = w.node("Sub", [x, w.constant("half", np.float32(0.5))], "centred")
    x = w.node("Mul", [x, w.constant("steep", np.float32(1000))], "steep_logit")
    w.node("Sigmoid", [x], "p")
    w.save("saturated", [("x", TensorProto.FLOAT, ["n", 3, "h", "w"])], [("p", TensorProto.FLOAT, ["n"])], 17, 8)

    def pipeline(session, path):
        x = np.asarray(Image.open(path).convert("RGB")).astype(np.float32).transpose(2, 0, 1)[None] / 255
        return session.run(["p"], {"x": np.ascontiguousarray(x)})[0].tolist()

    return pipeline


def half():
    """As converted to half precision, input and output too: NCHW, RGB, 0..1, any size, one logit, high for generated."""
    w = Writer(6)
    x = w.node("Conv", ["x", w.weight("w0", 6, 3, 3, 3), w.weight("b0", 6)], "c0", pads=[1] * 4, strides=[2, 2])
    x = w.node("Relu", [x], "r0")
    x = w.node("GlobalAveragePool", [x], "gap")
    x = w.node("Flatten", [x], "flat")
    w.node("Gemm", [x, w.weight("fc.weight", 6, 1, scale=4), w.weight("fc.bias", 1)], "logit")
    w.initializers = [numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float16), t.name) for t in w.initializers]
    ports = [("x", TensorProto.FLOAT16, ["n", 3, "h", "w"])], [("logit", TensorProto.FLOAT16, ["n", 1])]
    w.save("half", *ports, 17, 8)

    def pipeline(session, path):
        rgb = np.asarray(Image.open(path).convert("RGB")).astype(np.float32) / 255
        return session.run(["logit"], {"x": rgb.transpose(2, 0, 1)[None].astype(np.float16)})[0][0].tolist()

    return pipeline


def quantised():
    """Quantised while it runs, so that a picture's answer depends on its batch: NCHW, RGB, bytes, any size, one logit."""
    w = Writer(7)
    x = w.node("Conv", ["x", w.weight("w0", 6, 3, 3, 3), w.weight("b0", 6)], "c0", pads=[1] * 4, strides=[2, 2])
    x = w.node("Relu", [x], "r0")
    x = w.node("Conv", [x, w.weight("w1", 8, 6, 3, 3), w.weight("b1", 8)], "c1", pads=[1] * 4)
    x = w.node("Relu", [x], "r1")
    x = w.node("GlobalAveragePool", [x], "gap")
    x = w.node("Flatten", [x], "flat")
    w.node("Gemm", [x, w.weight("fc.weight", 8, 1, scale=0.1), w.weight("fc.bias", 1)], "logit")
    ports = [("x", TensorProto.FLOAT, ["n", 3, "h", "w"])], [("logit", TensorProto.FLOAT, ["n", 1])]
    w.save("quantised", *ports, 17, 8)
    file = FOLDER / "quantised.onnx"
    quantize_dynamic(file, file, weight_type=QuantType.QUInt8)

    def pipeline(session, path):
        rgb = np.asarray(Image.open(path).convert("RGB")).astype(np.float32)
        return session.run(["logit"], {"x": np.ascontiguousarray(rgb.transpose(2, 0, 1)[None])})[0][0].tolist()

    return pipeline


def rigid():
    """Says that it takes any size, and has a layer for one: 24 x 32. NCHW, RGB, 0..1, one logit, high for generated."""
    w = Writer(8)
    x = w.node("AveragePool", ["x"], "cells", kernel_shape=[8, 8], strides=[8, 8])
    x = w.node("Flatten", [x], "flat")
    w.node("MatMul", [x, w.weight("fc.weight", 36, 1, scale=4)], "logit")
    w.save("rigid", [("x", TensorProto.FLOAT, ["n", 3, "h", "w"])], [("logit", TensorProto.FLOAT, ["n", 1])], 17, 8)

    def pipeline(session, path):
        x = np.asarray(Image.open(path).convert("RGB")).astype(np.float32).transpose(2, 0, 1)[None] / 255
        return session.run(["logit"], {"x": np.ascontiguousarray(x)})[0][0].tolist()

    return pipeline


def bare():
    """What ONNX has a default for is left out, as where a graph is written by hand; operators of version 18. NCHW, RGB, 0..1, one logit."""
    w = Writer(9, windows=False)
    x = w.node("Conv", ["x", w.weight("conv1.weight", 6, 3, 3, 3, scale=2), w.weight("conv1.bias", 6)], "c1")
    x = w.node("Relu", [x], "r1")
    x = w.node("MaxPool", [x], "m1", kernel_shape=[3, 2])
    x = w.node("Conv", [x, w.weight("conv2.weight", 6, 1, 3, 1, scale=2)], "c2", group=6, pads=[1, 0, 1, 0])
    x = w.node("AveragePool", [x], "a1", kernel_shape=[2, 2], pads=[1, 1, 0, 0])
    x = w.node("ConvTranspose", [x, w.weight("up.weight", 6, 4, 2, 2, scale=2)], "u1", strides=[2, 2])
    x = w.node("Relu", [x], "r2")
    x = w.node("GlobalAveragePool", [x], "mean")
    x = w.node("Flatten", [x], "flat")
    w.node("Gemm", [x, w.weight("fc.weight", 4, 1, scale=3), w.weight("fc.bias", 1)], "logit")
    w.save("bare", [("x", TensorProto.FLOAT, ["n", 3, "h", "w"])], [("logit", TensorProto.FLOAT, ["n", 1])], 18, 8)

    def pipeline(session, path):
        x = np.asarray(Image.open(path).convert("RGB")).astype(np.float32).transpose(2, 0, 1)[None] / 255
        return session.run(["logit"], {"x": np.ascontiguousarray(x)})[0][0].tolist()

    return pipeline


def nested():
    """A graph inside a node uses one of the contract's names."""
    port = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    branch = lambda name, operator: helper.make_graph(
        [helper.make_node(operator, ["mean"], ["features" if operator == "Neg" else "other"])],
        name,
        [],
        [port("features" if operator == "Neg" else "other", ["n", 3, 1, 1])],
    )
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("If", ["yes"], ["chosen"], then_branch=branch("then", "Neg"), else_branch=branch("else", "Abs")),
        helper.make_node("ReduceMean", ["chosen"], ["answer"], axes=[1, 2, 3], keepdims=0),
    ]
    yes = numpy_helper.from_array(np.array(True), "yes")
    graph = helper.make_graph(nodes, "nested", [port("x", ["n", 3, "h", "w"])], [port("answer", ["n"])], [yes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    (FOLDER / "nested.onnx").write_bytes(model.SerializeToString())


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    pictures = [("a.png", 24, 32, 1), ("b.png", 24, 32, 5), ("c.png", 41, 35, 2)]
    for name, height, width, seed in pictures:
        # Colours differ in strength, so that their order matters.
        coloured = (picture(height, width, seed) * [1.0, 0.6, 0.3]).astype(np.uint8)
        Image.fromarray(coloured).save(FOLDER / name)
    for name, value in [("dark.png", 0), ("bright.png", 255), ("grey.png", 117)]:
        Image.new("RGB", (32, 24), (value,) * 3).save(FOLDER / name)
    nested()
    everything = ["a.png", "b.png", "c.png"]
    parts = [
        ("keras", keras(), everything[:2]),
        ("timm", timm(), everything),
        ("torch", torch_export(), [*everything, "grey.png"]),
        ("names", names(), everything),
        ("saturated", saturated(), ["dark.png", "bright.png"]),
        ("half", half(), everything),
        ("quantised", quantised(), everything),
        ("rigid", rigid(), everything[:2]),
        ("bare", bare(), everything),
    ]
    networks = []
    for name, pipeline, images in parts:
        session = onnxruntime.InferenceSession((FOLDER / f"{name}.onnx").read_bytes(), providers=["CPUExecutionProvider"])
        answers = [{"image": image, "answer": numbers(pipeline(session, FOLDER / image))} for image in images]
        digest = hashlib.sha256((FOLDER / f"{name}.onnx").read_bytes()).hexdigest()
        networks.append({"name": name, "sha256": digest, "answers": answers})
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "pillow": PIL.__version__,
    }
    fixture = {"made_by": "oracle/foreign.py", "versions": versions, "seed": SEED, "networks": networks}
    (FOLDER / "foreign.json").write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
