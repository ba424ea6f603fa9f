"""What Python's ONNX Runtime answers about detector files, as fixtures for the Rust tests.

    python oracle/detector.py tiny          # tests/fixtures/detector/tiny.onnx, lazy.onnx, tiny.json
    python oracle/detector.py mini          # tests/fixtures/detector/mini.json, from models/mini.onnx
    python oracle/detector.py resynth       # tests/fixtures/detector/resynth.json, from models/resynth-x4.onnx
    python oracle/detector.py resynth_x2    # tests/fixtures/detector/resynth_x2.json, from models/resynth-x2.onnx
    python oracle/detector.py check FILE    # is FILE valid, and what does it answer? (JSON on stdout)

`tiny` is a detector of two seeded convolutions that keeps the contract in a few kilobytes. Images are not
stored: `picture` and its twin in `tests/detector.rs` draw the same pixels from integers.
Needs the packages of `oracle/requirements.txt`: numpy, onnx, onnxruntime.
"""

import argparse
import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "crates" / "dear" / "tests" / "fixtures" / "detector"
OUTPUTS = ["features", "pooled", "logit", "evidence"]
# (height, width, seed): a square, and odd sides in both directions
PICTURES = [(64, 64, 1), (65, 97, 2), (131, 49, 3)]
EVERY = 97  # of the features only each 97th number is kept


def picture(height, width, seed):
    """[height, width, 3] bytes: waves of integers, the same in every language."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3].astype(np.uint64)
    value = x * x * 3 + y * y * 5 + x * y * 7 + c * 89 + np.uint64(seed) * 31
    return ((value >> np.uint64(2)) & np.uint64(255)).astype(np.uint8)


def tensor(image):
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None]).astype(np.float32) / np.float32(255)


def open_session(model):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def other_head(channels):
    """A head that no file has, exact in f32: weights k/64."""
    return (np.arange(channels) * 37 % 129 - 64).astype(np.float32) / 64, np.float32(-0.75)


def replace_head(model, weight, bias):
    for initializer in model.graph.initializer:
        if initializer.name == "head.weight":
            initializer.CopyFrom(onnx.numpy_helper.from_array(weight.reshape(1, -1, 1, 1), "head.weight"))
        elif initializer.name == "head.bias":
            initializer.CopyFrom(onnx.numpy_helper.from_array(np.array([bias], np.float32), "head.bias"))
    return model


def answers(model):
    session = open_session(model)
    cases = []
    for height, width, seed in PICTURES:
        image = picture(height, width, seed)
        features, pooled, logit, evidence = session.run(OUTPUTS, {"image": tensor(image)})
        assert abs(evidence.mean() - logit[0]) < 1e-4
        cases.append(
            {
                "height": height,
                "width": width,
                "seed": seed,
                "pixels_sha256": hashlib.sha256(image.tobytes()).hexdigest(),
                "features_shape": list(features.shape),
                "features": numbers(features.ravel()[::EVERY]),
                "pooled": numbers(pooled[0]),
                "logit": numbers(logit)[0],
                "evidence_shape": list(evidence.shape),
                "evidence": numbers(evidence),
            }
        )
    return cases


def numbers(array):
    """9 digits tell every f32 from its neighbours."""
    return [float(f"{value:.9g}") for value in np.asarray(array, np.float64).ravel()]


def fixture(path):
    """All that the tests compare for one detector file."""
    data = path.read_bytes()
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    head = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer if i.name.startswith("head.")}
    channels = head["head.weight"].shape[1]
    cases = answers(model)
    weight, bias = other_head(channels)
    replaced = answers(replace_head(onnx.load_from_string(data), weight, bias))
    return {
        "made_by": f"oracle/detector.py {path.stem}",
        "versions": versions(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "every": EVERY,
        "head": {"weight": numbers(head["head.weight"]), "bias": float(head["head.bias"][0])},
        "other_head": {"weight": numbers(weight), "bias": float(bias)},
        "other_head_logits": [case["logit"] for case in replaced],
        "cases": cases,
    }


def versions():
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def tiny():
    """The contract in its smallest form. `head.bias` is written as `float_data`, the rest as `raw_data`."""
    rng = np.random.default_rng(20260)
    channels = 8
    initializers = []

    def constant(name, array):
        initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(name, out, into, side):
        return constant(name, (rng.standard_normal((out, into, side, side)) / np.sqrt(into * side)).astype(np.float32))

    def conv(inputs, output, side, stride):
        attributes = dict(kernel_shape=[side] * 2, strides=[stride] * 2, pads=[side // 2] * 4)
        return helper.make_node("Conv", inputs, [output], name=output, **attributes)

    constant("mean", np.full((1, 3, 1, 1), 0.5, np.float32))
    weight("conv1", 6, 3, 3)
    weight("conv2", channels, 6, 3)
    weight("head.weight", 1, channels, 1)
    initializers.append(helper.make_tensor("head.bias", TensorProto.FLOAT, [1], [0.125]))
    constant("row", np.array([1, channels], np.int64))
    constant("axis", np.array([1], np.int64))
    nodes = [
        helper.make_node("Sub", ["image", "mean"], ["centred"], name="centred"),
        conv(["centred", "conv1"], "first", 3, 2),
        helper.make_node("Relu", ["first"], ["active"], name="active"),
        conv(["active", "conv2"], "second", 3, 2),
        helper.make_node("Relu", ["second"], ["features"], name="features"),
        conv(["features", "head.weight", "head.bias"], "evidence", 1, 1),
        helper.make_node("GlobalAveragePool", ["features"], ["average"], name="average"),
        helper.make_node("Flatten", ["average"], ["pooled"], name="pooled", axis=1),
        helper.make_node("Reshape", ["head.weight", "row"], ["head.row"], name="head.row"),
        helper.make_node("Gemm", ["pooled", "head.row", "head.bias"], ["column"], name="column", transB=1),
        helper.make_node("Squeeze", ["column", "axis"], ["logit"], name="logit"),
    ]

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("image", ["N", 3, "H", "W"])],
        [
            value("features", ["N", channels, "h", "w"]),
            value("pooled", ["N", channels]),
            value("logit", ["N"]),
            value("evidence", ["N", 1, "h", "w"]),
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    document = {
        "schema": 1,
        "name": "tiny",
        "architecture": "two convolutions",
        "licence": "MIT OR Apache-2.0",
        "source": {"checkpoint": None, "sha256": None},
        "stride": 4,
        "receptive_field": 7,
        "halo": 4,
        "channels": channels,
        "preprocessing": {"color": "rgb", "range": [0, 1], "mean": [0.5] * 3, "std": [1] * 3},
        "valid_input": {"min_side": 16},
        "gate": None,
        "rad": None,
        "head": {"training": "none: seeded random weights"},
        "threshold": {"value": 0.25, "origin": "fixture"},
        "calibration": None,
        "card": "for tests",
        "not_in_the_schema": {"kept": True},
    }
    helper.set_model_props(model, {"other": "kept as it is", "dear": json.dumps(document)})
    onnx.checker.check_model(model, full_check=True)
    return model


def lazy(model):
    """`tiny` whose evidence fails when it is computed: who asks only for the logit must not notice."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    (node,) = [node for node in model.graph.node if node.name == "evidence"]
    node.op_type = "Reshape"
    node.ClearField("attribute")
    del node.input[:]
    node.input.extend(["features", "impossible"])
    shape = np.array([1, 1, 5, 1000003], np.int64)
    model.graph.initializer.append(onnx.numpy_helper.from_array(shape, "impossible"))
    return model


def pretty(value, indent=0):
    """JSON with a line for each key, and lists of numbers on one line."""
    pad = "\n" + " " * (indent + 1)
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {pretty(item, indent + 1)}" for key, item in value.items()]
        return "{" + pad + f",{pad}".join(items) + pad[:-1] + "}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return "[" + pad + f",{pad}".join(pretty(item, indent + 1) for item in value) + pad[:-1] + "]"
    return json.dumps(value)


def write_json(path, document):
    path.write_text(pretty(document) + "\n")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


def write_tiny():
    model = tiny()
    for name, variant in (("tiny", model), ("lazy", lazy(model))):
        (FIXTURES / f"{name}.onnx").write_bytes(variant.SerializeToString(deterministic=True))
    write_json(FIXTURES / "tiny.json", fixture(FIXTURES / "tiny.onnx"))


def write_mini():
    write_json(FIXTURES / "mini.json", fixture(ROOT / "models" / "mini.onnx"))


def write_resynth(scale, name):
    path = ROOT / "models" / f"resynth-x{scale}.onnx"
    height, width, seed = 10, 7, 4
    large = open_session(path.read_bytes()).run(["upscaled"], {"image": tensor(picture(height, width, seed))})[0]
    pixels = np.floor(large[0].transpose(1, 2, 0).astype(np.float64) * 255 + 0.5).clip(0, 255)
    document = {
        "made_by": f"oracle/detector.py {name}",
        "versions": versions(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "height": height,
        "width": width,
        "seed": seed,
        "pixels": [int(value) for value in pixels.ravel()],
    }
    write_json(FIXTURES / f"{name}.json", document)


def check(path):
    data = path.read_bytes()
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    document = {entry.key: entry.value for entry in model.metadata_props}
    session = open_session(data)
    logits = [
        numbers(session.run(["logit"], {"image": tensor(picture(*size))})[0])[0] for size in PICTURES
    ]
    # What an edit must not touch, as onnx reads it.
    for initializer in model.graph.initializer:
        if initializer.name.startswith("head."):
            initializer.Clear()
    del model.metadata_props[:]
    rest = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    print(json.dumps({"logits": logits, "rest_sha256": rest, "metadata": json.loads(document["dear"])}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["tiny", "mini", "resynth", "resynth_x2", "check"])
    parser.add_argument("file", nargs="?", type=Path)
    options = parser.parse_args()
    if options.what == "check":
        check(options.file)
    else:
        FIXTURES.mkdir(parents=True, exist_ok=True)
        {
            "tiny": write_tiny,
            "mini": write_mini,
            "resynth": lambda: write_resynth(4, "resynth"),
            "resynth_x2": lambda: write_resynth(2, "resynth_x2"),
        }[options.what]()


if __name__ == "__main__":
    main()
