"""Reference numbers for calibration and for the baselines, by the libraries that people trust.

Run with numpy, scipy, scikit-learn, statsmodels and torch installed:

    python oracle/calibrate.py

Writes crates/dear/tests/fixtures/calibrate.json, read by crates/dear/tests/calibrate.rs. Logits are stored as integers and
divided by 256, so that both sides read exactly the same numbers.
"""

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import scipy
import scipy.optimize
import scipy.stats
import sklearn
import statsmodels
import torch
from scipy.special import expit
from sklearn.calibration import _sigmoid_calibration
from sklearn.isotonic import IsotonicRegression
from statsmodels.stats.multitest import multipletests

SEED = 20260610
OUT = Path(__file__).resolve().parent.parent / "crates/dear/tests/fixtures/calibrate.json"
SCALE = 256


def weights(labels):
    """Each class weighs half."""
    return np.where(labels == 1, 0.5 / (labels == 1).sum(), 0.5 / (labels == 0).sum())


def targets(labels):
    real, fake = (labels == 0).sum(), (labels == 1).sum()
    return np.where(labels == 1, (fake + 1) / (fake + 2), 1 / (real + 2))


def cross_entropy(z, t, w):
    return float((w * (np.logaddexp(0, z) - t * z)).sum())


def temperature(logits, labels):
    t, w = targets(labels), weights(labels)
    slope = lambda inverse: float((w * logits * (expit(inverse * logits) - t)).sum())
    inverse = scipy.optimize.brentq(slope, 1e-3, 1e3, xtol=1e-15, rtol=4 * np.finfo(float).eps)
    # The root of the derivative is where the library's minimiser of the objective ends.
    found = scipy.optimize.minimize_scalar(
        lambda inverse: cross_entropy(inverse * logits, t, w), bounds=(1e-3, 1e3), method="bounded",
        options={"xatol": 1e-10},
    )
    assert abs(found.x / inverse - 1) < 1e-5, (found.x, inverse)
    return 1 / inverse


def platt(logits, labels):
    t, w = targets(labels), weights(labels)
    gradient = lambda p: [
        (w * logits * (expit(p[0] * logits + p[1]) - t)).sum(), (w * (expit(p[0] * logits + p[1]) - t)).sum(),
    ]
    rough = scipy.optimize.minimize(lambda p: cross_entropy(p[0] * logits + p[1], t, w), [0.1, 0.0], method="BFGS")
    found = scipy.optimize.root(gradient, rough.x, tol=1e-15)
    assert np.abs(gradient(found.x)).max() < 1e-14, gradient(found.x)
    if (labels == 0).sum() == (labels == 1).sum():
        # Of equally many, scikit-learn's own weights and targets are these. It stops at a gradient of 1e-6.
        a, b = _sigmoid_calibration(logits, labels)
        assert np.allclose([-a, -b], found.x, rtol=1e-3, atol=1e-3), (a, b, found.x)
    return found.x


def isotonic(logits, labels):
    model = IsotonicRegression(out_of_bounds="clip")
    model.fit(logits, targets(labels), sample_weight=weights(labels))
    return model


def loss(p, labels):
    return float(np.mean([-np.log(1 - p[labels == 0]).mean(), -np.log(p[labels == 1]).mean()]))


def held_out(logits, labels, fold):
    """Cross-validated losses of the three."""
    out = {}
    for method in ("temperature", "platt", "isotonic"):
        p = np.empty_like(logits)
        for k in range(fold.max() + 1):
            train, test = fold != k, fold == k
            if method == "temperature":
                p[test] = expit(logits[test] / temperature(logits[train], labels[train]))
            elif method == "platt":
                a, b = platt(logits[train], labels[train])
                p[test] = expit(a * logits[test] + b)
            else:
                p[test] = isotonic(logits[train], labels[train]).predict(logits[test])
        out[method] = loss(p, labels)
    return out


def folds(names, labels):
    """Real images first, each class in the order of a hash of the name, dealt in turns to five folds."""
    draw = lambda i: hashlib.sha256(f"fold {names[i]}".encode()).hexdigest()
    order = sorted(range(len(names)), key=lambda i: (labels[i] == 1, draw(i)))
    fold = np.empty(len(names), dtype=int)
    fold[order] = np.arange(len(names)) % 5
    return fold


def rank(n, share, confidence):
    """How many scores may lie beyond the threshold."""
    if confidence is None:
        return int(np.floor(share * (n + 1) + 1e-9)) - 1
    beyond = np.arange(n)
    # The share beyond the (n - j)-th smallest is Beta(j + 1, n - j) distributed.
    return int((scipy.stats.beta.sf(share, beyond + 1, n - beyond) <= 1 - confidence).sum()) - 1


def case(rng, name, real, fake, spread, shift, resolution, fpr, miss, confidence):
    labels = np.repeat([0, 1], [real, fake])
    z = rng.normal(size=real + fake) * spread + shift + 1.5 * spread * (labels * 2 - 1) * 0.6
    # One camera is accused more often than the other.
    camera = (labels == 0) & (np.arange(len(labels)) % 3 == 0)
    z = z + 0.9 * spread * camera
    stored = np.rint(z * SCALE / resolution).astype(int) * resolution
    logits = stored / SCALE
    names = [f"{name}-{i}" for i in range(len(labels))]
    subsets = np.where(labels == 1, "generator", np.where(camera, "camera", "phone"))
    model = isotonic(logits, labels)
    real_scores, fake_scores = np.sort(logits[labels == 0]), np.sort(-logits[labels == 1])
    bounds = []
    for scores, share, sign in ((real_scores, fpr, 1), (fake_scores, miss, -1)):
        n = len(scores)
        beyond = rank(n, share, confidence)
        bounds.append({
            "beyond": beyond, "logit": float(sign * scores[n - beyond - 1]),
            "upper_95": float(scipy.stats.beta.ppf(0.95, beyond + 1, n - beyond)),
        })
    threshold = bounds[0]["logit"] + 1e-4 * max(1, abs(bounds[0]["logit"]))
    checks = []
    for subset in ("camera", "phone"):
        chosen = logits[subsets == subset]
        above = int((chosen > threshold).sum())
        p = scipy.stats.binomtest(above, len(chosen), fpr, alternative="greater").pvalue
        checks.append({"subset": subset, "n": len(chosen), "above": above, "p": float(p)})
    for check, p in zip(checks, multipletests([check["p"] for check in checks], method="holm")[1]):
        check["p"] = float(p)
    at = np.array([-1e3, -3.3, -0.41, 0.0, 0.77, 2.5, 1e3])
    slope, offset = platt(logits, labels)
    return {
        "name": name, "real": real, "logits": stored.tolist(), "fpr": fpr, "miss": miss, "confidence": confidence,
        "temperature": temperature(logits, labels), "platt": [float(slope), float(offset)],
        "isotonic_logits": model.X_thresholds_.tolist(), "isotonic_probabilities": model.y_thresholds_.tolist(),
        "at": at.tolist(), "isotonic_at": model.predict(at).tolist(),
        "loss_before": loss(expit(logits), labels), "losses": held_out(logits, labels, folds(names, labels)),
        "bounds": bounds, "checks": checks,
    }


def non_negative(rng):
    """300 steps of torch's Adam with the weights clamped after each; rows in an order that both sides compute."""
    channels, count = 16, 200
    labels = np.arange(count) % 2
    x = rng.normal(size=(count, channels)) + 1 + 0.5 * labels[:, None] * rng.normal(size=channels)
    stored = np.maximum(np.rint(x * SCALE), 0).astype(int)
    x = torch.tensor(stored / SCALE, dtype=torch.float32)
    y = torch.tensor(labels, dtype=torch.float32)
    linear = torch.nn.Linear(channels, 1)
    torch.nn.init.zeros_(linear.weight)
    torch.nn.init.zeros_(linear.bias)
    optimiser = torch.optim.Adam(linear.parameters(), lr=1e-2)
    loss_ = torch.nn.BCEWithLogitsLoss()
    for step in range(300):
        index = (step * 37 + np.arange(64) * 101) % count
        optimiser.zero_grad()
        loss_(linear(x[index]).squeeze(1), y[index]).backward()
        optimiser.step()
        with torch.no_grad():
            linear.weight.clamp_(min=0)
    weight = [float(str(v)) for v in linear.weight.detach().numpy().ravel()]
    assert 0 < sum(w == 0 for w in weight) < channels
    return {
        "channels": channels, "features": stored.ravel().tolist(), "labels": labels.tolist(),
        "weight": weight, "bias": float(str(linear.bias.detach().numpy()[0])),
    }


def main():
    rng = np.random.default_rng(SEED)
    content = {
        "written_by": "oracle/calibrate.py",
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            **{m.__name__: m.__version__.split("+")[0] for m in (np, scipy, sklearn, statsmodels, torch)},
        },
        "cases": [
            case(rng, "balanced", 120, 120, 2.0, 0.0, 1, 0.05, 0.05, None),
            case(rng, "unequal", 150, 70, 1.0, -0.8, 1, 0.1, 0.05, 0.95),
            case(rng, "tied", 90, 80, 3.0, 1.0, 256, 0.05, 0.1, 0.9),
        ],
        "non_negative": non_negative(rng),
    }
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in content.items())
    OUT.write_text("{\n" + body + "\n}\n")


if __name__ == "__main__":
    main()
