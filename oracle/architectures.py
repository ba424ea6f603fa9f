"""What PyTorch answers for the architectures that `dear import` knows, with seeded weights in their full size, and with the real
weights that are at hand.

    python oracle/architectures.py          # crates/dear/tests/fixtures/architectures/cnn.json

torchvision gives ResNet-50 and its blocks; what the authors of NPR and LaDeDa changed in it is written again here from their
papers and public code: NPR's input and its two stages, LaDeDa's kernels without padding. EfficientNet-Lite0 is the package
`efficientnet-lite-pytorch`. Weights are those of `seeded.py`, pictures those of `detector.py`.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from detector import numbers, picture, tensor
from efficientnet_lite_pytorch import EfficientNet
from seeded import fill
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet, resnet50

ROOT = Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "crates" / "dear" / "tests" / "fixtures" / "architectures" / "cnn.json"
WEIGHTS = ROOT.parent / "shared" / "data" / "weights"
# (height, width, seed)
SIZES = [(64, 64, 1), (65, 97, 2), (131, 49, 3)]
EVEN = [(64, 64, 1), (66, 98, 2), (132, 50, 3)]
EVERY = 31
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(image, mean=MEAN, std=STD):
    return (image - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


class Detector(nn.Module):
    """Features, their mean and a linear head."""

    def pooled(self, image):
        return self.features(image).mean((2, 3))


class Stemmed(Detector):
    """ResNet-50; stride 1 in the stem for Corvi, Rajan and DEAR."""

    def __init__(self, stride, gate=False):
        super().__init__()
        self.backbone = resnet50(num_classes=1)
        self.backbone.conv1.stride, self.backbone.maxpool.stride = (stride, stride), stride
        if gate:
            self.gate = nn.Module()
            self.gate.register_buffer("gate", torch.ones(2048))

    def features(self, image):
        net = self.backbone
        x = net.maxpool(net.relu(net.bn1(net.conv1(normalised(image)))))
        return net.layer4(net.layer3(net.layer2(net.layer1(x))))

    def forward(self, image):
        pooled = self.pooled(image)
        return self.backbone.fc(pooled * self.gate.gate if hasattr(self, "gate") else pooled)


def npr(x):
    """A picture less its nearest-neighbour reduction by 2, enlarged again."""
    small = F.interpolate(x, scale_factor=0.5, mode="nearest", recompute_scale_factor=True)
    return x - F.interpolate(small, scale_factor=2.0, mode="nearest", recompute_scale_factor=True)


class Npr(Detector):
    def __init__(self):
        super().__init__()
        net = resnet50()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(64)
        self.layer1, self.layer2, self.fc1 = net.layer1, net.layer2, nn.Linear(512, 1)

    def features(self, image):
        x = torch.relu(self.bn1(self.conv1(npr(normalised(image)) * 2.0 / 3.0)))
        return self.layer2(self.layer1(F.max_pool2d(x, 3, 2, 1)))

    def forward(self, image):
        return self.fc1(self.pooled(image))


class Unpadded(Bottleneck):
    """The block without padding; of what is added, the last rows and columns are left out."""

    def __init__(self, *args, side=1, **kwargs):
        super().__init__(*args, **kwargs)
        planes = self.conv2.in_channels
        self.conv2 = nn.Conv2d(planes, planes, side, stride=self.stride, bias=False)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        x = x if self.downsample is None else self.downsample(x)
        return self.relu(y + x[:, :, : y.shape[2], : y.shape[3]])


KERNELS = {
    "x-grad": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "y-grad": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "left-diag": [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
    "right-diag": [[-2, -1, 0], [-1, 0, 1], [0, 1, 2]],
}


def residual(x, kind):
    if kind == "raw":
        return x
    if kind == "npr":
        return npr(x)
    kernel = torch.tensor(KERNELS[kind], dtype=torch.float32).expand(3, 1, 3, 3)
    return F.conv2d(x, kernel, groups=3, padding="same")


class LaDeDa(Detector):
    """`sides`: of the first block of each stage. 3, 3, 1, 1 sees 9 pixels."""

    def __init__(self, sides, kind):
        super().__init__()
        self.kind, planes = kind, 64
        self.conv1, self.conv2 = nn.Conv2d(3, 64, 1, bias=False), nn.Conv2d(64, 64, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, (side, blocks) in enumerate(zip(sides, (3, 4, 6, 3))):
            planes, stride = 64 << stage, 2 if stage < 3 else 1
            shortcut = nn.Sequential(nn.Conv2d(inputs, 4 * planes, 1, stride=stride, bias=False), nn.BatchNorm2d(4 * planes))
            first = Unpadded(inputs, planes, stride, shortcut, side=side)
            others = [Unpadded(4 * planes, planes) for _ in range(blocks - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, *others))
            inputs = 4 * planes
        self.fc = nn.Linear(2048, 1)

    def features(self, image):
        x = residual(normalised(image), self.kind)
        x = torch.relu(self.bn1(self.conv2(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def forward(self, image):
        return self.fc(self.pooled(image))


class TinyBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8)

    def forward(self, x):
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class TinyLaDeDa(Detector):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 1, bias=False), nn.Conv2d(8, 8, 3, bias=False)
        self.bn1, self.layer1, self.fc = nn.BatchNorm2d(8), nn.Sequential(TinyBlock()), nn.Linear(8, 1)

    def features(self, image):
        x = residual(normalised(image), self.kind)
        return self.layer1(torch.relu(self.bn1(self.conv2(self.conv1(x)))))

    def forward(self, image):
        return self.fc(self.pooled(image))


class Lite0(Detector):
    """ImageNet's classifier replaced by a head of one output."""

    def __init__(self):
        super().__init__()
        self.net = EfficientNet.from_name("efficientnet-lite0")
        self.net._fc = nn.Linear(1280, 1)

    def features(self, image):
        return self.net.extract_features(normalised(image, (127 / 255,) * 3, (128 / 255,) * 3))

    def forward(self, image):
        return self.net._fc(self.pooled(image))


# Seed 0: white, of which a mean that is added up in one f32 is wrong.
FLAT = [(512, 512, 0)]


def cases(net, sizes):
    found = []
    net.eval()
    for height, width, seed in sizes:
        pixels = picture(height, width, seed) if seed > 0 else np.full((height, width, 3), 255, np.uint8)
        image = torch.from_numpy(tensor(pixels))
        with torch.no_grad():
            features, pooled, logit = net.features(image), net.pooled(image), net(image)
        found.append({
            "height": height, "width": width, "seed": seed, "features_shape": list(features.shape),
            "pooled": numbers(pooled[0, ::EVERY].numpy()), "logit": numbers(logit.numpy().ravel())[0],
        })
    return found


def seeded(name, architecture, net, sizes, prefix="", strip="", residual=None, spans=None):
    """`prefix`: what the checkpoint writes before the names; `strip`: what the module of this script does."""
    names = {prefix + key.removeprefix(strip): key for key in net.state_dict()}
    state = {key: net.state_dict()[inner] for key, inner in names.items()}
    # Heads with large weights: a logit far from 0 shows an error in any channel.
    heads = {key: (-1.0, 1.0) for key in names if key.endswith(("fc.weight", "fc1.weight"))}
    filled, listed = fill(state, {**heads, **(spans or {})})
    net.load_state_dict({names[key]: value for key, value in filled.items()})
    return {"name": name, "architecture": architecture, "residual": residual, "weights": listed, "file": None, "sha256": None,
            "cases": cases(net, sizes)}


def real(name, architecture, net, path, sizes, residual):
    """A published file."""
    return {"name": name, "architecture": architecture, "residual": residual, "weights": [], "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "cases": cases(net, sizes)}


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    networks = [
        seeded("corvi", "corvi", Stemmed(1), SIZES, strip="backbone."),
        seeded("rajan-wrapped", "rajan", Stemmed(1), SIZES[:1], prefix="module.", strip="backbone."),
        seeded("dear", "dear", Stemmed(1, gate=True), SIZES, spans={"gate.gate": (0.0, 1.0)}),
        seeded("cnndetection", "cnndetection", Stemmed(2), SIZES, strip="backbone."),
        seeded("npr", "npr", Npr(), EVEN),
        seeded("ladeda9-npr", "ladeda", LaDeDa((3, 3, 1, 1), "npr"), EVEN, residual="npr"),
        seeded("ladeda33-raw", "ladeda", LaDeDa((3, 3, 3, 3), "raw"), SIZES, residual="raw"),
        seeded("efficientnet-lite0", "efficientnet-lite0", Lite0(), SIZES, strip="net."),
    ]
    for kind in ["raw", "npr", *KERNELS]:
        sizes = EVEN if kind == "npr" else SIZES
        networks.append(seeded(f"tiny-ladeda-{kind}", "tiny-ladeda", TinyLaDeDa(kind), sizes + FLAT, residual=kind))
    for file, kind, sizes in [("WildRF_Tiny_LaDeDa.pth", "left-diag", SIZES), ("ForenSynth_Tiny_LaDeDa.pth", "npr", EVEN)]:
        if not WEIGHTS.is_dir():  # they may not be passed on: what was answered before stays
            before = json.loads(FIXTURE.read_text())["networks"]
            networks.append(next(network for network in before if network["file"] == file))
            continue
        net = TinyLaDeDa(kind)
        net.load_state_dict(torch.load(WEIGHTS / file, map_location="cpu", weights_only=True))
        networks.append(real(file, "tiny-ladeda", net, WEIGHTS / file, sizes + FLAT, kind))
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    made_by = {"torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": np.__version__}
    FIXTURE.write_text(json.dumps({"made_by": made_by, "every": EVERY, "networks": networks}) + "\n")
    print(FIXTURE, FIXTURE.stat().st_size)
    for network in networks:
        print(network["name"], [round(case["logit"], 4) for case in network["cases"]], network["cases"][0]["features_shape"])


if __name__ == "__main__":
    main()
