"""Peers' answers for the perturbations of chains that no augmentation has, as hashes of the resulting pixels."""

import io

import cv2
import numpy as np
import torch
import torchvision.transforms.functional as F
from image_draw import stream
from image_picture import picture, sha
from PIL import Image, ImageFilter, ImageOps

SIZES = [(75, 52), (33, 70), (1, 1), (9, 1), (1, 12), (2, 3)]


def plane(width, height):
    """The red channel, mode L."""
    return picture(width, height).getchannel(0)


def box_cases():
    cases = []
    for size in SIZES:
        for name, step in (("box_blur", ImageFilter.BoxBlur), ("pillow_blur", ImageFilter.GaussianBlur)):
            for radius in [0, 0.05, 0.1, 0.31, 0.5, 1, 1.4, 2, 2.75, 5.5, 13, 33, 80.25, 1000, 65500]:
                cases.append({"step": name, "source": size, "value": radius,
                              "sha256": sha(picture(*size).filter(step(radius))),
                              "plane_sha256": sha(plane(*size).filter(step(radius)))})
    return cases


SAMPLINGS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def turn_cases():
    cases = []
    sizes = SIZES + [(40, 40)]
    for size in sizes:
        for name, sampling in SAMPLINGS.items():
            for expand in [False, True]:
                for angle in [0.3, 5, -7.25, 45, 89.9, 90, 180, 213.7, -90, 725]:
                    turned = picture(*size).rotate(angle, sampling, expand=expand)
                    cases.append({"source": size, "angle": angle, "sampling": name, "expand": expand,
                                  "size": turned.size, "sha256": sha(turned)})
    # Beyond 32,767 positions are no longer in fixed point.
    turned = picture(33000, 3).rotate(0.001, Image.Resampling.NEAREST)
    cases.append({"source": [33000, 3], "angle": 0.001, "sampling": "nearest", "expand": False, "size": turned.size,
                  "sha256": sha(turned)})
    return cases


def median_cases():
    """From size 3: Pillow 12.3.0 divides by zero at size 1."""
    return [{"source": size, "value": k, "sha256": sha(picture(*size).filter(ImageFilter.MedianFilter(k)))}
            for size in SIZES for k in [3, 5, 7, 15, 63]]


def border_cases():
    """Pillow's frame of a colour and OpenCV's mirrored one; OpenCV answers the first too."""
    cases = []
    for size in SIZES:
        source = picture(*size)
        for sides in [(1, 1, 1, 1), (0, 3, 20, 0), (7, 0, 0, 5), (40, 90, 33, 61)]:
            left, top, right, bottom = sides
            color = ImageOps.expand(source, sides, fill=(200, 31, 7))
            array = np.asarray(source)
            assert (np.asarray(color) == cv2.copyMakeBorder(array, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(200, 31, 7))).all()
            mirrored = cv2.copyMakeBorder(array, top, bottom, left, right, cv2.BORDER_REFLECT)
            cases.append({"source": size, "sides": sides, "color_sha256": sha(color), "mirrored_sha256": sha(mirrored)})
    return cases


def impulse_cases():
    """Given the stream's numbers, NumPy sets the pixels."""
    cases = []
    for size in [(75, 52), (9, 1)]:
        for key, amount, salt in [(1, 0.1, 0.5), (2**64 - 1, 0.5, 0.25), (77, 1, 0), (3, 0.02, 1)]:
            array = np.array(picture(*size))
            for y in range(size[1]):
                numbers = stream(key, [b"impulse", y.to_bytes(8, "little")], size[0])
                unit = np.array([(n >> 11) * 2.0**-53 for n in numbers])
                array[y, unit < amount] = 0
                array[y, unit < amount * salt] = 255
            cases.append({"source": size, "key": str(key), "amount": amount, "salt": salt, "sha256": sha(array)})
    return cases


def gamma_cases():
    return [{"source": [75, 52], "value": g, "sha256": sha(F.adjust_gamma(picture(75, 52), g))}
            for g in [0, 0.1, 0.4, 0.5, 1 / 2.2, 0.7, 0.9, 1, 1.1, 1.5, 2, 2.2, 3, 7.3]]


def tensor_cases():
    """torchvision on uint8 tensors."""
    steps = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "saturation": F.adjust_saturation,
             "hue": F.adjust_hue, "gamma": F.adjust_gamma}
    values = {"hue": [-0.5, -0.1, -0.0734, -0.003, 0.0, 0.004, 0.05, 0.1, 0.5],
              "gamma": [0, 0.1, 0.4, 0.5, 1 / 2.2, 0.7, 0.9, 1, 1.1, 1.5, 2, 2.2, 3, 7.3]}
    cases = []
    for size in [(75, 52), (2, 2), (1, 1)]:
        tensor = torch.from_numpy(np.array(picture(*size))).permute(2, 0, 1)
        answer = lambda tensor: sha(tensor.permute(1, 2, 0).numpy())
        for name, step in steps.items():
            for value in values.get(name, [0.0, 0.3, 0.6, 0.8, 0.9123456789, 1.0, 1.1, 1.2, 1.4, 2.0, 5.5]):
                cases.append({"step": name, "source": size, "value": value, "sha256": answer(step(tensor, value))})
        cases.append({"step": "grayscale", "source": size, "value": 0, "sha256": answer(F.rgb_to_grayscale(tensor, 3))})
    return cases


def every_tensor_color():
    """All 2**24 colours: hashes of 2**24 * 3 bytes."""
    values = np.arange(1 << 24, dtype=np.uint32)
    triples = np.stack([values >> 16, (values >> 8) & 255, values & 255], axis=0).astype(np.uint8).reshape(3, 4096, 4096)
    tensor = torch.from_numpy(triples)
    answer = lambda tensor: sha(tensor.permute(1, 2, 0).numpy())
    return {"saturation_1.3": answer(F.adjust_saturation(tensor, 1.3)), "grayscale": answer(F.rgb_to_grayscale(tensor, 3)),
            "hue_0.0734": answer(torch.cat([F.adjust_hue(part, 0.0734) for part in tensor.chunk(16, dim=1)], dim=1))}


def fit_cases():
    """Sizes that `thumbnail` comes to, without the shortcut of `reducing_gap`."""
    cases = []
    for size in [(75, 52), (33, 70), (40, 40), (64, 3), (3, 64), (200, 151), (2, 1)]:
        for longest in [1, 7, 32, 33, 50, 64, 70, 75, 100, 199]:
            for name, box in (("longest", (longest, longest)), ("width", (longest, 1 << 30)), ("height", (1 << 30, longest))):
                image = picture(*size)
                image.thumbnail(box, Image.Resampling.BICUBIC, reducing_gap=None)
                cases.append({"source": size, "by": name, "value": longest, "size": image.size, "sha256": sha(image)})
    return cases


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue(), Image.open(buffer).convert("RGB")


def webp(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality)
    return buffer.getvalue(), Image.open(buffer).convert("RGB")


def chain_cases():
    """Whole chains with nothing to draw: the same steps by the peers, one after another."""
    source = picture(150, 101)
    cases = []

    def case(chain, image, file=None):
        cases.append({"chain": chain, "source": source.size, "size": image.size, "sha256": sha(image),
                      "file_sha256": file and sha(file)})

    first = jpeg(source, 70)[1].crop((3, 5, 150, 101))
    file, image = jpeg(first, 85)
    case("double_jpeg(70, 85, dx=3, dy=5)", image, file)
    screen = source.resize((112, 75), Image.Resampling.BICUBIC)
    framed = ImageOps.expand(screen, 24, fill=(255, 255, 255))
    case("screenshot(0.75, pad=24)", framed)
    screen = source.resize((90, 60), Image.Resampling.BILINEAR)
    framed = ImageOps.expand(screen, 7, fill=(32, 32, 32))
    file, image = jpeg(framed, 80)
    case("screenshot(0.6, bilinear, pad=7, value=32, jpeg=80)", image, file)
    file, image = webp(framed, 80)
    case("screenshot(0.6, bilinear, pad=7, value=32, webp=80)", image, file)
    case("flip(horizontal)", source.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    case("flip(vertical)", source.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    case("rotate(10, bicubic, expand)", source.rotate(10, Image.Resampling.BICUBIC, expand=True))
    case("border(9)", ImageOps.expand(source, 9, fill=(0, 0, 0)))
    case("border(9, value=128)", ImageOps.expand(source, 9, fill=(128, 128, 128)))
    mirrored = cv2.copyMakeBorder(np.asarray(source), 9, 9, 9, 9, cv2.BORDER_REFLECT)
    case("border(9, reflect)", Image.fromarray(mirrored))
    case("median(5)", source.filter(ImageFilter.MedianFilter(5)))
    case("pillow_blur(2.5) | box_blur(3)", source.filter(ImageFilter.GaussianBlur(2.5)).filter(ImageFilter.BoxBlur(3)))
    case("gamma(1.7) | hue(-0.2)", F.adjust_hue(F.adjust_gamma(source, 1.7), -0.2))
    case("fit(60)", source.resize((60, 40), Image.Resampling.BICUBIC))
    tensor = torch.from_numpy(np.array(source)).permute(2, 0, 1)
    tensor = F.adjust_gamma(F.adjust_contrast(F.adjust_brightness(tensor, 1.2), 0.7), 1.3)
    tensor = F.rgb_to_grayscale(F.adjust_hue(F.adjust_saturation(tensor, 1.6), 0.1), 3)
    case("brightness(1.2, tensor) | contrast(0.7, tensor) | gamma(1.3, tensor) | saturation(1.6, tensor) | "
         "hue(0.1, tensor) | grayscale(tensor)", Image.fromarray(tensor.permute(1, 2, 0).numpy()))
    return cases


def all_answers():
    return {"box": box_cases(), "turn": turn_cases(), "median": median_cases(), "border": border_cases(),
            "impulse": impulse_cases(), "gamma": gamma_cases(), "tensor": tensor_cases(),
            "every_tensor_color": every_tensor_color(), "fit": fit_cases(), "chain": chain_cases()}
