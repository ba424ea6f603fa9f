"""Reference numbers for RAD, gate, head, metrics and bootstrap, by the libraries that people trust.

Run with numpy, torch, scikit-learn, scipy, statsmodels and uncertainty-calibration installed; `git diff` then shows what moved:

    python oracle/numerics.py [rad] [gate] [head] [metrics] [bootstrap]

(all of them by default; bootstrap takes five minutes). Writes crates/dear/tests/fixtures/numerics_*.json, read by
crates/dear/tests/numerics.rs. Features are stored as integers and divided by 256, so that both sides read exactly
the same f32 numbers.
"""

import json
import platform
import sys
from fractions import Fraction
from pathlib import Path

import calibration
import numpy as np
import scipy
import scipy.optimize
import scipy.special
import scipy.stats
import sklearn
import statsmodels
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
    roc_curve,
)
from statsmodels.stats.proportion import proportion_confint

SEED = 20260610
OUT = Path(__file__).resolve().parent.parent / "crates/dear/tests/fixtures"
SCALE = 256


def write(name, content):
    head = {
        "written_by": "oracle/numerics.py",
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            **{m.__name__: m.__version__.split("+")[0] for m in (np, torch, sklearn, scipy, statsmodels)},
        },
    }
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'), allow_nan=False)}" for k, v in (head | content).items())
    (OUT / f"numerics_{name}.json").write_text("{\n" + body + "\n}\n")


def integers(array):
    return np.rint(np.asarray(array) * SCALE).astype(int)


def floats(array):
    """f32 as the shortest decimal that reads back as the same f32."""
    return [float(str(v)) for v in np.asarray(array, dtype=np.float32).ravel()]


# ---------------------------------------------------------------------------------------------------------------- RAD


def rad():
    rng = np.random.default_rng(SEED)
    channels, crop, size = 24, 48, 6
    # Rectangles (top, left, height, width) in a 48 x 48 crop. The seventh lies between the samples of a 6 x 6 map and
    # vanishes, the eighth fills the crop, the tenth survives nowhere: never scored, it leaves its batch with three.
    rectangles = [
        (0, 0, 20, 30), (10, 12, 25, 20), (30, 5, 18, 40), (0, 40, 48, 8), (7, 7, 11, 13), (1, 2, 40, 44),
        (0, 0, 3, 3), (0, 0, 48, 48), (20, 20, 9, 28), (0, 0, 0, 0), (40, 0, 8, 48), (13, 3, 30, 9), (5, 25, 22, 23),
        (33, 33, 15, 15), (2, 30, 31, 12),
    ]
    count = len(rectangles)
    level = rng.uniform(0.2, 3, channels)  # channels of very different scale
    scale = level[None, :, None, None]
    features = np.maximum(rng.normal(0.4, 1, (count, channels, size, size)) * scale, 0)
    null_features = np.maximum(rng.normal(0.4, 1, (count, channels, size, size)) * scale, 0)
    features[:, 0] = 0  # a dead channel
    masks = np.zeros((count, crop, crop), dtype=np.float32)
    for mask, (top, left, height, width) in zip(masks, rectangles):
        mask[top : top + height, left : left + width] = 1
    for mask, rows in zip(masks, features):
        small = F.interpolate(torch.tensor(mask)[None, None], (size, size), mode="bilinear")[0, 0].numpy()
        rows[1::3] += small * level[1::3, None, None]  # every third channel sees the region
    features, null_features = integers(features), integers(null_features)

    def per_probe(stored):
        """The formula of method section 2, in f32 as the reference computes it: [probes, channels]."""
        x = torch.tensor(stored / SCALE, dtype=torch.float32)
        small = F.interpolate(torch.tensor(masks)[:, None], (size, size), mode="bilinear", align_corners=False)
        background = 1.0 - small
        inside = (x * small).sum((2, 3)) / (small.sum((2, 3)) + 1e-6)
        outside = (x * background).sum((2, 3)) / (background.sum((2, 3)) + 1e-6)
        return inside - outside, small[:, 0]

    scores, small = per_probe(features)
    null_scores, _ = per_probe(null_features)
    survived = torch.tensor(masks.reshape(count, -1).any(1))
    sound = survived & (small.sum((1, 2)) > 1e-3) & ((1 - small).sum((1, 2)) > 1e-3)
    assert sound.sum() == count - 3, "one of each degenerate kind, one absent"

    batch, max_batches = 4, 3
    totals, used = torch.zeros(channels), 0
    for start in range(0, min(count, batch * max_batches), batch):
        here = slice(start, start + batch)
        if survived[here].any():
            totals += scores[here][survived[here]].mean(0)
            used += 1

    def deviation(stored):
        """Within-region deviation from the features themselves, two passes in f64."""
        x, m = stored[sound.numpy()] / SCALE, small[sound].double().numpy()[:, None]
        variance = np.zeros(channels)
        for weight in (m, 1 - m):
            mean = (x * weight).sum((2, 3), keepdims=True) / weight.sum((2, 3), keepdims=True)
            variance += (weight * (x - mean) ** 2).sum((0, 2, 3))
        return np.sqrt(variance / (sound.sum().item() * size * size))

    kept, null_kept = scores[sound].double().numpy(), null_scores[sound].double().numpy()
    spread = deviation(features)
    spread[0] = 1  # the dead channel: 0 / 1
    error = kept.std(0, ddof=1) / np.sqrt(len(kept))
    null_error = null_kept.std(0, ddof=1) / np.sqrt(len(kept))

    soft = rng.uniform(0, 1, (7, 9)).astype(np.float32)
    resized = [
        {
            "to": to,
            "mask": floats(F.interpolate(torch.tensor(soft)[None, None], to, mode="bilinear", align_corners=False)),
        }
        for to in [(3, 4), (7, 9), (16, 5), (1, 1), (14, 27)]
    ]
    write("rad", {
        "channels": channels, "crop": crop, "size": size, "batch": batch, "max_batches": max_batches,
        "rectangles": rectangles,
        "features": features.ravel().tolist(),
        "null_features": null_features.ravel().tolist(),
        "small_masks": floats(small),
        "keep_all": floats(scores[survived].mean(0)),
        "drop": floats(scores[sound].mean(0)),
        "reference_batches": floats(totals / used),
        "standardised": (kept.mean(0) / spread).tolist(),
        "std_error": error.tolist(),
        "minus_null": (kept.mean(0) - null_kept.mean(0)).tolist(),
        "minus_null_std_error": np.hypot(error, null_error).tolist(),
        "standardised_minus_null": (kept.mean(0) / spread - null_kept.mean(0) / deviation(null_features)).tolist(),
        "soft_mask": floats(soft), "soft_from": soft.shape, "resized": resized,
    })


# --------------------------------------------------------------------------------------------------------------- gate


def gate():
    rng = np.random.default_rng(SEED + 1)
    sets = {
        "ties": (rng.integers(-3, 4, 50) / 4).tolist(),
        "signed zeros": [0.0, -0.0, 0.0, -0.0, 1.0, -1.0, 0.0, -0.0, 0.0, -0.0],
        "plain": rng.normal(size=100).tolist(),
    }
    fractions = [(0.2, 0.2), (0.3, 0.3), (0.29, 0.57), (0.0, 0.58), (0.7, 0.1), (0.07, 0.14), (0.999, 0.0), (0, 0)]
    cases = []
    for name, scores in sets.items():
        scores = np.array(scores)
        ranking = np.argsort(-scores, kind="stable")
        for top, bottom in fractions:
            n_top, n_bottom = int(len(scores) * top), int(len(scores) * bottom)
            keep = np.zeros(len(scores), dtype=int)
            keep[ranking[n_top : len(scores) - n_bottom]] = 1
            if name == "plain":  # without ties, as the reference ranks
                order = torch.argsort(torch.tensor(scores), descending=True)
                assert set(order[n_top : len(scores) - n_bottom].tolist()) == set(np.flatnonzero(keep).tolist())
            cases.append({
                "scores": name, "prune_top": top, "prune_bottom": bottom, "n_top": n_top, "n_bottom": n_bottom,
                "keep": "".join(map(str, keep)),
            })
    hundredths = [k / 100 for k in range(100)]
    floors = [[c, f, int(c * f)] for c in (10, 24, 100, 768, 1280, 2048) for f in hundredths]
    write("gate", {"scores": sets, "cases": cases, "floors": floors})


# --------------------------------------------------------------------------------------------------------------- head


def head():
    rng = np.random.default_rng(SEED + 2)
    channels = 32
    direction = rng.normal(size=channels)
    scale = 10 ** rng.uniform(-1, 0.7, channels)

    def rows(count, strength):
        labels = np.arange(count) % 2
        rng.shuffle(labels)
        common = rng.normal(size=(count, 3)) @ rng.normal(size=(3, channels))
        x = rng.normal(size=(count, channels)) + 0.8 * common + strength * labels[:, None] * direction
        x = np.maximum(x + 1, 0) * scale
        x[:, 5] = 1.5  # constant
        x[:, 6] = 0  # dead
        return integers(x), labels

    main, main_labels = rows(320, 0.35)
    probes, probe_labels = rows(130, 0.2)
    validation, validation_labels = rows(100, 0.3)
    keep = np.ones(channels, dtype=int)
    keep[[0, 9, 17, 30, 31]] = 0

    # L2: standardised columns under the objective's own weights.
    x = np.concatenate([main, probes]) / SCALE
    y = np.concatenate([main_labels, probe_labels])
    a = np.concatenate([np.full(len(main), 1 / len(main)), np.full(len(probes), 1 / len(probes))])
    mean = np.average(x, axis=0, weights=a)
    sigma = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=a))
    columns = np.flatnonzero((keep == 1) & (sigma > 1e-9))
    z = (x[:, columns] - mean[columns]) / sigma[columns]
    l2 = []
    for strength in [10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4]:
        model = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-13, max_iter=1000)
        model.fit(z, y, sample_weight=a)
        u, b = model.coef_[0], model.intercept_[0]
        logits = z @ u + b
        objective = float((a * np.logaddexp(0, np.where(y == 1, -logits, logits))).sum() + strength / 2 * u @ u)
        weight = np.zeros(channels)
        weight[columns] = u / sigma[columns]
        bias = b - weight @ mean
        p = 1 / (1 + np.exp(-(validation / SCALE @ weight + bias)))
        balance = np.where(validation_labels == 1, 0.5 / validation_labels.sum(), 0.5 / (1 - validation_labels).sum())
        l2.append({
            "strength": strength, "objective": objective, "weight": weight.tolist(), "bias": float(bias),
            "validation_nll": float(log_loss(validation_labels, p, sample_weight=balance)),
            "validation_balanced_accuracy": float(balanced_accuracy_score(validation_labels, p > 0.5)),
        })

    # Adam: 300 steps of 64 + 64 rows in an order that both sides compute.
    adam = []
    for lr in (1e-4, 1e-2):
        linear = torch.nn.Linear(channels, 1)
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        optimiser = torch.optim.Adam(linear.parameters(), lr=lr, betas=(0.9, 0.999), eps=1e-8)
        loss = torch.nn.BCEWithLogitsLoss()
        tensors = [torch.tensor(v / SCALE * keep, dtype=torch.float32) for v in (main, probes)]
        targets = [torch.tensor(v, dtype=torch.float32) for v in (main_labels, probe_labels)]
        for step in range(300):
            total = 0
            for rows_, target, stride in zip(tensors, targets, (101, 29)):
                index = (step * 37 + np.arange(64) * stride) % len(rows_)
                total = total + loss(linear(rows_[index]).squeeze(1), target[index])
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
        adam.append({"lr": lr, "weight": floats(linear.weight.detach()), "bias": floats(linear.bias.detach())[0]})

    write("head", {
        "channels": channels, "keep": keep.tolist(),
        "main": main.ravel().tolist(), "main_labels": main_labels.tolist(),
        "probes": probes.ravel().tolist(), "probe_labels": probe_labels.tolist(),
        "validation": validation.ravel().tolist(), "validation_labels": validation_labels.tolist(),
        "constant_columns": int(keep.sum() - len(columns)), "l2": l2, "adam": adam,
    })


# ------------------------------------------------------------------------------------------------------------ metrics


BINS = 15


def tpr_at(labels, scores, limit):
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(tpr[fpr <= limit].max())


def fpr_at(labels, scores, share):
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(fpr[tpr >= share].min())


def eer(labels, scores):
    fpr, tpr, _ = roc_curve(labels, scores)
    return float(scipy.optimize.brentq(lambda x: 1 - x - np.interp(x, fpr, tpr), 0, 1, xtol=1e-15, rtol=1e-15))


def nll(labels, scores):
    found = np.mean(np.logaddexp(0, scores) - labels * scores)
    if np.abs(scores).max() < 30:  # beyond, the peer clips probabilities
        assert abs(found - log_loss(labels, scipy.special.expit(scores))) < 1e-12
    return float(found)


def calibration_bins(labels, scores):
    """Mean probability, share and size of equal-mass bins; a tie goes whole to the bin of its middle rank."""
    ranks = scipy.stats.rankdata(scores, method="average") - 0.5  # the middle of a tie, from 0 to n
    place = [Fraction(BINS) * Fraction(float(r)) / len(scores) for r in ranks]
    on_edge = np.array([p.denominator == 1 and p > BINS / 2 for p in place])  # the inner bin: the lower one up here
    number = np.array([int(p) for p in place]) - on_edge
    kept = [k for k in range(BINS) if (number == k).any()]
    p = scipy.special.expit(scores)
    return np.array([[p[number == k].mean(), labels[number == k].mean(), (number == k).sum()] for k in kept])


def ece(labels, scores):
    """Plug-in, debiased, and what chance gives a calibrated detector (97.5 %)."""
    p, share, n = calibration_bins(labels, scores).T
    weight, gap, spread = n / n.sum(), np.abs(p - share), np.sqrt(share * (1 - share) / n)
    sound = np.where(spread > 0, spread, 1)
    expected = np.where(spread > 0, scipy.stats.foldnorm.mean(gap / sound, scale=sound), gap)
    by_chance = scipy.stats.halfnorm.stats(scale=np.maximum(np.sqrt(p * (1 - p) / n), 1e-300), moments="mv")
    chance = weight @ by_chance[0] + scipy.stats.norm.ppf(0.975) * np.sqrt(weight**2 @ by_chance[1])
    return float(weight @ gap), max(0.0, float(weight @ (2 * gap - expected))), float(chance)


def check_against_the_authors(labels, scores):
    """`uncertainty-calibration` makes its bins without regard to ties, and debiases with random draws."""
    assert len(scores) % BINS == 0 and len(set(scores)) == len(scores)
    p = scipy.special.expit(scores)
    data = list(zip(p.tolist(), labels.tolist()))
    binned = calibration.utils.bin(data, calibration.utils.get_equal_bins(p.tolist(), num_bins=BINS))
    plug_in, debiased, _ = ece(labels, scores)
    assert abs(calibration.utils.plugin_ce(binned, power=1) - plug_in) < 1e-12
    np.random.seed(SEED % 2**32)
    theirs = calibration.utils.normal_debiased_ce(binned, power=1, resamples=100_000)
    assert abs(theirs - debiased) < 5 * 0.02 / np.sqrt(100_000), (theirs, debiased)


def metrics():
    rng = np.random.default_rng(SEED + 3)
    close = [
        98.0950, 98.4612, 98.1145, 98.1506, 97.6037, 98.9425, 99.2644, 99.5014, 99.7280, 99.6595, 99.6931, 99.4667,
        99.9623, 99.8949, 99.8768,
    ]
    labels = rng.integers(0, 2, 300)
    logits = rng.normal(size=300) * 3 + labels * 2 - 1
    # name, labels, scores, times
    sets = [
        ("two tied, generated first", [1, 0], [0.5, 0.5], [1, 1]),
        ("two tied, real first", [0, 1], [0.5, 0.5], [1, 1]),
        ("ties across classes", [1, 0, 1, 0], [9, 9, 5, 5], [1, 1, 1, 1]),
        ("one generated among 9,999, all tied", [1, 0], [0, 0], [1, 9999]),
        ("one generated in the middle", [0, 1, 0, 0, 0], [0.7, 0.8, 0.5, 0.9, 0.1], [1] * 5),
        ("close logits", [0] + [1] * 14, close, [1] * 15),
        ("tiny scores", [1, 0, 0], [1e-10, 0, 0], [1] * 3),
        ("neighbours in f64", [0, 1], [1.0, float(np.nextafter(1.0, 2))], [1, 1]),
        ("realisable, not interpolated", [0, 0, 1, 1], [0, 5, 5, 6], [40, 10, 30, 20]),
        ("1 % just resolvable", [0, 0, 1], [0, 5, 5], [99, 1, 10]),
        ("5 % of 20", [0, 0, 1, 1], [-1, 3, 2, 4], [19, 1, 5, 5]),
        ("logits", labels.tolist(), logits.tolist(), [1] * 300),
        ("rounded logits", labels.tolist(), np.round(logits, 0).tolist(), [1] * 300),
        ("weights", labels[:40].tolist(), np.round(logits[:40], 1).tolist(), rng.integers(1, 9, 40).tolist()),
        ("inverted", (1 - labels).tolist(), logits.tolist(), [1] * 300),
    ]
    for k in range(8):  # few distinct scores, many of them 0, classes that overlap more or less
        n = int(rng.integers(20, 80))
        y = rng.permutation(np.arange(n) % 2)
        s = np.round((rng.normal(size=n) + y * 0.4 * k) * (1 + k % 3)) / (1 + k % 3)
        sets.append((f"heavy ties {k}", y.tolist(), s.tolist(), rng.integers(0, 4, n).tolist()))
    check_against_the_authors(labels, logits)
    check_against_the_authors(labels, logits * 0.5 + 0.7)
    cases = []
    for name, labels, scores, times in sets:
        y, s = np.repeat(labels, times), np.repeat(np.array(scores, dtype=float), times)
        real, fake = (s[y == 0] < 0).mean(), (s[y == 1] > 0).mean()
        if not (s == 0).any():  # sklearn has no logit that is wrong on both sides
            assert abs(balanced_accuracy_score(y, s > 0) - (real + fake) / 2) < 1e-12
        plug_in, debiased, chance = ece(y, s)
        fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
        cases.append({
            "name": name, "labels": list(labels), "scores": list(map(float, scores)), "times": list(times),
            "expected": {
                "auc": float(roc_auc_score(y, s)), "ap": float(average_precision_score(y, s)),
                "r_acc": float(real), "f_acc": float(fake), "balanced_accuracy": float((real + fake) / 2),
                "asymmetry": float(real - fake), "tpr_at_5_fpr": tpr_at(y, s, 0.05),
                "tpr_at_1_fpr": tpr_at(y, s, 0.01), "tpr_at_01_fpr": tpr_at(y, s, 0.001),
                "fpr_at_95_tpr": fpr_at(y, s, 0.95), "eer": eer(y, s),
                "brier": float(brier_score_loss(y, scipy.special.expit(s))), "nll": nll(y, s), "ece": debiased,
            },
            "ece_plug_in": plug_in, "ece_by_chance": chance,
            "roc": np.column_stack([fpr, tpr])[1:].tolist() if len(fpr) < 50 else None,
        })
    wilson = [
        [k, n, *map(float, proportion_confint(k, n, alpha=0.05, method="wilson"))]
        for k, n in [(0, 1), (1, 1), (0, 10), (10, 10), (3, 17), (50, 100), (999, 1000), (1, 100000)]
    ]
    write("metrics", {"cases": cases, "wilson": wilson})


# ---------------------------------------------------------------------------------------------------------- bootstrap


def bootstrap():
    rng = np.random.default_rng(SEED + 4)
    resamples = 20_000
    # The samples of github.com/hirsch-lab/roc-utils/issues/3.
    small_scores = [
        0.0184128433465957, 0.012704842723906, 0.6588426828384399, 0.3824790120124817, 0.0752698183059692,
        0.0284929275512695, 0.0939247459173202, 0.0913288220763206, 0.1392715573310852, 0.8083584308624268,
        0.5678479075431824, 0.7689659595489502, 0.6002992391586304, 0.4453626573085785,
    ]
    labels = np.repeat([0, 1], [90, 60])
    before = np.round(rng.normal(size=150) + labels * 1.2 - 0.8, 4)
    after = np.round(0.8 * before + 0.6 * rng.normal(size=150) + labels * 0.7 + 0.1, 4)
    groups = np.concatenate([np.arange(90) // 6, 100 + np.arange(60) // 5])
    # Scenes are alike: without groups the interval would be too narrow.
    shared = np.round(after + rng.normal(size=200)[groups] * 0.8, 4)

    def measure(s, y):
        real, fake = (s[y == 0] < 0).mean(), (s[y == 1] > 0).mean()
        return np.array([
            roc_auc_score(y, s), average_precision_score(y, s), real, fake, (real + fake) / 2, real - fake,
            tpr_at(y, s, 0.05),
        ])

    names = ["auc", "ap", "r_acc", "f_acc", "balanced_accuracy", "asymmetry", "tpr_at_5_fpr"]

    def intervals(y, groups, statistic):
        """scipy's percentile bootstrap over units of each class; a statistic takes sample indices."""
        members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
        strata = [np.array([i for i, m in enumerate(members) if y[m[0]] == c]) for c in (0, 1)]

        def of_units(real, fake):
            return statistic(np.concatenate([members[int(i)] for i in np.concatenate([real, fake])]))

        found = scipy.stats.bootstrap(
            strata, of_units, n_resamples=resamples, confidence_level=0.95, method="percentile", vectorized=False,
            rng=np.random.default_rng(SEED + 5),
        )
        spread = found.standard_error
        value = statistic(np.arange(len(y)))
        return {
            name: {"value": v, "low": low, "high": high, "deviation": s}
            for name, v, low, high, s in zip(
                names, value.tolist(), found.confidence_interval.low.tolist(), found.confidence_interval.high.tolist(),
                spread.tolist(), strict=True,
            )
        }

    small_labels = np.array([0] * 8 + [1] * 6)
    small = np.array(small_scores)
    each = np.arange(150)
    write("bootstrap", {
        "resamples": resamples,
        "roc_utils": {
            "labels": small_labels.tolist(), "scores": small_scores,
            "expected": intervals(small_labels, np.arange(14), lambda i: measure(small[i], small_labels[i])),
        },
        "labels": labels.tolist(), "before": before.tolist(), "after": after.tolist(),
        "shared": shared.tolist(), "groups": groups.tolist(),
        "plain": intervals(labels, each, lambda i: measure(after[i], labels[i])),
        "paired": intervals(labels, each, lambda i: measure(after[i], labels[i]) - measure(before[i], labels[i])),
        "grouped": intervals(labels, groups, lambda i: measure(shared[i], labels[i])),
        "ungrouped": intervals(labels, each, lambda i: measure(shared[i], labels[i])),
    })


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for part in (rad, gate, head, metrics, bootstrap):
        if len(sys.argv) == 1 or part.__name__ in sys.argv[1:]:
            part()
            print(part.__name__)
