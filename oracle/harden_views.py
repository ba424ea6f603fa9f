"""The views of the hardening oracle: what `plans` says was drawn, applied by torchvision, albumentations, SciPy and Pillow."""

import json
import math
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import albumentations.augmentations.dropout.functional as dropout
import albumentations.augmentations.functional as pixels
import numpy as np
from image_draw import stream
from image_steps import augmented
from PIL import Image
from scipy import ndimage

ROOT = Path(__file__).resolve().parent.parent
STEPS = ["resized_crop", "jitter", "grayscale", "cutout", "noise", "blur", "jpeg", "quarters", "flip", "padding"]


@dataclass
class View:
    """One crop of 96 x 96, and how much of its mask is inside (probes)."""

    image: Image.Image
    mask: Image.Image
    label: int


def plans(role, seed, views, images):
    """What the Rust side draws for each view of each image."""
    subprocess.run(["cargo", "build", "--quiet", "--release", "--workspace", "--example", "plans"], cwd=ROOT, check=True)
    command = [ROOT / "target/release/examples/plans", role, seed, views, *images]
    return json.loads(subprocess.check_output([str(part) for part in command]))


def normals(key, row, count):
    """Standard normal numbers of one row of noise, by Marsaglia's polar method on the row's own stream."""
    found, bits = [], iter(stream(key, [b"noise", struct.pack("<Q", row)], 2 * count))

    def uniform():
        return -1.0 + 2.0 * ((next(bits) >> 11) * 2.0**-53)

    while len(found) < count:
        u, v = uniform(), uniform()
        square = u * u + v * v
        if 0.0 < square < 1.0:
            scale = math.sqrt(-2.0 * math.log(square) / square)
            found += [u * scale, v * scale]
    return found[:count]


def blurred(array, sigma, half):
    """SciPy's Gaussian with given weights of the offsets 0 to radius. SciPy's own come from NumPy's exponential, whose last bit
    depends on the processor, and in flat areas that bit decides between two levels."""
    half = np.array(half)
    impulse = np.zeros(2 * len(half) - 1)
    impulse[len(half) - 1] = 1.0
    own = ndimage.gaussian_filter1d(impulse, sigma, mode="constant")[len(half) - 1 :]
    assert np.allclose(half, own, rtol=4 * np.finfo(float).eps, atol=0), (half, own)
    kernel = np.concatenate([half[:0:-1], half])
    for channel in range(3):
        plane = array[:, :, channel].copy()
        for axis in (0, 1):
            plane = ndimage.correlate1d(plane, kernel, axis, np.uint8, "reflect")
        array[:, :, channel] = plane
    return array


def degrade(plan, image):
    """Cutout and Gaussian noise by albumentations, blur by SciPy."""
    array = np.array(image)
    if "cutout" in plan:
        left, top, width, height = plan["cutout"]
        array = dropout.cutout(array, [(left, top, left + width, top + height)], 128)
    if "noise" in plan:
        deviation = math.sqrt(plan["noise"]["variance"])
        rows = [normals(plan["noise"]["key"], row, 3 * image.width) for row in range(image.height)]
        field = (deviation * np.array(rows)).astype(np.float32).reshape(array.shape)
        array = pixels.gauss_noise(array, field)
    if "blur" in plan and len(plan["blur"]["half"]) > 1:
        array = blurred(array, **plan["blur"])
    return Image.fromarray(array)


def make(role, seed, views, sources):
    """The views of (image, mask or None, label) in order of source and view, and how often each step was taken."""
    drawn = plans(role, seed, views, [image for image, _, _ in sources])
    assert len(drawn) == views * len(sources)
    made = []
    for number, (image, mask, label) in enumerate(sources):
        picture = Image.open(image).convert("RGB")
        region = Image.open(mask).convert("L") if mask else Image.new("L", picture.size)
        region = region.point(lambda value: 255 if value > 127 else 0)
        for plan in drawn[number * views : (number + 1) * views]:
            crop, inside = augmented(plan, picture, region, degrade)
            # A probe's label is 1 if any of its mask survived the crop (method section 4).
            made.append(View(crop, inside, label if mask is None else int(np.asarray(inside).any())))
    return made, {step: sum(step in plan for plan in drawn) for step in STEPS}
