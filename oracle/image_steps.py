"""Peers' answers for every pixel operation, as hashes of the resulting pixels."""

import io

import numpy as np
import torchvision.transforms.functional as F
from image_picture import picture, sha
from PIL import Image, ImageEnhance, ImageFilter
from scipy import ndimage
from torchvision.transforms import InterpolationMode

KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def resize_cases():
    cases = []
    sources = {(128, 96): [(57, 43), (200, 150), (128, 31), (31, 96), (1, 1), (256, 256), (129, 97), (127, 95), (300, 10)],
               (33, 70): [(96, 96), (16, 140), (32, 69), (5, 3)], (1, 9): [(4, 4), (1, 3)], (90, 1): [(7, 1), (180, 2)]}
    for (width, height), sizes in sources.items():
        source = picture(width, height)
        for size in sizes:
            for name, kernel in KERNELS.items():
                cases.append({"source": [width, height], "box": None, "size": size, "kernel": name,
                              "sha256": sha(source.resize(size, kernel))})
    source = picture(128, 96)
    boxes = [(10, 20, 100, 90), (0.5, 0.25, 127.25, 95.5), (3.3, 7.7, 60.1, 50.9), (0, 0, 128, 48), (64, 0, 128, 96), (100.2, 80.1, 104.9, 83.7)]
    for box in boxes:
        for size in [(64, 64), (200, 33), (128, 96), (64, 48), (128, 48)]:
            for name, kernel in KERNELS.items():
                cases.append({"source": [128, 96], "box": box, "size": size, "kernel": name,
                              "sha256": sha(source.resize(size, kernel, box=box))})
    return cases


def mask(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.where((x // 5 + y // 3) % 3 == 0, 255, 0).astype(np.uint8), "L")


def mask_cases():
    return [{"source": [w, h], "size": size, "sha256": sha(mask(w, h).resize(size, Image.Resampling.NEAREST))}
            for (w, h) in [(128, 96), (33, 70)] for size in [(57, 43), (200, 150), (12, 12), (33, 70), (100, 1)]]


def jpeg_cases():
    cases = []
    for width, height in [(80, 61), (16, 16), (3, 5)]:
        source = picture(width, height)
        for quality in [1, 10, 30, 50, 75, 76, 90, 95, 96, 100]:
            for name, sampling in SUBSAMPLINGS.items():
                buffer = io.BytesIO()
                source.save(buffer, "JPEG", quality=quality, subsampling=sampling)
                cases.append({"source": [width, height], "quality": quality, "subsampling": name,
                              "file_sha256": sha(buffer.getvalue()), "sha256": sha(Image.open(buffer).convert("RGB"))})
    return cases


def webp_cases():
    cases = []
    for width, height in [(80, 61), (16, 16), (3, 5), (1, 1)]:
        source = picture(width, height)
        for quality in [1, 30, 50, 75, 80, 90, 100]:
            buffer = io.BytesIO()
            source.save(buffer, "WEBP", quality=quality)
            cases.append({"source": [width, height], "quality": quality, "file_sha256": sha(buffer.getvalue()),
                          "sha256": sha(Image.open(buffer).convert("RGB"))})
    return cases


ENHANCE = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "color": ImageEnhance.Color,
           "sharpness": ImageEnhance.Sharpness}


def enhance_cases():
    cases = []
    for width, height in [(75, 52), (2, 2), (3, 3)]:
        source = picture(width, height)
        for name, step in ENHANCE.items():
            for factor in [0.0, 0.3, 0.6, 0.8, 0.9123456789, 1.0, 1.1, 1.2, 1.4, 2.0, 5.5]:
                cases.append({"source": [width, height], "step": name, "factor": factor,
                              "sha256": sha(step(source).enhance(factor))})
        for turn in [-0.5, -0.1, -0.0734, -0.003, 0.0, 0.004, 0.05, 0.1, 0.5]:
            cases.append({"source": [width, height], "step": "hue", "factor": turn,
                          "sha256": sha(F.adjust_hue(source, turn))})
        cases.append({"source": [width, height], "step": "grayscale", "factor": 0.0,
                      "sha256": sha(F.rgb_to_grayscale(source, num_output_channels=3))})
        cases.append({"source": [width, height], "step": "smooth", "factor": 0.0,
                      "sha256": sha(source.filter(ImageFilter.SMOOTH))})
    return cases


def every_color():
    """All 2**24 colours to HSV, and all 2**24 HSV triples to RGB: hashes of 2**24 * 3 bytes."""
    values = np.arange(1 << 24, dtype=np.uint32)
    triples = np.stack([values >> 16, (values >> 8) & 255, values & 255], axis=1).astype(np.uint8).reshape(4096, 4096, 3)
    return {"to_hsv": sha(Image.fromarray(triples, "RGB").convert("HSV")),
            "from_hsv": sha(Image.frombytes("HSV", (4096, 4096), triples.tobytes()).convert("RGB"))}


def weights(sigma):
    """SciPy's own weights, through its filter: the answer to a unit impulse in double precision."""
    radius = int(4 * sigma + 0.5)
    impulse = np.zeros(2 * radius + 1)
    impulse[radius] = 1.0
    return ndimage.gaussian_filter1d(impulse, sigma, mode="constant")[radius:]


def blur_cases():
    cases = []
    for width, height in [(70, 55), (9, 4), (1, 1), (3, 40)]:
        source = np.array(picture(width, height))
        flat = np.full_like(source, 200)
        for sigma in [0.05, 0.124, 0.125, 0.3, 0.5, 0.77, 1.0, 1.5, 2.2, 2.999, 3.0]:
            result = {}
            for name, image in (("picture", source), ("flat", flat)):
                blurred = image.copy()
                for channel in range(3):
                    plane = blurred[:, :, channel].copy()
                    ndimage.gaussian_filter(plane, output=plane, sigma=sigma)
                    blurred[:, :, channel] = plane
                result[name] = sha(blurred)
            half = weights(sigma) if int(4 * sigma + 0.5) > 0 else np.array([1.0])
            cases.append({"source": [width, height], "sigma": sigma, "weights": [w.hex() for w in half.tolist()],
                          "sha256": result["picture"], "flat_sha256": result["flat"]})
    return cases


def noise_cases():
    """Given noise, in float32 as albumentations adds it: clip, then truncate."""
    source = np.asarray(picture(70, 55)).astype(np.float32)
    index = np.arange(source.size, dtype=np.int64)
    cases = []
    for divisor in [17.0, 3.0, 50.0]:
        noise = ((index * 7919) % 2001 - 1000).astype(np.float32) / np.float32(divisor)
        noisy = np.clip(source + noise.reshape(source.shape), 0, 255).astype(np.uint8)
        cases.append({"source": [70, 55], "divisor": divisor, "sha256": sha(noisy)})
    return cases


def cutout(image, left, top, width, height, value):
    array = np.array(image)
    array[top : top + height, left : left + width] = value
    return Image.fromarray(array)


JITTER = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "saturation": F.adjust_saturation, "hue": F.adjust_hue}


def augmented(plan, image, region, degrade):
    """The paper's augmentation as drawn in `plan`, to a crop of 96 x 96 of image and mask; `degrade(plan, image)` makes cutout,
    noise and blur."""
    if "resized_crop" in plan:
        left, top, width, height, to_width, to_height = plan["resized_crop"]
        image = F.resized_crop(image, top, left, height, width, [to_height, to_width], InterpolationMode.BILINEAR)
        region = F.resized_crop(region, top, left, height, width, [to_height, to_width], InterpolationMode.NEAREST)
    for name, factor in plan.get("jitter", []):
        image = JITTER[name](image, factor)
    if plan.get("grayscale"):
        image = F.rgb_to_grayscale(image, num_output_channels=3)
    image = degrade(plan, image)
    if "jpeg" in plan:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=plan["jpeg"])
        image = Image.open(buffer).convert("RGB")
    turn = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}.get(plan.get("quarters", 0))
    if turn is not None:
        image, region = image.transpose(turn), region.transpose(turn)
    if plan.get("flip"):
        image, region = F.hflip(image), F.hflip(region)
    if "padding" in plan:
        image = F.pad(image, plan["padding"], padding_mode="symmetric")
        region = F.pad(region, plan["padding"], fill=0)
    left, top = plan["crop_at"]
    return F.crop(image, top, left, 96, 96), F.crop(region, top, left, 96, 96)


def plan_cases():
    """Whole augmentations with given parameters: every step as the peer does it, in the paper's order."""
    plans = [
        {"source": [150, 130], "jitter": [["brightness", 1.3], ["hue", -0.07], ["contrast", 0.7], ["saturation", 1.2]],
         "blur": 1.3, "jpeg": 55, "quarters": 1, "crop_at": [20, 31]},
        {"source": [150, 130], "resized_crop": [13, 20, 90, 70, 256, 256], "grayscale": True, "jpeg": 100, "quarters": 3,
         "flip": True, "crop_at": [100, 160]},
        {"source": [150, 130], "resized_crop": [0, 0, 150, 61, 629, 256], "jitter": [["contrast", 1.4], ["saturation", 0.6], ["hue", 0.1], ["brightness", 0.6]],
         "cutout": [400, 100, 48, 48], "jpeg": 30, "crop_at": [390, 90]},
        {"source": [60, 140], "padding": [36, 0, 36, 0], "blur": 2.9, "crop_at": [31, 17], "flip": True},
        {"source": [61, 30], "padding": [17, 33, 18, 33], "jpeg": 80, "quarters": 2, "crop_at": [0, 0]},
        {"source": [20, 25], "padding": [71, 76, 71, 76], "quarters": 1, "crop_at": [3, 70]},
        {"source": [150, 130], "jitter": [["saturation", 1.1], ["brightness", 0.9], ["hue", 0.02], ["contrast", 1.05]], "grayscale": True,
         "cutout": [0, 90, 48, 40], "blur": 0.6, "jpeg": 73, "quarters": 2, "flip": True, "crop_at": [54, 34]},
    ]

    def degrade(plan, image):
        if "cutout" in plan:
            image = cutout(image, *plan["cutout"], 128)
        if "blur" in plan:
            array = np.array(image)
            for channel in range(3):
                plane = array[:, :, channel].copy()
                ndimage.gaussian_filter(plane, output=plane, sigma=plan["blur"])
                array[:, :, channel] = plane
            image = Image.fromarray(array)
        return image

    for plan in plans:
        image, region = augmented(plan, picture(*plan["source"]), mask(*plan["source"]), degrade)
        plan["sha256"], plan["mask_sha256"] = sha(image), sha(region)
    return plans


def paper_cases():
    """The paper's post-processing with given draws."""
    draws = [
        {"source": [300, 280], "quality": 50, "factor": 1.5, "factors": [0.8, 1.2, 0.85, 1.17]},
        {"source": [300, 280], "quality": 95, "factor": 0.95, "factors": [1.11, 0.93, 1.2, 0.8]},
        {"source": [500, 130], "quality": 71, "factor": 0.7, "factors": [1.0, 1.05, 0.9, 1.1]},
        {"source": [40, 1300], "quality": 83, "factor": 1.2, "factors": [0.97, 1.03, 1.15, 0.88]},
    ]
    for draw in draws:
        width, height = draw["source"]
        size = [min(max(int(side * draw["factor"]), 256), 1024) for side in (width, height)]
        image = picture(width, height).resize(size, Image.Resampling.BICUBIC)
        for name, factor in zip(["brightness", "contrast", "sharpness", "color"], draw["factors"]):
            image = ENHANCE[name](image).enhance(factor)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=draw["quality"])
        draw["size"] = size
        draw["file_sha256"] = sha(buffer.getvalue())
        draw["sha256"] = sha(Image.open(buffer).convert("RGB"))
    return draws


def all_steps():
    return {"resize": resize_cases(), "mask": mask_cases(), "jpeg": jpeg_cases(), "webp": webp_cases(), "enhance": enhance_cases(),
            "every_color": every_color(), "blur": blur_cases(), "noise": noise_cases(), "plan": plan_cases(),
            "paper": paper_cases()}
