"""Vision transformers by their authors' libraries, with seeded weights (seeded.py): logits and what the head reads.

Peers: open_clip for OpenAI's names, transformers for Hugging Face's, timm for DINOv2; the heads of RINE and C2P-CLIP and the
interpolation of positions are written here from their papers' code with PyTorch's own layers.

    python oracle/architectures_vit.py          # small configurations, into the fixture
    python oracle/architectures_vit.py full     # as published, into the fixture `vit_full.json`
"""

import json
import platform
import sys
from pathlib import Path

import numpy as np
import open_clip
import seeded
import timm
import torch
import torch.nn.functional as F
import transformers
from detector import picture
from torch import nn

FOLDER = Path(__file__).resolve().parent.parent / "crates/dear/tests/fixtures/architectures"
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class OpenAi(nn.Module):
    """OpenAI's tower, with its class tokens after the second norm of every block."""

    def __init__(self, side, patch, width, layers, channels, head_width):
        super().__init__()
        vision = dict(image_size=side, layers=layers, width=width, patch_size=patch, head_width=head_width)
        text = dict(context_length=4, vocab_size=8, width=64, heads=1, layers=1)
        clip = open_clip.model.CLIP(embed_dim=channels, vision_cfg=vision, text_cfg=text, quick_gelu=True)
        self.clip = clip.eval()
        self.seen = []
        for block in clip.visual.transformer.resblocks:
            block.ln_2.register_forward_hook(lambda _, __, output: self.seen.append(output[:, 0]))

    def state(self):
        return self.clip.state_dict()

    def forward(self, x):
        self.seen.clear()
        return self.clip.encode_image(x)


class HuggingFace(nn.Module):
    def __init__(self, side, patch, width, layers, channels, head_width):
        super().__init__()
        config = transformers.CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=channels,
            num_hidden_layers=layers,
            num_attention_heads=width // head_width,
            image_size=side,
            patch_size=patch,
            hidden_act="quick_gelu",
        )
        self.clip = transformers.CLIPVisionModelWithProjection(config).eval()

    def state(self):
        return self.clip.state_dict()

    def forward(self, x):
        return self.clip(pixel_values=x).image_embeds


class Rine(nn.Module):
    """The trained part of RINE on the class tokens of all blocks; what stands before its last layer, and the logit."""

    def __init__(self, blocks, inputs, width, depth):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1, blocks, width))

        def stack(first):
            parts = [nn.Dropout()]
            for index in range(depth):
                parts += [nn.Linear(first if index == 0 else width, width), nn.ReLU(), nn.Dropout()]
            return nn.Sequential(*parts)

        self.proj1, self.proj2 = stack(inputs), stack(width)
        hidden = [part for _ in range(2) for part in (nn.Linear(width, width), nn.ReLU(), nn.Dropout())]
        self.head = nn.Sequential(*hidden, nn.Linear(width, 1))

    def forward(self, seen):
        said = self.proj1(torch.stack(seen, dim=1))
        z = self.proj2((torch.softmax(self.alpha, dim=1) * said).sum(dim=1))
        return self.head[:6](z)


def dinov2(side, patch, width, layers, head_width, registers):
    return timm.models.vision_transformer.VisionTransformer(
        img_size=side,
        patch_size=patch,
        embed_dim=width,
        depth=layers,
        num_heads=width // head_width,
        init_values=1.0,
        num_classes=1,
        global_pool="token",
        reg_tokens=registers,
        no_embed_class=registers > 0,
        norm_layer=lambda size, **_: nn.LayerNorm(size, eps=1e-6),
    ).eval()


def interpolated(positions, stored, cells, registers):
    """The rule of facebookresearch/dinov2, `interpolate_pos_encoding`: with registers its networks are built with
    `interpolate_antialias=True, interpolate_offset=0.0`, without with False and 0.1."""
    if cells == stored:
        return positions
    grid = positions.reshape(1, stored, stored, -1).permute(0, 3, 1, 2)
    if registers:
        grid = F.interpolate(grid, size=(cells, cells), mode="bicubic", antialias=True)
    else:
        scale = float(cells + 0.1) / stored
        grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic", antialias=False)
    assert grid.shape[-2:] == (cells, cells)
    return grid.permute(0, 2, 3, 1).reshape(1, cells * cells, -1)


def image(width, height, seed):
    pixels = picture(height, width, seed)
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255.0


def normalised(x, mean, std):
    return (x - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def middle(x, side):
    """The chain's `crop`, where torchvision's `CenterCrop` cuts."""
    top, left = round((x.shape[2] - side) / 2), round((x.shape[3] - side) / 2)
    return x[:, :, top : top + side, left : left + side]


def numbers(tensor):
    return [float(value) for value in tensor.flatten()]


def spans(state):
    """Embeddings are small in trained networks, and positions of one size with the tokens; layer scale is about one."""
    ranges = {}
    for name, tensor in state.items():
        if "embed" in name.lower() and "patch" not in name or "token" in name:
            ranges[name] = (-0.5, 0.5)
        if name.endswith("gamma"):
            ranges[name] = (0.3, 0.9)
        if name.endswith("alpha"):
            ranges[name] = (-1.0, 1.0)
        if name.startswith(("proj1", "proj2", "head.")) and tensor.dim() == 2:  # a ReLU halves what it is given
            bound = round((6.0 / tensor.shape[1]) ** 0.5, 6)
            ranges[name] = (-bound, bound)
        if name.endswith("visual.proj"):  # stored as [inputs, outputs]
            bound = round((3.0 / tensor.shape[0]) ** 0.5, 6)
            ranges[name] = (-bound, bound)
    return ranges


def filled(state):
    return seeded.fill(state, spans(state))


def entry(name, architecture, sizes, listed, cases, backbone=None):
    made = {"name": name, "architecture": architecture, **sizes, "tensors": listed, "backbone": backbone, "cases": cases}
    return made


def clip_cases(pictures, side, answer):
    cases = []
    for width, height, seed in pictures:
        with torch.no_grad():
            pooled, logit = answer(normalised(middle(image(width, height, seed), side), CLIP_MEAN, CLIP_STD))
        cases.append({"width": width, "height": height, "seed": seed, "side": side, "pooled": numbers(pooled), "logit": float(logit)})
    return cases


def linear(channels):
    layer = nn.Linear(channels, 1)
    state, listed = filled({f"fc.{name}": value for name, value in layer.state_dict().items()})
    layer.load_state_dict({name[3:]: value for name, value in state.items()})
    return layer, listed


def clip(name, make, architecture, sizes, pictures, separate=False, prefix="", unit=False):
    network = make(**sizes)
    # The names in the file are seeded, with what stands before them.
    state, listed = filled({prefix + name: value for name, value in network.state().items()})
    network.clip.load_state_dict({name[len(prefix) :]: value for name, value in state.items()})
    layer, head = linear(sizes["channels"])

    def answer(x):
        pooled = network(x)
        if unit:
            pooled = pooled / pooled.norm(p=2, dim=-1, keepdim=True)
        return pooled, layer(pooled)

    cases = clip_cases(pictures, sizes["side"], answer)
    files = (head, listed) if separate else (listed + head, None)
    return entry(name, architecture, {"head_width": sizes["head_width"]}, files[0], cases, files[1])


def rine(name, sizes, width, depth, pictures, separate):
    network = OpenAi(**sizes)
    prefix = "" if separate else "clip."
    state, listed = filled({prefix + name: value for name, value in network.state().items()})
    network.clip.load_state_dict({name[len(prefix) :]: value for name, value in state.items()})
    trained = Rine(sizes["layers"], sizes["width"], width, depth).eval()
    state, own = filled(trained.state_dict())
    trained.load_state_dict(state)

    def answer(x):
        network(x)
        pooled = trained(network.seen)
        return pooled, trained.head[6](pooled)

    cases = clip_cases(pictures, sizes["side"], answer)
    files = (own, listed) if separate else (listed + own, None)
    return entry(name, "rine", {"head_width": sizes["head_width"]}, files[0], cases, files[1])


def dino(name, sizes, stored, sides, registers, timm_names=False):
    """The checkpoint holds positions of `stored` patches along a side; each case is another side."""
    patch, width = sizes["patch"], sizes["width"]
    reference = dinov2(stored * patch, **sizes, registers=registers)
    held = reference.state_dict()
    if registers and not timm_names:
        # The authors' names: the class token has a position of its own, and registers are called otherwise.
        held["pos_embed"] = torch.zeros(1, 1 + stored * stored, width)
        held["register_tokens"] = held.pop("reg_token")
    if not timm_names:
        held["mask_token"] = torch.zeros(1, width)
    state, listed = filled(held)
    cases = []
    for number, side in enumerate(sides):
        cells = side // patch
        network = dinov2(side, **sizes, registers=registers)
        own = {name: value for name, value in state.items() if name != "mask_token"}
        positions = own["pos_embed"]
        first = positions[:, : positions.shape[1] - stored * stored]
        patches = interpolated(positions[:, first.shape[1] :], stored, cells, registers)
        if registers:
            own["pos_embed"] = patches
            if not timm_names:
                own["cls_token"] = own["cls_token"] + first
                own["reg_token"] = own.pop("register_tokens")
        else:
            own["pos_embed"] = torch.cat((first, patches), dim=1)
        network.load_state_dict(own)
        with torch.no_grad():
            tokens = network.forward_features(normalised(image(side, side, number), IMAGENET_MEAN, IMAGENET_STD))
            pooled = network.forward_head(tokens, pre_logits=True)
            logit = network.head(pooled)
        cases.append({"width": side, "height": side, "seed": number, "side": side, "pooled": numbers(pooled), "logit": float(logit)})
    return entry(name, "dinov2", {"head_width": sizes["head_width"]}, listed, cases)


def small():
    l14 = dict(side=56, patch=14, width=96, layers=3, channels=48, head_width=32)
    b16 = dict(side=64, patch=16, width=64, layers=2, channels=32, head_width=16)
    tiny = dict(patch=8, width=64, layers=2, head_width=16)
    pictures = [(56, 56, 1), (97, 65, 2), (60, 131, 3)]
    larger = [(64, 64, 1), (97, 66, 2), (80, 131, 3)]
    return [
        clip("ufd, in two files", OpenAi, "ufd", l14, pictures, separate=True),
        clip("ufd, in one file", OpenAi, "ufd", b16, larger, prefix="model."),
        clip("ufd, Hugging Face's names", HuggingFace, "ufd", l14, pictures, separate=True),
        clip("c2p-clip", HuggingFace, "c2p-clip", b16, larger, prefix="model.", unit=True),
        rine("rine, in two files", l14, width=24, depth=2, pictures=pictures, separate=True),
        rine("rine, in one file", b16, width=16, depth=4, pictures=larger, separate=False),
        dino("dinov2", tiny, stored=5, sides=[40, 24, 72], registers=0),
        dino("dinov2, registers", tiny, stored=6, sides=[48, 32, 64], registers=4),
        dino("dinov2, registers in timm's names", tiny, stored=6, sides=[48, 24, 80], registers=2, timm_names=True),
    ]


def full():
    l14 = dict(side=224, patch=14, width=1024, layers=24, channels=768, head_width=64)
    b16 = dict(side=224, patch=16, width=768, layers=12, channels=512, head_width=64)
    s14 = dict(patch=14, width=384, layers=12, head_width=64)
    pictures = [(224, 224, 1), (300, 257, 2)]
    return [
        clip("CLIP ViT-L/14", OpenAi, "ufd", l14, pictures, separate=True),
        clip("CLIP ViT-B/16", HuggingFace, "ufd", b16, pictures, separate=True),
        dino("DINOv2 ViT-S/14", s14, stored=37, sides=[224, 518], registers=0),
    ]


def main():
    published = sys.argv[1:] == ["full"]
    torch.set_num_threads(2)
    versions = {"python": platform.python_version()}
    versions |= {peer.__name__: peer.__version__ for peer in (torch, open_clip, timm, transformers)}
    fixture = {"made_by": "oracle/architectures_vit.py", "versions": versions, "networks": full() if published else small()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / ("vit_full.json" if published else "vit.json")
    path.write_text(json.dumps(fixture) + "\n")
    count = sum(len(network["cases"]) for network in fixture["networks"])
    print(f"{path.name}: {len(fixture['networks'])} networks, {count} cases, {path.stat().st_size} bytes")
    for network in fixture["networks"]:
        print(network["name"], [round(case["logit"], 3) for case in network["cases"]])


if __name__ == "__main__":
    main()
