"""The pictures that all image fixtures are made of: integer formulas, so that no generator's version matters."""

import hashlib

import numpy as np
from PIL import Image


def picture(width, height, seed=1):
    """Gradients, saturated colours, hard edges and some texture, RGB."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    texture = ((x * 2654435761 + y * 40503 + seed * 97) >> 7) % 41
    red = (x * 255 // max(width - 1, 1) + texture) % 256
    green = (y * 255 // max(height - 1, 1) * 3 + x // 3) % 256
    blue = np.where((x // 9 + y // 7) % 2 == 0, 230 - texture, (x * y // 5 + seed * 31) % 256)
    return Image.fromarray(np.stack([red, green, blue], axis=2).astype(np.uint8), "RGB")


def sha(data):
    """SHA-256 of an image's pixels, an array or bytes."""
    if isinstance(data, Image.Image):
        data = data.tobytes()
    elif isinstance(data, np.ndarray):
        data = np.ascontiguousarray(data).tobytes()
    return hashlib.sha256(data).hexdigest()
