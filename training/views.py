"""Training views of `mini`: resynthesised counterparts of real images, and one chain for everything.

In the training data the format predicts the label (photographs are JPEG files of 500 pixels, generated
images WebP files of 1024), so every image, real or generated, passes the same chain before anything is
learnt from it: a random region, a random resize, JPEG. A resynthesised image shares the draws of the
photograph that it came from, so the two differ in nothing but the generator.

    python training/views.py --data DIR --package oracle/node_modules/@upscalerjs/esrgan-medium --out VIEWS
"""

import argparse
import io
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

import resynth

SIDE = 200  # of a stored view
SEED = 1
GROUPS = ("real", "x4", "x2", "sd15")
# How many chain draws each image of a group gets; training batches hold as many real as generated images.
VIEWS = {"train": {"real": 18, "x4": 9, "x2": 9, "sd15": 9}, "val": dict.fromkeys(GROUPS, 2)}


class Resynthesis:
    """Reduce by the factor, enlarge again with the network: the photograph as a generator tells it."""

    def __init__(self, package, scale, threads=1):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        model = resynth.load(package, scale).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.scale = scale

    def __call__(self, image):
        small = image.resize((image.width // self.scale, image.height // self.scale), Image.BICUBIC)
        chw = np.asarray(small, np.float32).transpose(2, 0, 1)[None] / np.float32(255)
        out = self.session.run(["upscaled"], {"image": chw})[0][0].transpose(1, 2, 0)
        return Image.fromarray(np.rint(out * 255).astype(np.uint8))


def crop_to_multiple(image, factor=4):
    return image.crop((0, 0, image.width // factor * factor, image.height // factor * factor))


def chain(image, rng):
    """One view: region, resize, JPEG 4:2:0, and SIDE x SIDE of the result. Few draws, always all made."""
    regional, share, left, top = rng.random() < 0.5, rng.uniform(256, 384), rng.random(), rng.random()
    shorter, quality, x, y = rng.uniform(SIDE, 512), int(rng.integers(60, 99)), rng.random(), rng.random()
    if regional:
        side = min(round(share), *image.size)
        left, top = int(left * (image.width - side + 1)), int(top * (image.height - side + 1))
        image = image.crop((left, top, left + side, top + side))
    scale = shorter / min(image.size)
    image = image.resize([max(SIDE, round(side * scale)) for side in image.size], Image.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    image = Image.open(buffer).convert("RGB")
    x, y = int(x * (image.width - SIDE + 1)), int(y * (image.height - SIDE + 1))
    return np.asarray(image.crop((x, y, x + SIDE, y + SIDE)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="dataset root with train/ and val/")
    parser.add_argument("--package", type=Path, required=True, help="unpacked npm package")
    parser.add_argument("--out", type=Path, required=True, help="folder for one .npy per split and group")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    resynthesis = {f"x{scale}": Resynthesis(options.package, scale, options.threads) for scale in (4, 2)}
    started = time.monotonic()
    for split, counts in VIEWS.items():
        views = {group: [] for group in GROUPS}

        def add(group, image, name):
            for view in range(counts[group]):
                rng = np.random.default_rng([SEED, zlib.crc32(name.encode()), view])
                views[group].append(chain(image, rng))

        for path in sorted((options.data / split / "fake" / "sd15_webp").iterdir()):
            add("sd15", Image.open(path).convert("RGB"), path.name)
        for path in sorted((options.data / split / "real" / "imagenet").iterdir()):
            image = crop_to_multiple(Image.open(path).convert("RGB"))
            add("real", image, path.name)
            for group, generate in resynthesis.items():
                add(group, generate(image), path.name)
        for group, arrays in views.items():
            np.save(options.out / f"{split}-{group}.npy", np.stack(arrays))
            print(f"{split} {group}: {len(arrays)} views after {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
