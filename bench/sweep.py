"""Times `dear sweep` of 36 gates and 3 heads against runs of one, and writes its table of docs/performance.md.

    cargo build --release
    pip install -r bench/requirements.txt
    python bench/sweep.py [--rounds 5] [--data ROOT] [--engine builtin] [--write]

Every run starts with an empty folder, so the features are in its time; rounds alternate. *One gate, one head* is a sweep that
needs the same features: null probes, the perturbed images for fragility, validation images under the paper's post-processing.
ROOT holds train/real, train/fake and val; by default the photographs of `samples/` and a counterpart of each.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from harden import DEAR, ROOT, machine, measured, samples, write

ONE = """
[[criteria]]
name = "standardised - null"
rad = { standardise = true, subtract_null = true }
[[gates]]
name = "fragility"
gate = { ranking = "fragility", prune_top = 0.4, prune_bottom = 0.0 }
[[heads]]
name = "R.Acc - 3"
head = { solver = "l2", balance = { max_r_acc_loss = 3.0 } }
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--engine", default="builtin", choices=["builtin", "onnxruntime"])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write and arguments.rounds < 5:
        sys.exit("a page is written from at least five rounds")
    sys.path.append(str(ROOT / "oracle"))
    about = machine()
    print(about)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = arguments.data or samples(folder / "data")
        (folder / "one.toml").write_text(ONE)
        images = ["--real", root / "train/real", "--fake", root / "train/fake", "--val", root / "val"]
        images += ["--engine", arguments.engine]
        jobs = {
            "`dear harden`": lambda out: ["harden", *images, "--out", out / "h.onnx"],
            "`dear sweep`, one gate, one head": lambda out: ["sweep", *images, "--sweep", folder / "one.toml", "--out", out],
            "`dear sweep`, 36 gates, 3 heads": lambda out: ["sweep", *images, "--out", out],
        }
        seconds, size = {job: [] for job in jobs}, 0
        for _ in range(arguments.rounds):
            for job, command in jobs.items():
                with tempfile.TemporaryDirectory(dir=folder) as out:
                    seconds[job].append(measured([DEAR, *command(Path(out))])[0])
                    features = list(Path(out).rglob("*.parquet"))
                    size = sum(file.stat().st_size for file in features)
        count = sum(1 for kind in ("real", "fake") for file in (root / "train" / kind).rglob("*") if file.is_file())
    last = list(jobs)[-1]
    lines = [about, "", f"`mini`, `{arguments.engine}`, {count} training images, 4 views, {arguments.rounds} rounds.", "",
             "| | seconds | 36 x 3 takes |", "|---|---:|---:|"]
    for job, values in seconds.items():
        ratios = [many / one for many, one in zip(seconds[last], values)]
        spread = f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"
        lines.append(f"| {job} | {spread} | {statistics.median(ratios):.2f}x |")
    lines += ["", f"The features of the sweep are {size / 1e6:.1f} MB."]
    print("\n".join(lines[2:]))
    if arguments.write:
        write("bench/sweep.py", lines)


if __name__ == "__main__":
    main()
