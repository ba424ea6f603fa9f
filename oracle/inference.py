"""Reference numbers for intervals and tests without resampling, by the libraries that people trust.

    python oracle/inference.py

Writes crates/dear/tests/fixtures/inference.json, read by crates/dear/tests/inference.rs. DeLong's variance is computed
here from the structural components of the 1988 paper, pair by pair, and MLstatkit (midranks) must agree before anything
is written. Scores are multiples of 1/64, so that both sides read exactly the same numbers.
"""

import json
import math
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from MLstatkit import Delong_test
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

SEED = 20260611
OUT = Path(__file__).resolve().parent.parent / "crates/dear/tests/fixtures/inference.json"
Z = norm.ppf(0.975)


# -------------------------------------------------------------------------------------------------------------- DeLong


def components(labels, scores):
    """V10 of each generated and V01 of each real image: means of psi over the other class (equations 4 and 5)."""
    fake, real = scores[labels == 1], scores[labels == 0]
    psi = np.where(fake[:, None] > real, 1.0, np.where(fake[:, None] == real, 0.5, 0.0))
    return psi.mean(1), psi.mean(0)


def covariance(labels, vectors):
    """AUCs and S = S10 / m + S01 / n (equation 6)."""
    v10, v01 = (np.array(rows) for rows in zip(*(components(labels, scores) for scores in vectors)))
    s10, s01 = np.atleast_2d(np.cov(v10)), np.atleast_2d(np.cov(v01))
    return v10.mean(1), s10 / v10.shape[1] + s01 / v01.shape[1]


def delong_case(name, labels, before, after):
    labels, before, after = np.array(labels), np.array(before, dtype=float), np.array(after, dtype=float)
    aucs, cov = covariance(labels, [before, after])
    value, deviation = aucs[1] - aucs[0], math.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    p = 2 * norm.sf(abs(value) / deviation)
    z, peer_p, _, _, *peer_aucs, info = Delong_test(labels, before, after)
    assert info["method"] == "delong" and np.allclose(peer_aucs, aucs, rtol=0, atol=1e-13)
    assert abs(z - value / deviation) < 1e-10 and abs(peer_p - p) < 1e-11, (name, peer_p, p)
    assert abs(info["var_diff"] - deviation**2) < 1e-14
    half = Z * np.sqrt(np.diag(cov)) / (aucs * (1 - aucs))
    return {
        "name": name, "labels": labels.tolist(), "before": before.tolist(), "after": after.tolist(),
        "auc": aucs.tolist(), "variance": np.diag(cov).tolist(),
        "low": expit(logit(aucs) - half).tolist(), "high": expit(logit(aucs) + half).tolist(),
        "difference": [value, value - Z * deviation, value + Z * deviation, p],
    }


def delong(rng):
    def drawn(name, real, fake, coarse, shift):
        labels = rng.permutation([0] * real + [1] * fake)
        shared = rng.normal(size=real + fake)
        before, after = (
            np.rint((shared + rng.normal(size=real + fake) + labels * gain) * 64 / coarse) * coarse / 64
            for gain in (1.0, 1.0 + shift)
        )
        return delong_case(name, labels, before, after)

    # Data of roc-utils issue 3: its plain DeLong interval is [0.72, 1.08]. `before` is a made-up second system.
    issue = [
        0.0184128433465957, 0.012704842723906, 0.6588426828384399, 0.3824790120124817, 0.0752698183059692,
        0.0284929275512695, 0.0939247459173202, 0.0913288220763206, 0.1392715573310852, 0.8083584308624268,
        0.5678479075431824, 0.7689659595489502, 0.6002992391586304, 0.4453626573085785,
    ]
    return [
        delong_case("roc-utils issue 3", [0] * 8 + [1] * 6, [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7], issue),
        drawn("fine scores", 40, 60, 1, 0.5),
        drawn("the same strength", 50, 50, 1, 0.0),
        drawn("heavy ties", 45, 35, 64, 0.7),
        drawn("almost all tied", 30, 30, 192, 0.5),
        drawn("few generated images", 300, 5, 1, 1.0),
        drawn("few real images", 4, 200, 8, -0.5),
        drawn("strong", 150, 150, 4, 2.0),
    ]


# ------------------------------------------------------------------------------------------------- shares and verdicts


def shares():
    """Right real of all real, right generated of all generated: Newcombe's intervals of half the sum and difference."""
    cases = []
    for real_right, real, fake_right, fake in [
        (45, 50, 40, 50), (50, 50, 50, 50), (0, 50, 50, 50), (0, 20, 0, 30), (499, 500, 3, 7), (1, 1, 0, 1), (3, 9, 900, 1000),
    ]:
        def newcombe(other_right):
            return confint_proportions_2indep(real_right, real, other_right, fake, method="newcomb", compare="diff")

        mean = [(end + 1) / 2 for end in newcombe(fake - fake_right)]
        cases.append({
            "real": [real_right, real], "fake": [fake_right, fake],
            "r_acc": proportion_confint(real_right, real, method="wilson"),
            "f_acc": proportion_confint(fake_right, fake, method="wilson"),
            "balanced_accuracy": mean, "asymmetry": newcombe(fake_right),
        })
    return cases


def operating(rng):
    """Independent form of the operating point's interval: numpy's interpolation on the sorted scores."""
    cases = []
    for real, fake, gain, coarse in [
        (50, 50, 1.5, 1), (500, 30, 2.0, 1), (40, 300, 0.5, 32), (9, 9, 1.0, 1), (60, 60, 9.0, 1), (60, 40, 0.0, 256), (500, 300, 1.5, 16),
    ]:
        labels = np.repeat([0, 1], [real, fake])
        scores = np.rint((rng.normal(size=real + fake) + labels * gain) * 64 / coarse) * coarse / 64
        expected = {
            name: operating_interval(scores[labels == 0], scores[labels == 1], rate)
            for name, rate in (("tpr_at_1_fpr", 0.01), ("tpr_at_5_fpr", 0.05))
        }
        low, high = operating_interval(-scores[labels == 1], -scores[labels == 0], 0.05)
        expected["fpr_at_95_tpr"] = [1 - high, 1 - low]
        cases.append({"labels": labels.tolist(), "scores": scores.tolist(), "expected": expected})
    return cases


def operating_interval(negatives, positives, rate):
    m, n = len(negatives), len(positives)
    ordered = np.sort(negatives)[::-1]
    curve = np.concatenate([[0], (positives[None, :] > ordered[:, None]).mean(1), [1]])
    found = curve[int(rate * m + 1e-9) + 1]
    positions = np.array(proportion_confint(rate * (m + 2), m + 2, method="wilson")) * (m + 1)
    ends = np.interp(positions, np.arange(m + 2), curve)
    between = ordered[int(np.floor(positions[0])) : min(m, int(np.ceil(positions[1])))]
    shared = max((negatives == score).sum() for score in between)
    if shared > 1 and shared > math.sqrt(m * rate * (1 - rate)):
        low, high = (
            proportion_confint(end * n, n, method="wilson")[side]
            for side, end in enumerate((min(ends[0], found), max(ends[1], found)))
        )
        return [max(low, 0.0), min(high, 1.0)]
    images = proportion_confint(round(found * n), n, method="wilson")
    low = found - math.hypot(found - images[0], found - min(ends[0], found))
    high = found + math.hypot(images[1] - found, max(ends[1], found) - found)
    return [max(low, 0.0), min(high, 1.0)]


def separated():
    """Score interval of an AUC of 1 with the Hanley-McNeil variance in Newcombe's form, by root finding."""
    return [[real, fake, separated_end(real, fake, Z)] for real, fake in [(1, 1), (1, 50), (8, 6), (50, 50), (500, 20), (5000, 5000)]]


def separated_end(real, fake, z):
    def excess(a):
        both = (1 - a) / (2 - a) + a / (1 + a)
        variance = a * (1 - a) * (1 + ((real + fake) / 2 - 1) * both) / (real * fake)
        return (1 - a) / math.sqrt(variance) - z

    return brentq(excess, 1e-9, 1 - 1e-12, xtol=1e-15, rtol=1e-14)


# ------------------------------------------------------------------------------- differences that no resample can vary


def newcombe_paired(table, alpha):
    """Method 10 of Newcombe, Statistics in Medicine 17 (1998), 2635-2650: value, distance down, distance up.

    `table`: both right, only after, only before, both wrong.
    """
    a, b, c, d = table
    n = sum(table)
    after, before = (a + b) / n, (a + c) / n
    (la, ua), (lb, ub) = (proportion_confint(count, n, alpha, method="wilson") for count in (a + b, a + c))
    marginals = (a + b) * (c + d) * (a + c) * (b + d)
    excess = a * d - b * c
    phi = 0.0 if marginals == 0 else (max(excess - n / 2, 0) if excess > 0 else excess) / math.sqrt(marginals)

    def joined(x, y):
        return math.sqrt(max(x * x - 2 * phi * x * y + y * y, 0))

    return after - before, joined(after - la, ub - before), joined(ua - after, before - lb)


def unvaried():
    """Paired tables of real and of generated images, at a family's level of 0.05 / members."""
    # Newcombe's first example: 0.0569 to 0.3404.
    value, down, up = newcombe_paired((36, 12, 2, 0), 0.05)
    assert abs(value - down - 0.0569) < 5e-5 and abs(value + up - 0.3404) < 5e-5, (value, down, up)
    cases = []
    for real, fake, members in [
        ((50, 0, 0, 0), (0, 50, 0, 0), 1), ((50, 0, 0, 0), (0, 50, 0, 0), 12), ((0, 0, 9, 0), (0, 0, 30, 0), 3),
        ((36, 12, 2, 0), (53, 5, 7, 20), 3), ((2, 0, 0, 5), (0, 1, 0, 0), 6), ((0, 40, 0, 0), (0, 0, 30, 0), 3),
    ]:
        alpha = 0.05 / members
        (r, r_down, r_up), (f, f_down, f_up) = newcombe_paired(real, alpha), newcombe_paired(fake, alpha)
        cases.append({
            "real": real, "fake": fake, "members": members,
            "r_acc": [max(r - r_down, -1), min(r + r_up, 1)], "f_acc": [max(f - f_down, -1), min(f + f_up, 1)],
            "balanced_accuracy": [
                max((r + f - math.hypot(r_down, f_down)) / 2, -1), min((r + f + math.hypot(r_up, f_up)) / 2, 1),
            ],
            "asymmetry": [max(r - f - math.hypot(r_down, f_up), -2), min(r - f + math.hypot(r_up, f_down), 2)],
        })
    return cases


def unvaried_auc():
    """Differences of AUCs of 0, 1/2 (all scores equal) and 1."""
    cases = []
    for real, fake, before, after, members in [
        (50, 50, 0.5, 1.0, 1), (50, 50, 0.5, 1.0, 6), (20, 100, 0.0, 1.0, 3), (8, 6, 1.0, 0.5, 12), (30, 30, 1.0, 0.0, 1),
    ]:
        alpha = 0.05 / members

        def ends(auc):
            least = separated_end(real, fake, norm.isf(alpha / 2))
            half = math.hypot(*(proportion_confint(0, n, alpha, method="wilson")[1] for n in (real, fake))) / 2
            return {0.0: (0, 1 - least), 0.5: (0.5 - min(half, 0.5), 0.5 + min(half, 0.5)), 1.0: (least, 1)}[auc]

        (lb, ub), (la, ua) = ends(before), ends(after)
        value = after - before
        low, high = value - math.hypot(after - la, ub - before), value + math.hypot(ua - after, before - lb)
        cases.append([real, fake, before, after, members, max(low, -1), min(high, 1)])
    return cases


def discordant():
    pairs = [
        (0, 0), (1, 0), (0, 1), (5, 5), (3, 12), (12, 3), (4, 5), (0, 10), (40, 70), (300, 420), (10_000, 10_300),
        (500_000, 501_000), (0, 900),
    ]
    return [[b, c, float(mcnemar([[0, b], [c, 0]], exact=True).pvalue)] for b, c in pairs]


def together(rng):
    lists = [[0.01], [0.04, 0.03, 0.02, 0.01], [0.5, 0.9, 0.6], [0.01, 0.01, 0.01], [0.0, 1.0], rng.uniform(0, 0.2, 12).tolist()]
    return [[p, multipletests(p, method="holm")[1].tolist()] for p in lists]


def normal():
    shares = [1e-300, 1e-20, 1e-9, 0.001, 0.025, 0.2, 0.5, 0.6, 0.8, 0.975, 0.999, 1 - 1e-9]
    return {
        "cdf": [[z, norm.cdf(z)] for z in [-30.0, -8.0, -1.96, -0.5, 0.0, 0.1, 1.0, 2.5, 6.0, 40.0]],
        "quantile": [[share, norm.ppf(share)] for share in shares],
    }


if __name__ == "__main__":
    rng = np.random.default_rng(SEED)
    names = ("numpy", "scipy", "statsmodels", "MLstatkit")
    content = {
        "written_by": "oracle/inference.py",
        "seed": SEED,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in names},
        "delong": delong(rng),
        "shares": shares(),
        "operating": operating(rng),
        "separated": separated(),
        "unvaried": unvaried(),
        "unvaried_auc": unvaried_auc(),
        "mcnemar": discordant(),
        "holm": together(rng),
        "normal": normal(),
    }
    body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in content.items())
    OUT.write_text("{\n" + body + "\n}\n")
