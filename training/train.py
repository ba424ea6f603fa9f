"""Trains `mini` from scratch on the views that `views.py` made, on a CPU, in a time that is set.

    python training/train.py --views VIEWS --checkpoint first.pt --steps 800 --stop-at 200
    python training/train.py --views VIEWS --checkpoint mini.pt --steps 300 --initial first.pt --seed 4

The second command goes on from the first with a cycle of its own. Half of every batch is real, the other half generated: resynthesised x4 and x2 counterparts of the same
photographs (aligned: same view, same augmentation), and Stable Diffusion. Every draw takes its key from
(seed, step, place in the batch), so the number of worker processes changes nothing.
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter1d
from torch.nn import functional

from mini import Mini
from views import GROUPS, VIEWS

PRE_CROP = 136  # augmentation works on this much of a view, for speed; the network sees CROP
CROP = 96
BATCH = {"real": 32, "x4": 12, "x2": 8, "sd15": 12}
TRAINED_ON = (
    "96 px crops after resize and JPEG: ImageNet photographs; their resynthesis x2 and x4 "
    "(@upscalerjs/esrgan-medium); Stable Diffusion 1.5"
)


def ramp(progress):
    """Share of the augmentation probabilities: a short training learns nothing if it starts at all of them."""
    return min(max((progress - 0.2) / 0.4, 0.0), 1.0)


def augment(view, rng, share):
    """The augmentation of the paper in its order, on a pre-crop; u8 [CROP, CROP, 3]."""
    image = Image.fromarray(view)
    size = view.shape[0]
    if rng.random() < 0.2 * share:  # random resized crop
        area, ratio = rng.uniform(0.08, 1) * size * size, np.exp(rng.uniform(-1, 1) * np.log(4 / 3))
        w, h = min(size, round((area * ratio) ** 0.5)), min(size, round((area / ratio) ** 0.5))
        x, y = int(rng.integers(size - w + 1)), int(rng.integers(size - h + 1))
        image = image.resize((PRE_CROP, PRE_CROP), Image.BILINEAR, (x, y, x + w, y + h))
    else:
        x, y = rng.integers(size - PRE_CROP + 1, size=2).tolist()
        image = image.crop((x, y, x + PRE_CROP, y + PRE_CROP))
    if rng.random() < 0.8 * share:
        for step in rng.permutation(4):
            if step == 3:
                hue = np.array(image.convert("HSV"))
                hue[..., 0] += np.uint8(round(rng.uniform(-0.1, 0.1) * 255) % 256)
                image = Image.fromarray(hue, "HSV").convert("RGB")
            else:
                enhance = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[step]
                image = enhance(image).enhance(rng.uniform(0.6, 1.4))
    if rng.random() < 0.2 * share:
        image = image.convert("L").convert("RGB")
    pixels = np.array(image)
    if rng.random() < 0.2 * share:  # cutout
        y, x = (max(0, int(centre) - 24) for centre in rng.integers(PRE_CROP, size=2))
        pixels[y : y + 48, x : x + 48] = 128
    if rng.random() < 0.2 * share:
        noise = rng.standard_normal(pixels.shape, np.float32) * rng.uniform(10, 50) ** 0.5
        pixels = (pixels + noise).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.5 * share:
        sigma = rng.uniform(0, 3)
        for axis in (0, 1):
            pixels = gaussian_filter1d(pixels.astype(np.float32), sigma, axis, mode="reflect").astype(np.uint8)
    if rng.random() < 0.5 * share:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=int(rng.integers(30, 101)), subsampling="4:2:0")
        pixels = np.asarray(Image.open(buffer))
    pixels = np.rot90(pixels, rng.integers(4))
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    y, x = rng.integers(PRE_CROP - CROP + 1, size=2)
    return pixels[y : y + CROP, x : x + CROP]


class Batches(torch.utils.data.Dataset):
    """One item is one whole batch of a step: (u8 images [N, 3, CROP, CROP], labels [N])."""

    def __init__(self, folder, steps, seed):
        self.views = {group: np.load(folder / f"train-{group}.npy", mmap_mode="r") for group in GROUPS}
        self.steps, self.seed = steps, seed

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        rng = np.random.default_rng([self.seed, step])
        images, labels, share = [], [], ramp(step / self.steps)

        def take(group, index, key):
            images.append(augment(self.views[group][index], np.random.default_rng([self.seed, step, key]), share))
            labels.append(group != "real")

        count, key = VIEWS["train"], 0
        for group in ("x4", "x2"):
            for _ in range(BATCH[group]):
                photograph = int(rng.integers(len(self.views["real"]) // count["real"]))
                view = int(rng.integers(count[group]))
                take("real", photograph * count["real"] + view, key)
                take(group, photograph * count[group] + view, key)
                key += 1
        for _ in range(BATCH["sd15"]):
            take("real", int(rng.integers(len(self.views["real"]))), key)
            take("sd15", int(rng.integers(len(self.views["sd15"]))), key + 1)
            key += 2
        pixels = np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
        return torch.from_numpy(pixels), torch.tensor(labels, dtype=torch.float32)


def auc(real, fake):
    """Area under the ROC curve; ties count half."""
    return float((fake[:, None] > real).mean() + 0.5 * (fake[:, None] == real).mean())


@torch.no_grad()
def validate(net, folder):
    """Logits of the validation views, no augmentation: per kind of generated image (AUC, F.Acc), and R.Acc."""
    net.eval()
    logits = {}
    for group in GROUPS:
        views = np.load(folder / f"val-{group}.npy", mmap_mode="r")
        parts = [
            net(to_input(torch.from_numpy(np.ascontiguousarray(views[i : i + 20].transpose(0, 3, 1, 2)))))
            for i in range(0, len(views), 20)
        ]
        logits[group] = torch.cat(parts).numpy()
    net.train()
    generated = [group for group in GROUPS if group != "real"]
    aucs = {group: auc(logits["real"], logits[group]) for group in generated}
    accuracies = {group: float((logits[group] > 0).mean()) for group in generated}
    return aucs, accuracies, float((logits["real"] < 0).mean())


def to_input(pixels):
    return pixels.to(memory_format=torch.channels_last).float() / 255


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--views", type=Path, required=True, help="written by views.py")
    parser.add_argument("--checkpoint", type=Path, required=True, help="to write")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--stop-at", type=int, help="end the cycle early, at this step")
    parser.add_argument("--initial", type=Path, help="checkpoint to start from")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--validate-every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)

    net, before = Mini(), ""
    if options.initial:
        saved = torch.load(options.initial, weights_only=True)
        net.load_state_dict(saved["model"])
        before = f"{saved['training']}; then "
    net = net.to(memory_format=torch.channels_last).train()
    decayed = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}], lr=options.learning_rate
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=options.steps, pct_start=0.15
    )
    batches = torch.utils.data.DataLoader(
        Batches(options.views, options.steps, options.seed), batch_size=None, num_workers=options.workers, prefetch_factor=8
    )
    started, best, losses = time.monotonic(), -1.0, []
    for step, (pixels, labels) in enumerate(batches, 1):
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(to_input(pixels))
        loss = functional.binary_cross_entropy_with_logits(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 20 == 0:
            rate = step * len(labels) / (time.monotonic() - started)
            print(f"step {step}: BCE {np.mean(losses[-20:]):.4f}, {rate:.0f} images/s", flush=True)
        if step % options.validate_every == 0 or step == options.steps:
            aucs, accuracies, real = validate(net, options.views)
            mean = float(np.mean(list(aucs.values())))
            shown = ", ".join(f"{group} {aucs[group]:.3f} ({accuracies[group]:.2f})" for group in aucs)
            print(f"validation at step {step}: mean AUC {mean:.4f}; AUC (F.Acc) {shown}; R.Acc {real:.2f}", flush=True)
            if mean > best:
                best = mean
                training = (
                    f"{before}end to end with the backbone: AdamW, one cycle to lr {options.learning_rate}, best of "
                    f"{options.steps} steps at step {step}, batch {2 * BATCH['real']}, seed {options.seed}"
                )
                saved = {"model": net.state_dict(), "trained_on": TRAINED_ON, "training": training}
                torch.save(saved, options.checkpoint)
        if step == options.stop_at:
            break
    print(f"best mean AUC {best:.4f}; {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
