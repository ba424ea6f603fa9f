"""Pillow's JPEG and WebP files with every option, as the first 8 bytes
of SHA-256 of the file and of the pixels that Pillow reads from it."""

import io

from image_picture import picture, sha
from image_steps import SUBSAMPLINGS
from PIL import Image, ImageFile

# Pillow's encoder cannot wait for room within a file with own tables, and its buffer is too small for a few pixels.
ImageFile.MAXBLOCK = 1 << 20
SIZES = [(80, 61), (16, 16), (3, 5), (1, 1), (257, 130)]


def saved(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def answer(case, data):
    pixels = Image.open(io.BytesIO(data)).convert("RGB")
    return case | {"bytes": len(data), "file_sha256": sha(data)[:16], "sha256": sha(pixels)[:16]}


def jpeg_cases():
    cases = []
    for width, height in SIZES:
        for name, sampling in [*SUBSAMPLINGS.items(), ("gray", None)]:
            for quality in [1, 40, 75, 95, 100]:
                for optimize, progressive in [(False, False), (True, False), (False, True), (True, True)]:
                    image = picture(width, height)
                    options = {"quality": quality, "optimize": optimize, "progressive": progressive}
                    case = {"source": [width, height], "subsampling": name, **options}
                    if sampling is None:
                        image = image.convert("L")
                    else:
                        options["subsampling"] = sampling
                    cases.append(answer(case, saved(image, "JPEG", **options)))
    assert saved(image, "JPEG") == saved(image, "JPEG", quality=75), "75 is the default"
    assert saved(image, "JPEG", quality=0) == saved(image, "JPEG", quality=1), "0 is 1"
    return cases


def webp_cases():
    cases = []
    for width, height in SIZES:
        image = picture(width, height)
        for lossless in [False, True]:
            for quality in [0, 1, 50, 80, 100]:
                for method in [0, 1, 3, 4, 6]:
                    options = {"quality": quality, "method": method, "lossless": lossless}
                    data = saved(image, "WEBP", **options)
                    cases.append(answer({"source": [width, height], **options}, data))
    assert saved(image, "WEBP") == saved(image, "WEBP", quality=80, method=4, lossless=False), "the defaults"
    return cases


def all_answers():
    return {"jpeg": jpeg_cases(), "webp": webp_cases()}
