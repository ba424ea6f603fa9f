"""Fills the masks of probes with a Stable Diffusion inpainting model, as a program for `dear probe --inpainter command`.

    pip install -r examples/requirements.txt
    dear probe PHOTOGRAPHS --inpainter command --composite reference --out PROBES \
        --command 'python examples/diffusers_inpaint.py --model MODEL {input} {masks} {output}'

MODEL is a folder or a name on the Hugging Face hub that holds an inpainting pipeline (UNet with 9 input channels), such as
Stable Diffusion 1.5 inpainting. Settings are the paper's: 50 steps, an empty prompt (so guidance would change nothing, and is
off: one pass of the UNet a step), strength 1, the scheduler of the model's own `scheduler_config.json`, no safety checker.
Half precision on a GPU, single precision on a CPU.

Under `--composite reference` the images are 512 x 512. Under `--composite sharp` they have their own size: then a window of at
least 512 x 512 around the mask is filled at its own scale, and laid back; a window above --max-side is reduced for it.

Each image has a seed of its own, from --seed and its content, so neither the order nor a restart changes a result; the batch
size may, in its last bits.
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoPipelineForInpainting
from PIL import Image

# Context around the mask, and the least side of a window, in pixels. The model works on multiples of 8.
CONTEXT = 64
LEAST = 512


def window_of(mask, max_side):
    """Left, top, right, bottom around all of the mask that is not 0, and the size in which it is filled."""
    values = np.asarray(mask)
    rows, columns = np.nonzero(values.any(1))[0], np.nonzero(values.any(0))[0]
    if not len(rows):
        raise ValueError("the mask is empty")

    def span(low, high, limit):
        length = min(max(high - low + 2 * CONTEXT, LEAST), limit)
        start = min(max((low + high - length) // 2, 0), limit - length)
        return start, start + length

    left, right = span(columns[0], columns[-1] + 1, mask.width)
    top, bottom = span(rows[0], rows[-1] + 1, mask.height)
    scale = min(1.0, max_side / max(right - left, bottom - top))
    size = tuple(max(8, 8 * round(side * scale / 8)) for side in (right - left, bottom - top))
    return (left, top, right, bottom), size


def seed_of(seed, image):
    digest = hashlib.sha256(f"{seed} {image.size}".encode() + image.tobytes()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def load(options):
    on_gpu = options.device.startswith("cuda")
    pipeline = AutoPipelineForInpainting.from_pretrained(
        options.model, dtype=torch.float16 if on_gpu else torch.float32, safety_checker=None
    )
    channels = pipeline.unet.config.in_channels
    if channels != 9:
        sys.exit(f"error: {options.model}: the UNet has {channels} input channels, expected 9, as for inpainting")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(options.device)


def fill(pipeline, jobs, options):
    """Fill the windows of some jobs, all of one size."""
    width, height = jobs[0]["size"]
    windows = [job["image"].crop(job["window"]) for job in jobs]
    result = pipeline(
        prompt=[""] * len(jobs),
        image=[window.resize((width, height), Image.BICUBIC) for window in windows],
        mask_image=[job["mask"].crop(job["window"]).resize((width, height), Image.NEAREST) for job in jobs],
        width=width,
        height=height,
        strength=1.0,
        num_inference_steps=options.steps,
        guidance_scale=1.0,
        generator=[torch.Generator("cpu").manual_seed(job["seed"]) for job in jobs],
    )
    for job, window, generated in zip(jobs, windows, result.images):
        left, top, _, _ = job["window"]
        filled = job["image"].copy()
        filled.paste(generated.resize(window.size, Image.BICUBIC), (left, top))
        # Written under a hidden name first: a killed run leaves no half picture under the name that counts.
        part = options.output / f".{job['name']}"
        filled.save(part, "PNG")
        os.replace(part, options.output / job["name"])


def batches(paths, options):
    """Jobs of one size, at most `options.batch` at a time."""
    waiting = {}
    for path in paths:
        image = Image.open(path).convert("RGB")
        mask = Image.open(options.masks / path.name).convert("L")
        window, size = window_of(mask, options.max_side)
        job = {"name": path.name, "image": image, "mask": mask, "window": window, "size": size}
        job["seed"] = seed_of(options.seed, image)
        same = waiting.setdefault(size, [])
        same.append(job)
        if len(same) == options.batch:
            yield waiting.pop(size)
    yield from waiting.values()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder or hub name of an inpainting pipeline")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=1, help="images that are denoised together")
    parser.add_argument("--max-side", type=int, default=768, help="longest side in which a window is filled")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("input", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    paths = sorted(options.input.glob("*.png"))
    pipeline = load(options)
    for jobs in batches(paths, options):
        fill(pipeline, jobs, options)


if __name__ == "__main__":
    main()
