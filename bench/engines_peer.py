"""PyTorch's side of `bench/engines.py`: one run for each line on stdin, its seconds on stdout.

    python bench/engines_peer.py NETWORK MODE THREADS N HEIGHT WIDTH

NETWORK: `corvi` (ResNet-50 without down-sampling in the stem) or `ufd` (CLIP ViT-L/14 with a linear head), seeded weights.
MODE: `eager`, f32 as the reference runs it (batch norm apart, channels first), or `folded`, batch norm folded and channels last.
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

sys.path.append(str(Path(__file__).resolve().parent.parent / "oracle"))
import architectures  # noqa: E402
from seeded import fill  # noqa: E402


class Clip(nn.Module):
    """UniversalFakeDetect's network on transformers' CLIP, which computes what OpenAI's does."""

    def __init__(self):
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        config = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                                  image_size=224, patch_size=14, projection_dim=768, hidden_act="quick_gelu")
        self.clip, self.fc = CLIPVisionModelWithProjection(config), nn.Linear(768, 1)

    def forward(self, image):
        return self.fc(self.clip(architectures.normalised(image)).image_embeds)


def network(name):
    if name == "ufd":
        return Clip()
    net = architectures.Stemmed(1)
    net.load_state_dict(fill(net.state_dict())[0])
    return net


def fold(module):
    """Every batch norm into the convolution before it, in torchvision's blocks."""
    for child in module.children():
        fold(child)
    names = [name for name, _ in module.named_children()]
    for first, second in zip(names, names[1:]):
        conv, norm = getattr(module, first), getattr(module, second)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, first, fuse_conv_bn_eval(conv, norm))
            setattr(module, second, nn.Identity())


def main():
    name, mode, threads, *shape = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    net = network(name).eval()
    n, height, width = map(int, shape)
    image = torch.rand(n, 3, height, width)
    if mode == "folded":
        fold(net)
        net, image = net.to(memory_format=torch.channels_last), image.to(memory_format=torch.channels_last)
    print(json.dumps({"name": "pytorch", "version": torch.__version__, "mode": mode, "threads": int(threads)}), flush=True)
    with torch.inference_mode():
        for _ in sys.stdin:
            start = time.perf_counter()
            value = net(image).sum().item()
            print(time.perf_counter() - start, value, flush=True)


if __name__ == "__main__":
    main()
