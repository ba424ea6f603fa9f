"""Measures a detector on the test images and writes the table of its card, between markers.

    python training/card.py --data DIR --package oracle/node_modules/@upscalerjs/esrgan-medium \
        --model models/mini.onnx --card models/mini.md

`--data` is a dataset root with `test/{real,fake}/{subset}/*`. Images are scored at their own size. R.Acc is
the share of real images with a logit below 0, F.Acc the share of generated ones above 0; exactly 0 is wrong
on both sides. Three conditions: as they are; after the post-processing of the paper; and with the formats
swapped (real saved as WebP, generated as JPEG), which a detector of formats cannot survive.
"""

import argparse
import hashlib
import io
import math
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
import PIL
from PIL import Image, ImageEnhance

from views import Resynthesis, crop_to_multiple

SEED = 3
BEGIN, END = "<!-- card.py begins -->", "<!-- card.py ends -->"


def wilson(successes, count, z=1.959964):
    """95 % interval of a share."""
    share = successes / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return Image.open(buffer).convert("RGB")


def post_processed(image, key):
    """The paper's post-processed test, drawn in its order: quality, resize, four enhancements, JPEG."""
    rng = np.random.default_rng([SEED, key])
    quality = int(rng.integers(50, 96))
    width, height = image.size
    if rng.random() < 0.5:
        scale = rng.uniform(*sorted((1.0, min(1024 / width, 1024 / height))))
    else:
        scale = rng.uniform(*sorted((max(256 / width, 256 / height), 1.0)))
    image = image.resize([min(1024, max(256, int(side * scale))) for side in image.size], Image.BICUBIC)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Sharpness, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(0.8, 1.2))
    return saved(image, format="JPEG", quality=quality, subsampling="4:2:0")


def swapped(image, label):
    if label == "real":
        return saved(image, format="WEBP", quality=80)
    return saved(image, format="JPEG", quality=90, subsampling="4:2:0")


def samples(root, package):
    """(label, subset, name, image); the Kodak scans come back resynthesised as well."""
    for label in ("real", "fake"):
        for folder in sorted((root / "test" / label).iterdir()):
            for path in sorted(folder.iterdir()):
                yield label, folder.name, path.name, Image.open(path).convert("RGB")
    for scale in (4, 2):
        generate = Resynthesis(package, scale)
        for path in sorted((root / "test" / "real" / "kodak").iterdir()):
            yield "fake", f"kodak resynthesised x{scale}", path.name, generate(crop_to_multiple(Image.open(path).convert("RGB")))


def auc(real, fake):
    real, fake = np.asarray(real), np.asarray(fake)
    return float((fake[:, None] > real).mean() + 0.5 * (fake[:, None] == real).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--package", type=Path, required=True, help="unpacked npm package")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(str(options.model), settings, providers=["CPUExecutionProvider"])

    def score(image):
        chw = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / np.float32(255)
        return float(session.run(["logit"], {"image": chw})[0][0])

    conditions = ("clean", "post-processed", "formats swapped")
    logits = {condition: defaultdict(list) for condition in conditions}
    for label, subset, name, image in samples(options.data, options.package):
        key = zlib.crc32(f"{label}/{subset}/{name}".encode())
        logits["clean"][label, subset].append(score(image))
        logits["post-processed"][label, subset].append(score(post_processed(image, key)))
        logits["formats swapped"][label, subset].append(score(swapped(image, label)))

    def cell(label, values, real):
        right = sum(value < 0 if label == "real" else value > 0 for value in values)
        low, high = wilson(right, len(values))
        text = f"{100 * right / len(values):.1f} [{100 * low:.0f}, {100 * high:.0f}]"
        return text if label == "real" else f"{text}; {auc(real, values):.3f}"

    groups = list(logits["clean"])
    everything = {label: [group for group in groups if group[0] == label] for label in ("real", "fake")}
    lines = [
        f"`{options.model.name}` sha256 `{hashlib.sha256(options.model.read_bytes()).hexdigest()}`; ONNX Runtime "
        f"{onnxruntime.__version__}, Pillow {PIL.__version__}. Per cent with 95 % Wilson interval; after the "
        "semicolon the AUC against all real test images under the same condition.",
        "",
        "| test subset | images | " + " | ".join(conditions) + " |",
        "|---|---|" + "---|" * len(conditions),
    ]
    for label, measure in (("real", "R.Acc"), ("fake", "F.Acc")):
        for title, members in [(subset, [(label, subset)]) for _, subset in everything[label]] + [("all", everything[label])]:
            cells = []
            for condition in conditions:
                values = [value for group in members for value in logits[condition][group]]
                real = [value for group in everything["real"] for value in logits[condition][group]]
                cells.append(cell(label, values, real))
            count = sum(len(logits["clean"][group]) for group in members)
            lines.append(f"| {measure} {title} | {count} | " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    print(table)
    text = options.card.read_text()
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    options.card.write_text(f"{before}\n{table}\n{after}")


if __name__ == "__main__":
    main()
