"""Gates by percentile, fragility and rank correlation as NumPy, PyTorch and SciPy compute them.

Writes crates/dear/tests/fixtures/dissect.json, read by crates/dear/tests/dissect.rs.
"""

import json
from pathlib import Path

import numpy as np
import scipy.stats
import torch

FIXTURE = Path(__file__).parent.parent / "crates/dear/tests/fixtures/dissect.json"
SEED = 20261125


def percentile_cases(random):
    """A channel goes if its score lies below the first or above the second percentile (linear, NumPy's default)."""
    cases = []
    for channels in (1, 2, 5, 64, 257):
        for name, scores in {
            "normal": random.normal(size=channels),
            # Many ties, also at the bounds.
            "rounded": np.round(random.normal(size=channels), 0) + 0.0,
        }.items():
            for low, high in ((20, 80), (30, 70), (0, 100), (12.5, 99), (49, 51)):
                bounds = np.percentile(scores, [low, high])
                keep = (scores >= bounds[0]) & (scores <= bounds[1])
                cases.append({
                    "name": f"{name} {channels}", "scores": scores.tolist(), "low": low, "high": high,
                    "keep": "".join(map(str, keep.astype(int))),
                })
    return cases


def fragility_case(random, images=9, channels=11):
    """Pooled features as multiples of 1/256, which f32 holds exactly; channel 3 never fires when clean."""
    clean = random.integers(0, 2048, size=(images, channels))
    moved = np.maximum(clean + random.integers(-400, 400, size=clean.shape), 0)
    clean[:, 3] = 0
    a, b = (torch.tensor(x, dtype=torch.float64) / 256 for x in (clean, moved))
    raw = torch.nn.functional.mse_loss(b, a, reduction="none").mean(0)
    square = (a**2).mean(0)
    return {
        "clean": clean.tolist(), "moved": moved.tolist(), "raw": raw.tolist(),
        "normalised": torch.where(square > 0, raw / square, torch.zeros_like(raw)).tolist(),
    }


def halves_case(random, photographs=10, views=3, channels=7):
    """Difference of each view, and scores of all views, of groups of mask size, and their rank correlation."""
    inside = random.integers(0, 512, size=(photographs * views, channels))
    outside = random.integers(0, 512, size=inside.shape)
    shares = random.permutation(len(inside)) / 64
    difference = (inside - outside) / 256
    order = np.argsort(shares, kind="stable")
    groups = []
    for part in np.array_split(order, [len(order) * k // 4 for k in (1, 2, 3)]):
        scores = difference[part].mean(0)
        groups.append({
            "from": shares[part].min(), "to": shares[part].max(), "views": len(part), "scores": scores.tolist(),
            "rank_correlation": scipy.stats.spearmanr(scores, difference.mean(0)).statistic,
        })
    return {
        "inside": inside.tolist(), "outside": outside.tolist(), "shares": shares.tolist(), "views": views, "groups": groups,
    }


def main():
    random = np.random.default_rng(SEED)
    document = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "torch": torch.__version__}, "seed": SEED,
        "percentiles": percentile_cases(random), "fragility": fragility_case(random), "mask_size": halves_case(random),
    }
    FIXTURE.write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
