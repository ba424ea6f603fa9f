"""Reference numbers for the composites of probes, by Pillow and NumPy.

Run with numpy and pillow installed:

    python oracle/probes.py

Writes crates/dear/tests/fixtures/probes.json, read by crates/dear/tests/probes.rs. The pictures are formulas that both
languages compute; a result is stored as the hash of its bytes and some of them. Nothing is drawn, so there is no seed.
"""

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageFilter

OUT = Path(__file__).resolve().parent.parent / "crates/dear/tests/fixtures/probes.json"
FRAME = 512
# Some bytes of each result are stored, so that a difference can be looked at.
EVERY = 9973

# Width, height, mask (a box or an ellipse: left, top, right, bottom), what is generated.
CASES = [
    (512, 512, ("box", 100, 60, 220, 150), "picture"),
    (512, 512, ("ellipse", 0, 300, 200, 512), "picture"),
    (640, 360, ("box", 500, 20, 640, 200), "picture"),
    (300, 200, ("ellipse", 40, 50, 170, 130), "picture"),
    (97, 701, ("box", 10, 500, 60, 640), "picture"),
    (37, 51, ("box", 20, 7, 31, 30), "picture"),
    (1500, 40, ("box", 700, 3, 990, 33), "picture"),
    # Lost: it covers no pixel of the frame, or its weight never reaches one half.
    (1100, 1100, ("box", 2, 2, 3, 3), "picture"),
    (512, 512, ("box", 200, 200, 240, 240), "picture"),
    # What the inpainters `null` make of the frame.
    (640, 360, ("box", 100, 20, 300, 200), 4),
    (512, 512, ("ellipse", 250, 100, 391, 280), 2),
    (300, 200, ("box", 40, 50, 170, 130), 1),
]


def picture(width, height, seed):
    """`picture` of oracle/detector.py."""
    x, y, channel = np.arange(width)[None, :, None], np.arange(height)[:, None, None], np.arange(3)[None, None, :]
    value = x * x * 3 + y * y * 5 + x * y * 7 + channel * 89 + seed * 31
    return ((value >> 2) & 255).astype(np.uint8)


def mask_of(width, height, shape):
    kind, left, top, right, bottom = shape
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    if kind == "box":
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    else:
        # In whole numbers: (2x + 1 - l - r)^2 (b - t)^2 + (2y + 1 - t - b)^2 (r - l)^2 <= (r - l)^2 (b - t)^2.
        w, h = right - left, bottom - top
        inside = (2 * x + 1 - left - right) ** 2 * h * h + (2 * y + 1 - top - bottom) ** 2 * w * w <= w * w * h * h
    return np.where(inside, 255, 0).astype(np.uint8)


def null(frame, soft, factor):
    """Bicubic reduction by `factor` and back, of the window that the mask touches with 32 pixels around it."""
    rows, columns = np.nonzero(soft.any(1))[0], np.nonzero(soft.any(0))[0]
    top, bottom = max(rows[0] - 32, 0), min(rows[-1] + 33, FRAME)
    left, right = max(columns[0] - 32, 0), min(columns[-1] + 33, FRAME)
    window = frame[top:bottom, left:right]
    height, width = window.shape[:2]
    padded = np.pad(window, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    # Where the frame goes on, its own pixels stand there, and not copies of the edge.
    more = frame[top : top + padded.shape[0], left : left + padded.shape[1]]
    padded[: more.shape[0], : more.shape[1]] = more
    image = Image.fromarray(padded)
    small = image.resize((image.width // factor, image.height // factor), Image.BICUBIC)
    large = np.asarray(small.resize(image.size, Image.BICUBIC))
    out = frame.copy()
    out[top:bottom, left:right] = large[:height, :width]
    return out


def result(array):
    data = np.ascontiguousarray(array).tobytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "some": list(data[::EVERY])}


def case(width, height, shape, generated):
    real = Image.fromarray(picture(width, height, 1))
    mask = mask_of(width, height, shape)
    frame = real.resize((FRAME, FRAME), Image.BICUBIC)
    hard = Image.fromarray(mask).resize((FRAME, FRAME), Image.NEAREST)
    soft = hard.filter(ImageFilter.GaussianBlur(33))
    weights = np.asarray(soft)
    if generated == "picture":
        answer = picture(FRAME, FRAME, 2)
    else:
        answer = null(np.asarray(frame), weights, generated)
    m = weights.astype(np.float32)[..., None] / np.float32(255)
    mixed = answer.astype(np.float32) * m + np.asarray(frame).astype(np.float32) * (np.float32(1) - m)
    probe = Image.fromarray(mixed.astype(np.uint8)).resize((width, height), Image.BICUBIC)
    inside = np.asarray(hard) > 127
    total, covered = int(weights.sum(dtype=np.int64)), int(inside.sum())
    return {
        "width": width,
        "height": height,
        "mask": shape,
        "generated": generated,
        "mask_share": float((mask > 127).mean()),
        "changed_share": float((np.asarray(probe) != np.asarray(real)).any(2)[mask > 127].mean()),
        "regenerated_share": float((weights[inside] >= 127.5).mean()) if covered else 0.0,
        "weight_outside": float(weights[~inside].sum(dtype=np.int64) / total) if total else 0.0,
        "frame": result(frame),
        "weights": result(weights),
        "probe": result(probe),
        "blend_weights": result(soft.resize((width, height), Image.BICUBIC)),
    }


def main():
    document = {
        "written_by": "oracle/probes.py",
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "pillow": PIL.__version__},
        "every": EVERY,
        "cases": [case(*arguments) for arguments in CASES],
    }
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in document.pop("cases"))
    head = json.dumps(document, indent=0, separators=(",", ": "))[:-2]
    OUT.write_text(f'{head},\n"cases": [\n{lines}\n]\n}}\n')
    print(f"{OUT.name}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
