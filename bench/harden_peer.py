"""The method as the reference runs it, in PyTorch: the peer that `bench/harden.py` times. Not meant to be run by hand.

    harden_peer.py TRAIN_REAL TRAIN_FAKE VAL_REAL VAL_FAKE PROBES EPOCHS [RESNET50.pt]

RAD over one pass of the probes, then epochs: validation, then batches of 64 training images and as many probes as let both end
together, each view drawn anew, the backbone run on each. Two loader processes. What it spares itself: no gradient goes
through the frozen backbone, and there is one gate.
"""

import json
import random
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "oracle"))

import albumentations.augmentations.dropout.functional as dropout
import albumentations.augmentations.functional as pixels
import harden_networks
import numpy as np
import torch
import torch.nn.functional as F
from image_steps import augmented
from PIL import Image
from scipy import ndimage
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T
from torchvision.models import resnet50

CROP, PRUNE, WORKERS = 96, 0.2, 2


def chance(p):
    return random.random() < p


def drawn(width, height, probe):
    """A plan (method, section 5) for `augmented`."""
    plan = {}
    if chance(0.2):
        top, left, part_height, part_width = T.RandomResizedCrop.get_params(torch.empty(3, height, width), (0.08, 1), (3 / 4, 4 / 3))
        shorter = min(part_width, part_height) if probe else None
        width, height = ((256 * side // shorter for side in (part_width, part_height)) if probe else (256, 256))
        plan["resized_crop"] = [left, top, part_width, part_height, width, height]
    if chance(0.8):
        factors = {name: random.uniform(0.6, 1.4) for name in ("brightness", "contrast", "saturation")}
        plan["jitter"] = [*factors.items(), ("hue", random.uniform(-0.1, 0.1))]
        random.shuffle(plan["jitter"])
    plan["grayscale"] = chance(0.2)
    if chance(0.2):
        top, left = (max(random.randint(0, side) - 24, 0) for side in (height, width))
        plan["cutout"] = [left, top, min(48, width - left), min(48, height - top)]
    if chance(0.2):
        plan["noise"] = random.uniform(10, 50)
    if chance(0.5):
        plan["blur"] = random.uniform(0, 3)
    if chance(0.5):
        plan["jpeg"] = random.randint(30, 100)
    plan["quarters"] = random.randrange(4)
    plan["flip"] = chance(0.5)
    if plan["quarters"] % 2:
        width, height = height, width
    lacking = [max(CROP - width, 0), max(CROP - height, 0)]
    before = [side // 2 if probe else side for side in lacking]
    after = [side - side // 2 if probe else side for side in lacking]
    if any(lacking):
        plan["padding"] = before + after
    room = [side + first + last - CROP for side, first, last in zip((width, height), before, after)]
    plan["crop_at"] = [random.randint(0, side) for side in room]
    return plan


def degrade(plan, image):
    array = np.array(image)
    if "cutout" in plan:
        left, top, width, height = plan["cutout"]
        array = dropout.cutout(array, [(left, top, left + width, top + height)], 128)
    if "noise" in plan:
        array = pixels.gauss_noise(array, np.random.normal(0, plan["noise"] ** 0.5, array.shape).astype(np.float32))
    if "blur" in plan:
        for channel in range(3):
            ndimage.gaussian_filter(array[:, :, channel], output=array[:, :, channel], sigma=plan["blur"])
    return Image.fromarray(array)


class Views(Dataset):
    """One new view of each image: (tensor, mask, label)."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, mask, label = self.images[index]
        picture = Image.open(image).convert("RGB")
        region = Image.open(mask).convert("L") if mask else Image.new("L", picture.size)
        crop, inside = augmented(drawn(*picture.size, mask is not None), picture, region, degrade)
        inside = torch.from_numpy((np.array(inside) > 127).astype(np.float32))[None]
        tensor = torch.from_numpy(np.array(crop)).permute(2, 0, 1).float() / 255
        return tensor, inside, float(inside.any()) if mask else float(label)


def seed_worker(number):
    random.seed(torch.initial_seed() + number)
    np.random.seed((torch.initial_seed() + number) % 2**32)


def loader(images, batch, shuffle):
    return DataLoader(Views(images), batch, shuffle=shuffle, num_workers=WORKERS, worker_init_fn=seed_worker)


def dissect(features, probes):
    """The gate of the highest and lowest scores."""
    batches = []
    for image, mask, label in loader(probes, 64, True):
        used = label > 0
        if not used.any():
            continue
        maps, mask = features(image[used]), mask[used]
        small = F.interpolate(mask, size=maps.shape[2:], mode="bilinear", align_corners=False)
        background = 1 - small
        inside = (maps * small).sum((2, 3)) / (small.sum((2, 3)) + 1e-6)
        outside = (maps * background).sum((2, 3)) / (background.sum((2, 3)) + 1e-6)
        batches.append((inside - outside).mean(0))
    scores = torch.stack(batches).mean(0)
    order, cut = scores.argsort(descending=True), int(len(scores) * PRUNE)
    keep = torch.zeros(len(scores))
    keep[order[cut : len(scores) - cut]] = 1
    return keep


def balanced_accuracy(head, keep, features, images):
    hits = {0.0: [], 1.0: []}
    for image, _, label in loader(images, 64, False):
        with torch.no_grad():
            logits = head(features(image).mean((2, 3)) * keep).squeeze(1)
        for truth, said in zip(label.tolist(), (logits > 0).tolist()):
            hits[truth].append(said == bool(truth))
    return sum(sum(of) / len(of) for of in hits.values()) / 2


def main():
    *folders, probe_folder, epochs, network = (*sys.argv[1:], None)[:7]
    lists = [sorted(path for path in Path(folder).rglob("*") if path.is_file()) for folder in folders]
    train, val = ([(path, None, label) for label in (0, 1) for path in lists[first + label]] for first in (0, 2))
    probes = [(path, path.with_name(path.name.replace("_inpaint", "_mask")), 1) for path in sorted(Path(probe_folder).glob("*_inpaint.png"))]
    torch.manual_seed(0)
    if network:
        net = resnet50()
        net.conv1.stride, net.maxpool.stride = (1, 1), 1
        trunk = harden_networks.export_backbone.resnet_trunk(net).eval()
        trunk.load_state_dict(torch.load(network, weights_only=True))
        compute = lambda image: trunk(harden_networks.normalised(image))
    else:
        compute = harden_networks.mini()

    @torch.no_grad()
    def features(image):
        return compute(image)

    began = time.perf_counter()
    keep = dissect(features, probes)
    dissected = time.perf_counter()
    head = torch.nn.Linear(len(keep), 1)
    torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)
    optimiser, loss, best, views = torch.optim.Adam(head.parameters(), lr=1e-4), torch.nn.BCEWithLogitsLoss(), 0, 0
    steps = -(-len(train) // 64)
    for _ in range(int(epochs)):
        best = max(best, balanced_accuracy(head, keep, features, val))
        for main_batch, probe_batch in zip(loader(train, 64, True), loader(probes, -(-len(probes) // steps), True)):
            optimiser.zero_grad()
            total = 0
            for image, _, label in (main_batch, probe_batch):
                total = total + loss(head(features(image).mean((2, 3)) * keep).squeeze(1), label.float())
                views += len(label)
            total.backward()
            optimiser.step()
    done = time.perf_counter()
    assert views == int(epochs) * (len(train) + len(probes)), views
    print(json.dumps({"dissect": dissected - began, "epoch": (done - dissected) / int(epochs), "best": best, "kept": int(keep.sum())}))


if __name__ == "__main__":
    main()
