"""Pillow's resize on random sizes, regions, kernels and modes, and PyTorch's bilinear interpolation.

Sizes and pixels come from small integer generators that the Rust tests repeat, so the fixture holds hashes only: the
first 8 bytes of SHA-256, 16 digits a case.
"""

import numpy as np
import torch
from image_picture import sha
from image_steps import KERNELS
from PIL import Image

SEED = 20260610
CASES = 2400
MODES = {"L": 1, "RGB": 3, "RGBA": 4}
MOST_PIXELS = 60_000


class Generator:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        value = self.state
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
        return (value ^ (value >> 31)) % bound


def scrambled(count, seed):
    """32-bit numbers that look random."""
    value = (np.arange(count, dtype=np.uint64) * 2654435761 + seed) & 0xFFFFFFFF
    value ^= value >> 15
    value = (value * 2246822519) & 0xFFFFFFFF
    return value ^ (value >> 13)


def texture(count, seed, kind):
    """Bytes: noise, hard edges (0 or 255), or slopes."""
    if kind == 0:
        return (scrambled(count, seed) >> 24).astype(np.uint8)
    if kind == 1:
        return ((scrambled(count, seed) >> 31) * 255).astype(np.uint8)
    return (((np.arange(count, dtype=np.uint64) * 5 + seed) >> 3) & 255).astype(np.uint8)


def side(draw):
    return 1 + draw.below([1, 4, 64, 64, 300, 1500][draw.below(6)])


def size(draw):
    width, height = side(draw), side(draw)
    return width, max(1, min(height, MOST_PIXELS // width))


def span(draw, length):
    """A part of a line in thousandths of a pixel: anywhere, from the start, to the end, or less than a pixel."""
    kind = draw.below(4)
    start = 0 if kind == 1 else draw.below(1000 * length)
    end = start + 1 + draw.below(1000 * length - start)
    if kind == 2:
        end = 1000 * length
    if kind == 3:
        end = min(end, start + 1 + draw.below(999))
    return start / 1000, end / 1000


def draw_case(draw):
    source, target = size(draw), size(draw)
    if draw.below(8) == 0:
        target = (source[0], target[1])
    if target[0] * target[1] > MOST_PIXELS:
        target = (target[0], max(1, MOST_PIXELS // target[0]))
    kernel = list(KERNELS)[draw.below(6)]
    mode = list(MODES)[draw.below(3)]
    box = None
    if draw.below(2) == 1:
        (left, right), (top, bottom) = span(draw, source[0]), span(draw, source[1])
        box = (left, top, right, bottom)
    return source, target, kernel, mode, box, draw.below(2**32), draw.below(3)


def resize_answers():
    draw = Generator(SEED)
    answers = []
    for _ in range(CASES):
        (width, height), target, kernel, mode, box, seed, kind = draw_case(draw)
        pixels = texture(width * height * MODES[mode], seed, kind)
        image = Image.frombytes(mode, (width, height), pixels.tobytes())
        answers.append(sha(image.resize(target, KERNELS[kernel], box=box))[:16])
    return {"seed": SEED, "cases": CASES, "sha256": answers}


def found_answers():
    """Cases of longer runs (140,000 of them) that were wrong once: Hamming's constants."""
    cases = []
    for source, size, mode, seed, kind in [((191, 314), (107, 288), "RGB", 2341844420, 0), ((31, 1248), (220, 133), "RGB", 57946967, 0),
                                           ((914, 65), (1137, 52), "L", 1548549896, 0), ((1002, 28), (1066, 4), "RGBA", 1313338186, 1)]:
        pixels = texture(source[0] * source[1] * MODES[mode], seed, kind)
        image = Image.frombytes(mode, source, pixels.tobytes())
        cases.append({"source": source, "size": size, "kernel": "hamming", "mode": mode, "seed": seed, "kind": kind,
                      "sha256": sha(image.resize(size, KERNELS["hamming"]))[:16]})
    return cases


def alpha_answers():
    """Every colour under every alpha, to premultiplied and back: 65,536 pixels."""
    grid = np.mgrid[0:256, 0:256].astype(np.uint8)
    pixels = np.stack([grid[0], grid[0], grid[0], grid[1]], axis=2).tobytes()
    return sha(Image.frombytes("RGBA", (256, 256), pixels).convert("RGBa").convert("RGBA"))


def interpolate_answers():
    """Some values of each result: single precision, as decimal numbers that name it exactly."""
    cases = []
    for source, target in [((9, 7), (31, 20)), ((128, 96), (57, 41)), ((70, 33), (140, 33)), ((12, 12), (1, 1)), ((5, 1), (4, 4)),
                           ((1, 1), (3, 2)), ((224, 224), (448, 448)), ((300, 40), (299, 41)), ((2, 2), (200, 200)), ((1, 9), (1, 5))]:
        for corners in ["half_pixel", "aligned"]:
            for channels in [1, 3]:
                cases.append({"source": source, "channels": channels, "corners": corners, "size": target})
    for source, factor in [((9, 7), 2.0), ((9, 7), 0.5), ((33, 70), 1.7), ((100, 60), 0.3), ((7, 11), 3.999), ((50, 50), 1 / 3)]:
        for corners in ["half_pixel", "aligned"]:
            for recompute in [False, True]:
                cases.append({"source": source, "channels": 2, "corners": corners, "factor": factor, "recompute": recompute})
    for seed, case in enumerate(cases):
        (width, height), channels = case["source"], case["channels"]
        values = (scrambled(width * height * channels, seed) >> 8).astype(np.float32) / 65536 - 128
        planes = torch.from_numpy(values.reshape(1, channels, height, width))
        how = {"size": case["size"][::-1]} if "size" in case else {"scale_factor": case["factor"], "recompute_scale_factor": case["recompute"]}
        result = torch.nn.functional.interpolate(planes, mode="bilinear", align_corners=case["corners"] == "aligned", antialias=False, **how)
        case["size"] = [result.shape[3], result.shape[2]]
        flat = result.reshape(-1).numpy()
        case["step"] = max(1, len(flat) // 24)
        case["values"] = flat[:: case["step"]].astype(np.float64).tolist()
    return cases


def all_answers():
    return {"random": resize_answers(), "found": found_answers(), "alpha": alpha_answers(), "interpolate": interpolate_answers()}
