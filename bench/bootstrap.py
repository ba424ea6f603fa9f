"""Times the bootstrap of every metric against a loop over scikit-learn, on one million scores.

    cargo build --release --workspace --example bootstrap_speed
    python bench/bootstrap.py [SAMPLES]

Both sides resample within classes and compute the same 14 metrics, on two threads and in two processes. The peer's
loop is a thrifty one: one `roc_curve` serves all metrics of thresholds, and probabilities are computed once for each
sample. Rounds alternate; times are medians. A resample of the peer is timed on 20 and scaled to 2,000; ours is timed
on 2,000 at the end. Needs numpy, scipy and scikit-learn.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import sklearn
from scipy.special import erf, expit
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve

ROUNDS, PEER_RESAMPLES, OUR_RESAMPLES, WORKERS, TOTAL = 5, 4, 100, 2, 2000
BINARY = Path(__file__).resolve().parent.parent / "target/release/examples/bootstrap_speed"


def measure(labels, scores, probabilities):
    real, fake = scores[labels == 0], scores[labels == 1]
    r_acc, f_acc = (real < 0).mean(), (fake > 0).mean()
    fpr, tpr, _ = roc_curve(labels, scores)
    cross = np.argmax(fpr + tpr >= 1)
    (x0, x1), (y0, y1) = fpr[cross - 1 : cross + 1], tpr[cross - 1 : cross + 1]
    return {
        "auc": roc_auc_score(labels, scores), "ap": average_precision_score(labels, scores),
        "r_acc": r_acc, "f_acc": f_acc, "balanced_accuracy": (r_acc + f_acc) / 2, "asymmetry": r_acc - f_acc,
        "tpr_at_5_fpr": tpr[fpr <= 0.05].max(), "tpr_at_1_fpr": tpr[fpr <= 0.01].max(),
        "tpr_at_01_fpr": tpr[fpr <= 0.001].max(), "fpr_at_95_tpr": fpr[tpr >= 0.95].min(),
        "eer": x0 + (1 - x0 - y0) / (x1 - x0 + y1 - y0) * (x1 - x0),
        "brier": brier_score_loss(labels, probabilities), "nll": log_loss(labels, probabilities),
        "ece": ece(labels, probabilities),
    }


def ece(labels, probabilities, bins=15):
    order = np.argsort(probabilities)
    number = (2 * np.arange(len(order)) + 1) * bins // (2 * len(order))
    n = np.bincount(number)
    share = np.bincount(number, labels[order]) / n
    gap = np.abs(np.bincount(number, probabilities[order]) / n - share)
    spread = np.sqrt(share * (1 - share) / n)
    expected = spread * np.sqrt(2 / np.pi) * np.exp(-((gap / spread) ** 2) / 2) + gap * erf(gap / spread / np.sqrt(2))
    return max(0.0, (2 * gap - expected) @ n / n.sum())


def start(folder):
    global LABELS, SCORES, PROBABILITIES, CLASSES
    LABELS, SCORES = np.fromfile(folder / "labels", np.uint8), np.fromfile(folder / "scores", "<f8")
    PROBABILITIES = expit(SCORES)
    CLASSES = [np.flatnonzero(LABELS == label) for label in (0, 1)]


def peer(job):
    seed, resamples = job
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        rows = np.concatenate([rng.choice(rows, len(rows)) for rows in CLASSES])
        measure(LABELS[rows], SCORES[rows], PROBABILITIES[rows])


def ours(folder, resamples):
    files = [folder / "labels", folder / "scores"]
    command = [str(part) for part in (BINARY, *files, resamples, WORKERS)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main():
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors; scikit-learn {sklearn.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(1)
        labels = (rng.random(samples) < 0.5).astype(np.uint8)
        labels.tofile(folder / "labels")
        (rng.normal(size=samples) * 2 + labels * 2.0 - 1).astype("<f8").tofile(folder / "scores")
        start(folder)

        # The same work: both find the same numbers.
        found = {interval["metric"]: interval["value"] for interval in ours(folder, 1)["intervals"]}
        expected = measure(LABELS, SCORES, PROBABILITIES)
        assert found.keys() == expected.keys()
        for metric, value in expected.items():
            assert abs(found[metric] - value) < 1e-9, (metric, found[metric], value)

        peer_times, our_times = [], []
        with ProcessPoolExecutor(WORKERS, initializer=start, initargs=(folder,)) as pool:
            list(pool.map(peer, [(0, 1)] * WORKERS))
            for round_ in range(ROUNDS):
                began = time.perf_counter()
                list(pool.map(peer, [(WORKERS * round_ + k, PEER_RESAMPLES // WORKERS) for k in range(WORKERS)]))
                peer_times.append((time.perf_counter() - began) / PEER_RESAMPLES)
                our_times.append(ours(folder, OUR_RESAMPLES)["seconds"] / OUR_RESAMPLES)
                print(f"round {round_}: peer {peer_times[-1]:.3f} s, ours {our_times[-1]:.5f} s a resample")
        peer_one, our_one = statistics.median(peer_times), statistics.median(our_times)
        total = ours(folder, TOTAL)["seconds"]
        print(f"{samples} samples, medians of {ROUNDS} rounds, a resample of {len(expected)} metrics (ours with sorting):")
        print(f"peer {peer_one:.3f} s, ours {our_one:.5f} s: {peer_one / our_one:.0f}x")
        print(f"{TOTAL} resamples: ours {total:.1f} s measured, peer {peer_one * TOTAL:.0f} s scaled:", end=" ")
        print(f"{peer_one * TOTAL / total:.0f}x")


if __name__ == "__main__":
    main()
