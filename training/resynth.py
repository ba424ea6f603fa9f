"""Converts a super-resolution network of npm `@upscalerjs/esrgan-medium` or `-slim` to ONNX.

    python training/resynth.py --package oracle/node_modules/@upscalerjs/esrgan-medium \
        --scale 4 --out models/resynth-x4.onnx

The package holds a TensorFlow.js layers model: `model.json` (topology, list of weights) and one file of
little-endian f32. Run on an image reduced by the same factor, the network re-synthesises it: a neural
generator small enough to embed, with the periodic traces of its nearest-neighbour enlargement.
`--check FIXTURE` compares the result with what TensorFlow.js itself answered (`oracle/resynth.mjs`).
"""

import argparse
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET = 17


def read_layers_model(folder):
    """(layers, name -> array, sha256 of the weight file) of a TensorFlow.js layers model."""
    document = json.loads((folder / "model.json").read_text())
    topology = document["modelTopology"]["model_config"]["config"]
    weights, digest = {}, hashlib.sha256()
    for group in document["weightsManifest"]:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        digest.update(data)
        offset = 0
        for entry in group["weights"]:
            assert entry["dtype"] == "float32" and "quantization" not in entry, entry
            count = math.prod(entry["shape"])
            weights[entry["name"]] = np.frombuffer(data, "<f4", count, offset).reshape(entry["shape"])
            offset += 4 * count
        assert offset == len(data), (offset, len(data))
    return topology, weights, digest.hexdigest()


def convert(topology, weights, scale, weights_sha256, package):
    """The ONNX model. Layer names stay; a value that this does not know is an error, never a guess."""
    nodes, initializers, unused = [], [], set(weights)
    reach = {}  # pixels, in units of the small image, that can influence a value beyond its own position
    unit = {}  # size of one pixel of a value, in pixels of the small image

    def constant(name, array):
        array = np.ascontiguousarray(array)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        initializers.append(helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True))
        return name

    for layer in topology["layers"]:
        kind, name, config = layer["class_name"], layer["name"], layer["config"]
        if kind == "InputLayer":
            source, reach[name], unit[name] = name, 0.0, 1.0
            continue
        (inbound,) = layer["inbound_nodes"]
        inputs = [entry[0] for entry in inbound]
        reach[name], unit[name] = max(reach[i] for i in inputs), unit[inputs[0]]
        values = ["image" if i == source else i for i in inputs]
        if kind == "Conv2D":
            kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
            unused -= {f"{name}/kernel", f"{name}/bias"}
            side = kernel.shape[0]
            assert kernel.shape[1] == side and side % 2 == 1 and config["strides"] == [1, 1], config
            assert config["dilation_rate"] == [1, 1] and config["groups"] == 1, config
            assert config["activation"] == "linear" and (config["padding"] == "same" or side == 1), config
            values += [constant(f"{name}.weight", kernel.transpose(3, 2, 0, 1)), constant(f"{name}.bias", bias)]
            attributes = dict(kernel_shape=[side] * 2, strides=[1, 1], pads=[side // 2] * 4)
            nodes.append(helper.make_node("Conv", values, [name], name=name, **attributes))
            reach[name] += side // 2 * unit[name]
        elif kind == "Activation":
            assert config["activation"] == "relu", config
            nodes.append(helper.make_node("Relu", values, [name], name=name))
        elif kind == "Concatenate":
            assert config["axis"] in (3, -1), config
            nodes.append(helper.make_node("Concat", values, [name], name=name, axis=1))
        elif kind == "Add":
            total = values[0]
            for index, value in enumerate(values[1:], 2):
                output = name if index == len(values) else f"{name}.{index}"
                nodes.append(helper.make_node("Add", [total, value], [output], name=output))
                total = output
        elif kind == "UpSampling2D":
            assert config["size"] == [scale, scale] and config["interpolation"] == "nearest", config
            values += ["", constant(f"{name}.scales", np.array([1, 1, scale, scale], np.float32))]
            attributes = dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
            nodes.append(helper.make_node("Resize", values, [name], name=name, **attributes))
            unit[name] /= scale
        else:
            raise ValueError(f"layer {name}: unknown kind {kind}")
    assert not unused, unused

    (output,) = [entry[0] for entry in topology["output_layers"]]
    assert unit[output] == 1 / scale, "the network does not enlarge by its scale"
    bounds = [constant("output.low", np.array(0, np.float32)), constant("output.high", np.array(1, np.float32))]
    nodes.append(helper.make_node("Clip", [output, *bounds], ["upscaled"], name="upscaled"))
    name = f"resynth-x{scale}"
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "h", "w"])],
        [helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, ["N", 3, f"{scale}*h", f"{scale}*w"])],
        initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="dear training/resynth.py"
    )
    document = {
        "schema": 1,
        "kind": "generator",
        "name": name,
        "scale": scale,
        "halo": math.ceil(reach[output]),
        "licence": "MIT",
        "source": {
            "package": package["name"],
            "version": package["version"],
            "model": f"models/x{scale}",
            "weights_sha256": weights_sha256,
            "copyright": "Copyright (c) 2022 Kevin Scott",
        },
    }
    helper.set_model_props(model, {"dear": json.dumps(document)})
    onnx.checker.check_model(model, full_check=True)
    return model


def load(package, scale):
    manifest = json.loads((package / "package.json").read_text())
    topology, weights, digest = read_layers_model(package / "models" / f"x{scale}")
    return convert(topology, weights, scale, digest, manifest)


def check_halo(session, scale, halo):
    """A tile with its halo must give what the whole image gives, and one pixel less must not."""
    image = np.random.default_rng(0).random((1, 3, 96, 96), np.float32)
    whole = session.run(["upscaled"], {"image": image})[0]
    inner = slice(44 * scale, 52 * scale)
    for margin, exact in ((halo, True), (halo - 8, False)):
        tile = image[:, :, 44 - margin : 52 + margin, 44 - margin : 52 + margin]
        part = session.run(["upscaled"], {"image": tile})[0]
        cut = slice(margin * scale, (margin + 8) * scale)
        difference = np.abs(part[:, :, cut, cut] - whole[:, :, inner, inner]).max()
        print(f"margin of {margin}: tile differs from the whole by {difference:.2e}")
        assert not exact or difference < 1e-5


def check_fixture(session, path):
    fixture = json.loads(path.read_text())
    image = np.array(fixture["input"], np.float32).transpose(2, 0, 1)[None] / np.float32(255)
    expected = np.array(fixture["output"], np.float32).transpose(2, 0, 1)[None]
    actual = session.run(["upscaled"], {"image": image})[0]
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    difference = np.abs(actual - expected).max()
    print(f"largest difference from TensorFlow.js: {difference:.2e}")
    assert difference <= 1 / 255


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, required=True, help="unpacked npm package")
    parser.add_argument("--scale", type=int, choices=(2, 4), default=4)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--check", type=Path, metavar="FIXTURE")
    options = parser.parse_args()
    import onnxruntime

    model = load(options.package, options.scale)
    data = model.SerializeToString(deterministic=True)
    options.out.write_bytes(data)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    halo = json.loads(model.metadata_props[0].value)["halo"]
    check_halo(session, options.scale, halo)
    if options.check:
        check_fixture(session, options.check)
    print(f"{options.out}: {len(data)} bytes, halo {halo}, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
