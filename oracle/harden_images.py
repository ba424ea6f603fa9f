"""The pictures of the hardening oracle, made once from `samples/` and committed: another library's version would move them.

    cargo build --release
    python oracle/harden_images.py

Writes crates/dear/tests/fixtures/harden/data: photographs (crops of Kodak scans), others reduced by four and made again by
models/resynth-x4.onnx, a validation set of both, and probes by `dear probe`. Formats and sizes are mixed, some sides are
shorter than the crop of 96 pixels.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "crates/dear/tests/fixtures/harden/data"
# name, scan, size, format; the sides of generated ones are multiples of 4.
REAL = [("a1", "kodim01-2", (160, 128), "jpg"), ("a2", "kodim02-4", (112, 136), "png"), ("a3", "kodim04-1", (96, 96), "png"),
        ("a4", "kodim05-3", (80, 120), "jpg"), ("a5", "kodim06-5", (200, 150), "jpg"), ("a6", "kodim08-2", (131, 130), "webp")]
FAKE = [("b1", "kodim07-3", (160, 128), "jpg"), ("b2", "kodim09-1", (112, 136), "png"), ("b3", "kodim11-6", (96, 96), "png"),
        ("b4", "kodim13-4", (120, 80), "jpg"), ("b5", "kodim14-2", (200, 152), "jpg"), ("b6", "kodim15-5", (132, 132), "webp")]
VAL_REAL = [("c1", "kodim16-1", (160, 128), "jpg"), ("c2", "kodim17-6", (128, 112), "jpg"), ("c3", "kodim18-3", (120, 144), "webp")]
VAL_FAKE = [("d1", "kodim19-2", (160, 128), "jpg"), ("d2", "kodim20-4", (128, 112), "jpg"), ("d3", "kodim23-5", (120, 144), "webp")]


def photograph(scan, size):
    (path,) = ROOT.glob(f"samples/*/real/kodak/{scan}.*")
    left, top = (256 - size[0]) // 2, (256 - size[1]) // 2
    return Image.open(path).convert("RGB").crop((left, top, left + size[0], top + size[1]))


def made_again(image, network):
    small = image.resize((image.width // 4, image.height // 4), Image.Resampling.BICUBIC)
    tensor = np.asarray(small, np.float32).transpose(2, 0, 1)[None] / np.float32(255)
    large = network.run(["upscaled"], {"image": np.ascontiguousarray(tensor)})[0][0].transpose(1, 2, 0)
    return Image.fromarray(np.floor(large * 255 + 0.5).clip(0, 255).astype(np.uint8))


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    network = onnxruntime.InferenceSession(str(ROOT / "models/resynth-x4.onnx"), providers=["CPUExecutionProvider"])
    for folder, pictures in (("train/real", REAL), ("train/fake", FAKE), ("val/real", VAL_REAL), ("val/fake", VAL_FAKE)):
        (DATA / folder).mkdir(parents=True)
        for name, scan, size, suffix in pictures:
            image = photograph(scan, size)
            if folder.endswith("fake"):
                image = made_again(image, network)
            image.save(DATA / folder / f"{name}.{suffix}", quality=90)
    probe = [ROOT / "target/release/dear", "probe", DATA / "train/real", "--inpainter", "resynthesis", "--engine", "builtin",
             "--seed", "5", "--out", DATA / "probes"]
    subprocess.run(probe, check=True)
    (DATA / "probes/probes.jsonl").unlink()
    sizes = [file.stat().st_size for file in DATA.rglob("*") if file.is_file()]
    print(f"{len(sizes)} files, {sum(sizes)} bytes")


if __name__ == "__main__":
    main()
