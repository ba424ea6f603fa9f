"""Reference heads for the options of the solvers: class balance, labels of probes, penalties on differences, a promised balance.

    python oracle/heads.py

Writes crates/dear/tests/fixtures/heads.json, read by crates/dear/tests/heads.rs. Features, differences and shares are stored as
integers and divided by 256, so that both sides read exactly the same f32 numbers. Options are stored as the recipe spells them.
"""

import json
import platform
from pathlib import Path

import numpy as np
import scipy
import scipy.optimize
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score

SEED = 20260611
OUT = Path(__file__).resolve().parent.parent / "crates/dear/tests/fixtures/heads.json"
SCALE = 256
CHANNELS = 16
KEEP = np.array([0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1])


def digits(value):
    """Twelve of them: the tests ask for fewer, and the last ones are the linear algebra library's."""
    return float(f"{value:.12g}")


def integers(array):
    return np.rint(np.asarray(array) * SCALE).astype(int)


def floats(array):
    """f32 as the shortest decimal that reads back as the same f32."""
    return [float(str(v)) for v in np.asarray(array, dtype=np.float32).ravel()]


def data():
    rng = np.random.default_rng(SEED)
    direction = rng.normal(size=CHANNELS)
    scale = 10 ** rng.uniform(-0.7, 0.7, CHANNELS)

    def rows(count, strength, generated):
        labels = (rng.uniform(size=count) < generated).astype(int)
        x = rng.normal(size=(count, CHANNELS)) + strength * labels[:, None] * direction
        x = np.maximum(x + 1, 0) * scale
        x[:, 5] = 1.5  # constant
        return integers(x), labels

    main, main_labels = rows(220, 0.5, 0.2)  # four real images to a generated one
    probes, inside = rows(90, 0.3, 0.7)
    shares = integers(rng.beta(0.7, 1.2, 90)) * inside
    shares[:4] = [0, 256, 64, 63]  # nothing, everything, a quarter, just less
    validation, validation_labels = rows(80, 0.5, 0.5)
    return {
        "main": main, "main_labels": main_labels, "probes": probes, "shares": shares,
        "validation": validation, "validation_labels": validation_labels,
        "view_differences": integers(rng.normal(size=(70, CHANNELS)) * scale * rng.uniform(0.05, 0.8, CHANNELS)),
        "probe_differences": integers((rng.normal(size=(50, CHANNELS)) * 0.3 + 0.4 * direction) * scale),
    }


def problem(stored, options):
    """Rows, soft targets and importance of the loss, and the penalties, as the options say."""
    labels = stored["main_labels"]
    x, y = stored["main"] / SCALE, labels.astype(float)
    a = np.full(len(x), 1 / len(x))
    if options.get("class_balance") == "balanced":
        a = 0.5 / np.bincount(labels)[labels]
    policy, share = options.get("probe_labels", "any_pixel"), stored["shares"] / SCALE
    if isinstance(policy, dict):
        targets = (share >= policy["at_least"]) * 1.0
    else:
        targets = {"any_pixel": (share > 0) * 1.0, "share": share}.get(policy)
    if targets is not None:
        x, y = np.concatenate([x, stored["probes"] / SCALE]), np.concatenate([y, targets])
        a = np.concatenate([a, np.full(len(targets), 1 / len(targets))])
    penalties = []
    if policy == "regulariser":
        penalties.append((options.get("probe_penalty", {}).get("strength", 1.0), stored["probe_differences"] / SCALE))
    if "invariance" in options:
        penalties.append((options["invariance"]["strength"], stored["view_differences"] / SCALE))
    return x, y, a, penalties


def optimum(stored, options):
    x, y, a, penalties = problem(stored, options)
    [strength] = options["grid"]
    mean = np.average(x, axis=0, weights=a)
    sigma = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=a))
    columns = np.flatnonzero((KEEP == 1) & (sigma > 1e-9))
    z = torch.tensor((x[:, columns] - mean[columns]) / sigma[columns])
    a_, y_ = torch.tensor(a), torch.tensor(y)
    differences = [(factor, torch.tensor(rows[:, columns] / sigma[columns])) for factor, rows in penalties]

    def objective(point):
        u, b = point[:-1], point[-1]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z @ u + b, y_, weight=a_, reduction="sum")
        return loss + strength / 2 * u @ u + sum(f / 2 * ((d @ u) ** 2).mean() for f, d in differences)

    def with_torch(function):
        return lambda point: function(objective, torch.tensor(point)).numpy()

    gradient, hessian = map(with_torch, (torch.autograd.functional.jacobian, torch.autograd.functional.hessian))
    point = scipy.optimize.minimize(
        lambda point: objective(torch.tensor(point)).item(), np.zeros(len(columns) + 1), method="trust-exact",
        jac=gradient, hess=hessian, options={"gtol": 1e-9},
    ).x
    for _ in range(3):  # where the value no longer tells, the gradient does
        point -= np.linalg.solve(hessian(point), gradient(point))
    assert np.linalg.norm(gradient(point)) < 1e-13, gradient(point)
    if not penalties:
        # The same by scikit-learn: a soft label is both labels, each with its part of the weight.
        both, half = np.concatenate([z, z]), len(z)
        model = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-13, max_iter=1000)
        weights = np.concatenate([a * y, a * (1 - y)])
        model.fit(both, np.repeat([1, 0], half), sample_weight=weights)
        np.testing.assert_allclose(model.coef_[0], point[:-1], atol=1e-7)
    weight = np.zeros(CHANNELS)
    weight[columns] = point[:-1] / sigma[columns]
    rms = [digits(np.sqrt(np.mean((rows @ weight) ** 2))) for _, rows in penalties]
    return {
        "options": options, "objective": digits(objective(torch.tensor(point)).item()), "weight": list(map(digits, weight)),
        "bias": digits(point[-1] - weight @ mean), "rms": rms,
    }


def adam(stored, options):
    """300 steps of 64 + 32 rows in an order that both sides compute."""
    labels = stored["main_labels"]
    weights = np.ones(len(labels))
    if options.get("class_balance") == "balanced":
        weights = len(labels) / (2 * np.bincount(labels)[labels])
    linear = torch.nn.Linear(CHANNELS, 1)
    torch.nn.init.zeros_(linear.weight)
    torch.nn.init.zeros_(linear.bias)
    optimiser = torch.optim.Adam(linear.parameters(), lr=options["lr"], betas=(0.9, 0.999), eps=1e-8)
    shares = stored["shares"] / SCALE
    sets = [(stored["main"], labels, weights, 64, 101)]
    if options["probe_labels"] != "none":
        targets = {"any_pixel": shares > 0, "share": shares}[options["probe_labels"]]
        sets.append((stored["probes"], targets, np.ones(len(shares)), 32, 29))
    for step in range(300):
        total = 0
        for rows, targets, weight, count, stride in sets:
            batch = (step * 37 + np.arange(count) * stride) % len(rows)
            x, y, w = (torch.tensor(v[batch], dtype=torch.float32) for v in (rows / SCALE * KEEP, targets, weight))
            total = total + torch.nn.BCEWithLogitsLoss(weight=w)(linear(x).squeeze(1), y)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    return {"options": options, "weight": floats(linear.weight.detach()), "bias": floats(linear.bias.detach())[0]}


def balance(stored):
    """The best bias under a promise, by trying the middle between any two neighbouring thresholds."""
    rng = np.random.default_rng(SEED + 1)
    base = rng.normal(size=CHANNELS).astype(np.float32)
    sets = []
    for name, shift, count in (("clean", 0.0, 70), ("jpeg(50)", -1.0, 50), ("resize(0.5)", 0.5, 61)):
        labels = (rng.uniform(size=count) < 0.5).astype(int)
        # Few distinct values, so that logits tie within and across the sets.
        x = np.rint(rng.normal(size=(count, CHANNELS)) * 2) / 2
        x += labels[:, None] * np.sign(base) * 0.5 + shift * (np.arange(CHANNELS) == 3)
        x[count // 2 : count // 2 + 8] = x[:8]  # twins, some of the other class
        sets.append((name, integers(x), labels))
    base = np.rint(base * 4) / 4
    base_bias = -5.5  # a base that accuses few
    gated = base * KEEP

    def accuracies(weight, bias):
        found = []
        for _, x, y in sets:
            z = x / SCALE @ weight + bias
            # Of each class the share with a logit on its side; scikit-learn knows two verdicts, so each side is asked apart.
            found.append([recall_score(y, z >= 0, pos_label=0), recall_score(y, z > 0, pos_label=1)])
        return np.array(found)

    before = accuracies(base, base_bias)
    edges = np.unique(np.concatenate([-(x / SCALE @ gated) for _, x, _ in sets]))
    middles = np.concatenate([[edges[0] - 1], (edges[1:] + edges[:-1]) / 2, [edges[-1] + 1]])
    tried = np.array([accuracies(gated, bias) for bias in middles])
    mean = tried.mean(axis=(1, 2))
    cases = []
    for loss in (0.0, 5.0, 8.0, 20.0, 100.0):
        kept = (tried[:, :, 0] >= before[:, 0] - loss / 100 - 1e-9).all(1)
        best = mean[kept].max()
        cases.append({
            "max_r_acc_loss": loss, "balanced_accuracy": float(best), "unbound": float(mean.max()),
            "biases": middles[kept & (mean > best - 1e-12)].tolist(),
            "highest_kept": float(middles[kept].max()),
        })
    return {
        "base": base.tolist(), "base_bias": base_bias,
        "sets": [{"name": name, "features": x.ravel().tolist(), "labels": y.tolist()} for name, x, y in sets],
        "before": before.tolist(), "cases": cases,
    }


def main():
    stored = data()
    choices = [
        {"class_balance": "balanced"},
        {"probe_labels": "share"},
        {"probe_labels": {"at_least": 0.25}},
        {"class_balance": "balanced", "probe_labels": "none"},
        {"probe_labels": "regulariser", "probe_penalty": {"strength": 2.0}},
        {"invariance": {"strength": 0.5}},
        {"class_balance": "balanced", "probe_labels": "regulariser", "invariance": {"strength": 20.0}},
    ]
    content = {
        "written_by": "oracle/heads.py",
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            **{m.__name__: m.__version__.split("+")[0] for m in (np, torch, sklearn, scipy)},
        },
        "channels": CHANNELS, "keep": KEEP.tolist(),
        **{name: values.ravel().tolist() for name, values in stored.items()},
        "l2": [optimum(stored, options | {"grid": [strength]}) for options in choices for strength in (0.1, 1e-3)],
        "adam": [
            adam(stored, {"lr": 1e-2, "class_balance": classes, "probe_labels": probes})
            for classes, probes in (("balanced", "none"), ("none", "share"), ("balanced", "any_pixel"))
        ],
        "balance": balance(stored),
    }
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'), allow_nan=False)}" for k, v in content.items())
    OUT.write_text("{\n" + body + "\n}\n")


if __name__ == "__main__":
    main()
