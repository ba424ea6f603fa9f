"""The networks of the hardening oracle in PyTorch: `mini` from the weights of its file, and a seeded ResNet-50."""

import sys
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet50

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "examples"))
import export_backbone  # noqa: E402

MEAN, STD = export_backbone.IMAGENET_MEAN, export_backbone.IMAGENET_STD


def normalised(image):
    return (image - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def mini():
    """Features of `models/mini.onnx`: a function of RGB in 0..1. The structure is that of `training/mini.py`, batch norm folded."""
    model = onnx.load(ROOT / "models/mini.onnx")
    weights = {i.name: torch.from_numpy(onnx.numpy_helper.to_array(i).copy()) for i in model.graph.initializer}

    def conv(x, name, stride=1):
        weight = weights[f"{name}.weight"]
        return F.conv2d(x, weight, weights[f"{name}.bias"], stride, weight.shape[2] // 2)

    def features(image):
        x = torch.relu(conv(normalised(image), "stem"))
        for stage, blocks in ((1, 1), (2, 2), (3, 2), (4, 2)):
            for block in range(1, blocks + 1):
                name, stride = f"stage{stage}.block{block}", 2 if stage > 1 and block == 1 else 1
                y = torch.relu(conv(x, f"{name}.reduce"))
                y = torch.relu(conv(y, f"{name}.spatial", stride))
                y = conv(y, f"{name}.expand")
                x = torch.relu(y + (conv(x, f"{name}.shortcut", stride) if block == 1 else x))
        return x

    return features


def seeded_resnet50(seed, images):
    """ResNet-50 without stem down-sampling, with seeded weights and the batch-norm statistics of `images` `[N, 3, H, W]`.

    Weights come from NumPy, whose streams are the same everywhere; statistics are taken in f64 and rounded to 10 bits, so that
    another processor gives the same network.
    """
    net, rng = resnet50(), np.random.default_rng(seed)
    net.conv1.stride, net.maxpool.stride = (1, 1), 1
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            weight = rng.standard_normal(module.weight.shape, np.float32) * np.float32(np.sqrt(2 / fan_in))
            module.weight.data = torch.from_numpy(weight)
    for norm in norms:
        norm.weight.data = torch.from_numpy(rng.uniform(0.5, 1.0, norm.num_features).astype(np.float32))
        norm.bias.data = torch.from_numpy(rng.uniform(-0.3, 0.3, norm.num_features).astype(np.float32))
        norm.momentum = 1.0
    trunk = export_backbone.resnet_trunk(net).double().train()
    with torch.no_grad():
        trunk(normalised(images).double())
    for norm in norms:
        for statistic in (norm.running_mean, norm.running_var):
            mantissa, exponent = torch.frexp(statistic)
            statistic.copy_(torch.ldexp(torch.round(mantissa * 1024) / 1024, exponent))
    return trunk.float().eval()


def write_resnet50(trunk, seed, path, check=False):
    """The detector file of the seeded network, compared with PyTorch if asked."""
    backbone = export_backbone.Backbone(trunk, "resnet50-seeded", "ResNet-50 without stem down-sampling", "MIT OR Apache-2.0",
                                        f"nothing: seed {seed}")
    data = export_backbone.to_onnx(backbone).SerializeToString(deterministic=True)
    if check:
        export_backbone.check(backbone, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
