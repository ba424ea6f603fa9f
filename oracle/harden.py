"""The method in PyTorch, from the same images and the same draws: what dissect, prune and refine must find.

    python oracle/harden.py mini                                # views.json and mini.json
    python oracle/harden.py resnet50 [FILE.onnx]                # resnet50.json, and the network's file for the Rust test
    oracle/harden_resnet50                                      # that, and the test

Pictures are in crates/dear/tests/fixtures/harden/data (`harden_images.py`), what is drawn for each view comes from the Rust
program `plans`; everything else is here: views (`harden_views.py`), network (`harden_networks.py`), masks, RAD, gate, head.
Needs the packages of oracle/requirements.txt, and cargo.
"""

import argparse
import hashlib
import json
import platform
from pathlib import Path

import albumentations
import harden_networks
import harden_views
import numpy as np
import PIL
import scipy
import torch
import torch.nn.functional as F
import torchvision
from scipy.optimize import minimize

# A seed under which one mask vanishes when it is resized and one crop lies wholly inside its mask.
SEED, VIEWS = 5, 4
ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "crates/dear/tests/fixtures/harden"
DATA = FIXTURES / "data"
PRUNE = 0.2
# Probes in a batch of the reference's order: small, so that there are several.
RAD_BATCH = 10
STRENGTHS = [1.0, 0.03]
ADAM = {"lr": 1e-2, "steps": 60, "batch": 16}


def files(folder):
    return sorted((DATA / folder).iterdir())


def all_views():
    """Views of the training images, the probes and the validation images, in the order of the Rust side."""
    probes = [(file, file.with_name(file.name.replace("_inpaint", "_mask")), 1) for file in files("probes") if "_inpaint" in file.name]
    train = [(file, None, label) for label, kind in enumerate(("real", "fake")) for file in files(f"train/{kind}")]
    # A dataset lists its files by path: fake before real.
    val = [(file, None, label) for label, kind in ((1, "fake"), (0, "real")) for file in files(f"val/{kind}")]
    parts, taken = {}, {}
    for name, role, sources in (("main", "main", train), ("probe", "probe", probes), ("val", "main", val)):
        parts[name], counts = harden_views.make(role, SEED, VIEWS, sources)
        for step, count in counts.items():
            taken[step] = taken.get(step, 0) + count
    assert min(taken.values()) >= 5, f"a step that is hardly drawn is hardly tested: {taken}"
    return parts, taken


def tensor(views):
    return torch.stack([torch.from_numpy(np.array(view.image)).permute(2, 0, 1).float() / 255 for view in views])


# Dissect. -----------------------------------------------------------------------------------------------------------


def regions(features, views):
    """S_k(i) of each view `[views, C]`, which views have a mask at all, and which have both regions (method section 2)."""
    masks = torch.stack([torch.from_numpy((np.array(view.mask) > 127).astype(np.float32)) for view in views])[:, None]
    small = F.interpolate(masks, size=features.shape[2:], mode="bilinear", align_corners=False)
    background = 1 - small
    inside = (features * small).sum((2, 3)) / (small.sum((2, 3)) + 1e-6)
    outside = (features * background).sum((2, 3)) / (background.sum((2, 3)) + 1e-6)
    survived = masks.flatten(1).sum(1) > 0
    both = (small.flatten(1).sum(1) > 1e-3) & (background.flatten(1).sum(1) > 1e-3)
    return inside - outside, survived, survived & both


def rad(features, views):
    difference, survived, sound = regions(features, views)
    batches = []
    for start in range(0, len(views), RAD_BATCH):
        here = slice(start, start + RAD_BATCH)
        if survived[here].any():
            batches.append(difference[here][survived[here]].mean(0))
    counts = {"given": len(views), "survived": int(survived.sum()), "sound": int(sound.sum())}
    assert counts["survived"] - counts["sound"] == 2, f"one of each kind without a region: {counts}"
    return difference[sound].mean(0), torch.stack(batches).mean(0), counts


def gate(scores):
    """Bool of each channel: kept."""
    order = torch.argsort(scores, descending=True, stable=True)
    cut = int(len(scores) * PRUNE)
    keep = torch.zeros(len(scores), dtype=torch.bool)
    keep[order[cut : len(scores) - cut]] = True
    return keep


# Refine. ------------------------------------------------------------------------------------------------------------


def labels(views):
    return torch.tensor([view.label for view in views], dtype=torch.float64)


def l2_head(main, main_labels, probes, probe_labels, keep, strength):
    """The optimum of mean BCE(main) + mean BCE(probes) + strength / 2 * |sigma w|^2, in f64, by SciPy."""
    x = torch.cat([main, probes]).double()[:, keep]
    y = torch.cat([main_labels, probe_labels])
    share = torch.cat([torch.full((len(part),), 1 / len(part), dtype=torch.float64) for part in (main, probes)])
    mean = (share[:, None] * x).sum(0) / 2
    sigma = ((share[:, None] * (x - mean) ** 2).sum(0) / 2).sqrt()
    alive = sigma > 1e-8 * mean
    z = (x - mean)[:, alive] / sigma[alive]

    def objective(point):
        point = torch.tensor(point, requires_grad=True)
        loss = F.binary_cross_entropy_with_logits(z @ point[:-1] + point[-1], y, reduction="none")
        value = (share * loss).sum() + strength / 2 * (point[:-1] ** 2).sum()
        value.backward()
        return value.item(), point.grad.numpy()

    found = minimize(objective, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B",
                     options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 0, "gtol": 1e-9})
    # The penalty bends every weight by at least `strength`: the weights are within 1e-6 of the optimum.
    assert np.abs(found.jac).max() < 1e-8, found
    weight = torch.zeros(main.shape[1], dtype=torch.float64)
    kept = torch.nonzero(keep).flatten()[alive]
    weight[kept] = torch.tensor(found.x[:-1]) / sigma[alive]
    return weight, found.x[-1] - (weight[kept] * mean[alive]).sum().item()


def adam_head(main, main_labels, probes, probe_labels, keep, batches):
    """Adam from zero on given batches, gate before the linear unit, as the reference trains."""
    unit = torch.nn.Linear(main.shape[1], 1)
    torch.nn.init.zeros_(unit.weight), torch.nn.init.zeros_(unit.bias)
    optimiser = torch.optim.Adam(unit.parameters(), lr=ADAM["lr"])
    loss = torch.nn.BCEWithLogitsLoss()
    for main_rows, probe_rows in batches:
        optimiser.zero_grad()
        total = loss(unit(main[main_rows] * keep).squeeze(1), main_labels[main_rows].float())
        total = total + loss(unit(probes[probe_rows] * keep).squeeze(1), probe_labels[probe_rows].float())
        total.backward()
        optimiser.step()
    return (unit.weight.detach().double()[0] * keep, unit.bias.item())


def draw_batches(main_rows, probe_rows):
    rng = np.random.default_rng(SEED)
    size = ADAM["batch"]
    return [(rng.permutation(main_rows)[:size].tolist(), rng.permutation(probe_rows)[:size].tolist()) for _ in range(ADAM["steps"])]


# Fixtures. ----------------------------------------------------------------------------------------------------------


def written(name, document):
    modules = (np, scipy, torch, torchvision, PIL, albumentations)
    versions = {module.__name__: module.__version__.split("+")[0] for module in modules}
    head = {"written_by": f"oracle/harden.py {name}", "seed": SEED, "views": VIEWS,
            "versions": {"python": platform.python_version(), **versions}}
    body = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in (head | document).items())
    path = FIXTURES / f"{name}.json"
    path.write_text("{\n" + body + "\n}\n")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


def numbers(values):
    """9 digits tell every f32 from its neighbours."""
    return [float(f"{value:.9g}") for value in values.tolist()]


def sha256(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def view_fixture(parts, taken):
    document = {name: [sha256(view.image) for view in views] for name, views in parts.items()}
    document["probe_masks"] = [sha256(view.mask.point(lambda value: 255 if value > 127 else 0)) for view in parts["probe"]]
    document["probe_labels"] = [view.label for view in parts["probe"]]
    written("views", {"steps_taken": taken, **document})


def method(parts, features):
    """Scores, gate and the logits of the heads on the validation views."""
    with torch.no_grad():
        maps = {name: torch.cat([features(part) for part in tensor(views).split(8)]) for name, views in parts.items()}
    pooled = {name: value.mean((2, 3)) for name, value in maps.items()}
    mean, reference, counts = rad(maps["probe"], parts["probe"])
    keep = gate(mean)
    sets = (pooled["main"], labels(parts["main"]), pooled["probe"], labels(parts["probe"]), keep)
    batches = draw_batches(len(parts["main"]), len(parts["probe"]))

    def logits(head):
        return numbers(pooled["val"].double() @ head[0] + head[1])

    print(f"scores {mean.min():.3g} to {mean.max():.3g}, dead channels {int((pooled['main'] == 0).all(0).sum())}, "
          f"features to {maps['main'].max():.3g}")
    return {
        "counts": counts, "prune": PRUNE, "rad_batch": RAD_BATCH, "rad_mean": numbers(mean), "rad_reference": numbers(reference),
        "keep": "".join(str(int(k)) for k in keep),
        "l2": [{"strength": strength, "logits": logits(l2_head(*sets, strength))} for strength in STRENGTHS],
        "adam": {"lr": ADAM["lr"], "batches": batches, "logits": logits(adam_head(*sets, batches))},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=["mini", "resnet50"])
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "target/oracle/resnet50.onnx", help="where resnet50 is written")
    options = parser.parse_args()
    parts, taken = all_views()
    if options.network == "mini":
        view_fixture(parts, taken)
        written("mini", method(parts, harden_networks.mini()))
        return
    trunk = harden_networks.seeded_resnet50(SEED, tensor(parts["main"][::12]))
    written("resnet50", method(parts, lambda image: trunk(harden_networks.normalised(image))))
    harden_networks.write_resnet50(trunk, SEED, options.file, check=True)


if __name__ == "__main__":
    main()
