"""Times imported detectors against PyTorch and writes its tables of docs/performance.md.

    cargo build --release && cargo build --release --workspace --example speed
    pip install -r bench/requirements.txt
    python bench/engines.py [--rounds 5] [--openvino LIBRARY] [--networks corvi ufd] [--photograph] [--write]

Memory for all contenders at once is needed: 4 GB for ResNet-50, 24 GB for CLIP with OpenVINO, 14 GB without.
Each contender is a process of its own that runs once when it is told to, so that rounds alternate and peak memory is its own.
*PyTorch eager* is f32 as the reference runs it; *folded* is what PyTorch users do for speed: batch norm folded, channels last.
LIBRARY is the folder of libonnxruntime in the package onnxruntime-openvino, in an environment of its own. `--photograph` also
scores a picture of 48 megapixels (ResNet-50: about 20 minutes an engine).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from harden import DEAR, ROOT, machine, onnxruntime_library, write

sys.path.append(str(ROOT / "oracle"))
PEER = [sys.executable, str(ROOT / "bench" / "engines_peer.py")]
SPEED = str(ROOT / "target" / "release" / "examples" / "speed")
TITLES = {"corvi": "ResNet-50 without stem down-sampling", "ufd": "CLIP ViT-L/14 and linear head"}
# Multiply-adds of one picture: method.md section 7 for ResNet-50, 24 layers of 257 tokens and the patches for the ViT.
PER_PIXEL = 1.275e6
VIT = 24 * (257 * (4 * 1024**2 + 2 * 1024 * 4096) + 2 * 257**2 * 1024) + 256 * 3 * 14**2 * 1024


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


class Contender:
    def __init__(self, title, command, environment=None):
        self.title, self.seconds = title, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{title} does not start")
        self.about = json.loads(line)

    def run(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.title} ended")
        seconds, value = map(float, line.split())
        return seconds, value

    def peak(self):
        """MB, of the whole life of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def checkpoint(name, folder):
    """Seeded weights as their authors would store them."""
    from seeded import fill

    path = folder / f"{name}.pth"
    if name == "corvi":
        import architectures

        state = fill(architectures.Stemmed(1).backbone.state_dict())[0]
        torch.save({"model": state}, path)
    else:
        from engines_peer import Clip

        net = Clip()
        state = {key.removeprefix("clip."): value for key, value in net.state_dict().items()}
        torch.save(state, path)
    return path


def imported(name, folder):
    detector = folder / f"{name}.onnx"
    command = [DEAR, "import", checkpoint(name, folder), "--arch", name, "--engine", "builtin", "-o", detector]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return detector


def ours(openvino):
    """Title, options of the engine."""
    library = str(onnxruntime_library())
    found = [("builtin", {"engine": "builtin"}), ("ONNX Runtime", {"engine": "onnxruntime", "library": library})]
    if openvino:
        base = {"engine": "onnxruntime", "library": openvino, "provider": "openvino"}
        found += [("OpenVINO f32", base), ("OpenVINO bf16", {**base, "precision": "bf16"})]
    return found


def f32_peak():
    """Multiply-adds a second of large products of matrices, both cores, by the faster of two libraries."""
    a, b = np.random.rand(2, 4096, 4096).astype(np.float32)
    products = [lambda: torch.from_numpy(a) @ torch.from_numpy(b), lambda: a @ b]
    best = 0
    for _ in range(5):
        for product in products:
            start = time.perf_counter()
            product()
            best = max(best, 4096**3 / (time.perf_counter() - start))
    return best


def compare(network, detector, job, shape, multiplications, arguments, rounds):
    sizes = [str(size) for size in shape]
    peers = [Contender("PyTorch eager", [*PEER, network, "eager", "2", *sizes])]
    if network == "corvi":
        peers.append(Contender("PyTorch, folded, channels last", [*PEER, network, "folded", "2", *sizes]))
    speed = lambda options: [SPEED, str(detector), json.dumps(options), "2", job, *(sizes if job == "images" else sizes[1:])]
    mine = [Contender(title, speed(options)) for title, options in ours(arguments.openvino)]
    for contender in peers + mine:
        contender.run()  # warm
    for _ in range(rounds):
        for contender in peers + mine:
            contender.seconds.append(contender.run()[0])
    eager = peers[0].seconds
    lines = []
    for contender in peers + mine:
        ratio = statistics.median(base / own for base, own in zip(eager, contender.seconds))
        share = multiplications / statistics.median(contender.seconds) / arguments.peak
        lines.append(f"| {contender.title} | {spread(contender.seconds)} | {ratio:.2f}x | {100 * share:.0f} % | {contender.peak():.0f} |")
        contender.end()
    return lines


def photograph(network, detector, arguments):
    """48 megapixels, in tiles."""
    lines = []
    for title, options in ours(None):
        contender = Contender(title, [SPEED, str(detector), json.dumps(options), "2", "score", "6000", "8000"])
        seconds, _ = contender.run()
        lines.append(f"| {network} | {title} | {seconds:.0f} | {contender.peak():.0f} |")
        contender.end()
        print(lines[-1], flush=True)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--openvino", help="the folder of libonnxruntime of onnxruntime-openvino")
    parser.add_argument("--networks", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--photograph", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write and arguments.rounds < 5:
        sys.exit("a page is written from at least five rounds")
    about = machine()
    arguments.peak = f32_peak()
    head = [about, "", f"The machine's f32 peak by products of 4096 x 4096 matrices (PyTorch, NumPy): {arguments.peak / 1e9:.0f} "
            f"billion multiply-adds a second. {arguments.rounds} rounds.", ""]
    for network in arguments.networks:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            detector = imported(network, folder)
            lines = list(head)
            if network == "corvi":
                jobs = [("images", (32, 96, 96)), ("images", (1, 512, 512)), ("score", (1, 1024, 1024))]
            else:
                jobs = [("images", (1, 224, 224))]
            for job, shape in jobs:
                n, height, width = shape
                work = n * (height * width * PER_PIXEL if network == "corvi" else VIT)
                rounds = min(arguments.rounds, 2) if job == "score" else arguments.rounds
                tiled = f", ours as `dear scan` does it, {rounds} rounds" if job == "score" else ""
                lines += [f"{TITLES[network]}, {n} x {height} x {width}{tiled}:", "",
                          "| | seconds | eager takes | of the f32 peak | peak MB |", "|---|---:|---:|---:|---:|"]
                lines += [*compare(network, detector, job, shape, work, arguments, rounds), ""]
                print("\n".join(lines[-9:]), flush=True)
            if arguments.photograph and network == "corvi":
                lines += ["48 megapixels, in tiles, once:", "", "| | engine | seconds | peak MB |", "|---|---|---:|---:|"]
                lines += photograph("`mini`", ROOT / "models" / "mini.onnx", arguments)
                lines += photograph(TITLES["corvi"], folder / "corvi.onnx", arguments)
            if arguments.write:
                write(f"bench/engines.py {network}", lines)


if __name__ == "__main__":
    main()
