"""Times `dear harden` against the same method in PyTorch as the reference runs it, and writes its tables of docs/performance.md.

    cargo build --release
    pip install -r bench/requirements.txt
    python bench/harden.py [--rounds 5] [--data ROOT] [--network mini|resnet50] [--write]

The peer (`harden_peer.py`) runs the backbone in every epoch on new views and validates before each epoch; ours draws as many
views up front as the peer has epochs. Both get the same images and the same probes, and are timed as whole processes, from
start to end, in alternating rounds. ROOT holds train/real, train/fake and val; by default the 108 photographs of `samples/` for
training and validation and a counterpart of each, made again by models/resynth-x4.onnx. `resnet50` is a seeded ResNet-50 without
stem down-sampling, 64 images, 2 epochs. With `--write` the tables of both networks replace those in docs/performance.md.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEAR = ROOT / "target/release/dear"
PAGE = ROOT / "docs/performance.md"
# Symmetric fractions of the ten gates.
GATES = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]


@dataclass
class Data:
    """Folders of one comparison, the same for both sides."""

    train: Path
    val: Path
    probes: Path

    def count(self):
        images = lambda folder: sum(file.suffix in (".jpg", ".jpeg", ".png", ".webp") for file in folder.rglob("*"))
        return f"{images(self.train)} training images, {images(self.probes) // 2} probes, {images(self.val)} validation images"


@dataclass
class Network:
    """The detector as both sides read it."""

    name: str
    onnx: Path | None
    checkpoint: Path | None


# Inputs. ------------------------------------------------------------------------------------------------------------


def samples(folder):
    """The photographs of `samples/` for training and validation, and a counterpart of each."""
    import onnxruntime
    from harden_images import made_again
    from PIL import Image

    network = onnxruntime.InferenceSession(str(ROOT / "models/resynth-x4.onnx"), providers=["CPUExecutionProvider"])
    for split in ("train", "val"):
        for file in sorted((ROOT / "samples" / split / "real").rglob("*.*")):
            for kind in ("real", "fake"):
                out = folder / split / kind / file.name
                out.parent.mkdir(parents=True, exist_ok=True)
                if kind == "real":
                    shutil.copy(file, out)
                else:
                    made_again(Image.open(file).convert("RGB"), network).save(out, quality=90)
    return folder


def part(root, folder, most):
    """The first images of each class, for a network whose whole run would take hours."""
    for split, limit in (("train", most // 2), ("val", most // 8)):
        for kind in ("real", "fake"):
            (folder / split / kind).mkdir(parents=True)
            files = sorted(file for file in (root / split / kind).rglob("*") if file.is_file())
            for file in files[:limit]:
                shutil.copy(file, folder / split / kind / file.name)
    return folder


def with_probes(root, folder):
    run([DEAR, "probe", root / "train/real", "--engine", "builtin", "--inpainter", "resynthesis", "--out", folder])
    return Data(root / "train", root / "val", folder)


def network(name, folder, data=None):
    if name == "mini":
        return Network(name, None, None)
    import harden_networks
    import torch
    from PIL import Image
    from torchvision.transforms.functional import center_crop, to_tensor

    # Its batch norm is set on photographs, so that activations are as large as a trained network's.
    photographs = sorted(file for file in (data.train / "real").rglob("*") if file.is_file())[:2]
    images = torch.stack([center_crop(to_tensor(Image.open(file).convert("RGB")), [96, 96]) for file in photographs])
    trunk = harden_networks.seeded_resnet50(0, images)
    torch.save(trunk.state_dict(), folder / "resnet50.pt")
    harden_networks.write_resnet50(trunk, 0, folder / "resnet50.onnx")
    return Network(name, folder / "resnet50.onnx", folder / "resnet50.pt")


# Running. -----------------------------------------------------------------------------------------------------------


def run(command):
    """Standard output of a command; its standard error only where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def tree(root):
    """A process and all its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def resident(pids):
    """Bytes that processes hold: the peak so far of one alone, the sum of proportional shares now of several, where a page that
    they share counts once."""
    file, field = ("status", "VmHWM:") if len(pids) == 1 else ("smaps_rollup", "Pss:")
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
        except OSError:
            continue
        total += next((1024 * int(line.split()[1]) for line in lines if line.startswith(field)), 0)
    return total


def measured(command):
    """Seconds of a whole process, the memory of it and its children at their peak, and its standard output."""
    # A file, not a pipe: nobody waits for it while memory is watched.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as talk:
        began = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=talk, env=ENVIRONMENT)
        peak, ended = [0], threading.Event()

        def watch():
            # Five times a second: reading the shares walks all pages, and both cores belong to what is timed.
            while not ended.wait(0.2):
                peak[0] = max(peak[0], resident(tree(process.pid)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            status = process.wait()
            seconds = time.perf_counter() - began
        finally:
            process.kill()
            ended.set(), watcher.join()
        out.seek(0), talk.seek(0)
        if status != 0:
            sys.exit(f"{' '.join(map(str, command))}\n{talk.read()}")
        return seconds, peak[0], out.read()


# The peer's loader processes are its own; nothing here may limit its threads.
ENVIRONMENT = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}


def peer(data, net, epochs):
    command = [sys.executable, ROOT / "bench/harden_peer.py", data.train / "real", data.train / "fake", data.val / "real", data.val / "fake",
               data.probes, epochs]
    return measured(command + ([net.checkpoint] if net.checkpoint else []))


def ours(data, net, views, engine, folder, recipe=None, work=None):
    command = [DEAR, "harden", "--engine", engine, "--views", views, "--real", data.train / "real", "--fake", data.train / "fake",
               "--val", data.val, "--probes", data.probes, "--out", folder / "hardened.onnx", "--work", work or folder / "work"]
    command += ["--onnxruntime", onnxruntime_library()] if engine == "onnxruntime" else []
    command += ["--detector", net.onnx] if net.onnx else []
    command += ["--recipe", recipe] if recipe else []
    return measured(command)[:2]


def onnxruntime_library():
    import onnxruntime

    return next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"))


def one_gate(data, net, views, engine):
    with tempfile.TemporaryDirectory() as folder:
        return ours(data, net, views, engine, Path(folder))


def ten_gates(data, net, views, engine):
    """Ten runs that share their features: what a comparison of gates costs. The one place to change for another command."""
    with tempfile.TemporaryDirectory() as name:
        folder, runs = Path(name), []
        for number, share in enumerate(GATES):
            recipe, out = folder / f"{number}.toml", folder / str(number)
            recipe.write_text(f"[gate]\nprune_top = {share}\nprune_bottom = {share}\n")
            out.mkdir()
            runs.append(ours(data, net, views, engine, out, recipe, folder / "work"))
    return sum(seconds for seconds, _ in runs), max(peak for _, peak in runs)


# Tables. ------------------------------------------------------------------------------------------------------------


def spread(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def row(name, mine, theirs, times=1):
    """Medians with their range; the peer's time is taken `times` times."""
    seconds, peaks = zip(*mine)
    peer_seconds, peer_peaks = zip(*theirs)
    peer_seconds = [times * value for value in peer_seconds]
    memory, peer_memory = statistics.median(peaks), statistics.median(peer_peaks)
    return (f"| {name} | {spread(seconds)} | {spread(peer_seconds)} | {statistics.median(peer_seconds) / statistics.median(seconds):.1f}x | "
            f"{memory / 1e6:.0f} MB | {peer_memory / 1e6:.0f} MB | {memory / peer_memory:.2f} |")


def compare_mini(data, net, epochs, rounds, gates):
    engines = ["builtin", "onnxruntime"]
    one, ten, theirs = {engine: [] for engine in engines}, {engine: [] for engine in engines}, []
    for number in range(rounds):
        theirs.append(peer(data, net, epochs)[:2])
        for engine in engines:
            one[engine].append(one_gate(data, net, epochs, engine))
            if gates:
                ten[engine].append(ten_gates(data, net, epochs, engine))
        say = {"peer": theirs[-1], **{f"one {k}": v[-1] for k, v in one.items()}, **{f"ten {k}": v[-1] for k, v in ten.items() if v}}
        print(f"round {number + 1}: " + ", ".join(f"{k} {s:.1f} s {m / 1e6:.0f} MB" for k, (s, m) in say.items()), flush=True)
    lines = [row(f"`mini`, one gate, `{engine}`", one[engine], theirs) for engine in engines]
    return lines + [row(f"`mini`, ten gates, `{engine}`", ten[engine], theirs, 10) for engine in engines if gates]


def compare_resnet50(data, net, rounds):
    """Two epochs, and from one and two what ten would take: both sides grow by the same work with each."""
    engines, lines, theirs, epochs = ["builtin", "onnxruntime"], [], [], 2
    two, single = {engine: [] for engine in engines}, {engine: [] for engine in engines}
    far = []
    for number in range(rounds):
        seconds, memory, said = peer(data, net, epochs)
        theirs.append((seconds, memory))
        far.append(seconds + 8 * json.loads(said)["epoch"])
        for engine in engines:
            two[engine].append(one_gate(data, net, epochs, engine))
            single[engine].append(one_gate(data, net, 1, engine))
        print(f"round {number + 1}: peer {seconds:.0f} s {memory / 1e6:.0f} MB, " + ", ".join(
            f"{k} {v[-1][0]:.0f} s {v[-1][1] / 1e6:.0f} MB (one view {single[k][-1][0]:.0f} s)" for k, v in two.items()), flush=True)
    notes = []
    for engine in engines:
        lines.append(row(f"ResNet-50, 2 epochs, `{engine}`", two[engine], theirs))
        each = [b - a for (b, _), (a, _) in zip(two[engine], single[engine])]
        ten = [b + 8 * step for (b, _), step in zip(two[engine], each)]
        notes.append(f"{statistics.median(ten):.0f} s with `{engine}`")
    note = (f"Extrapolated to 10 epochs (what an epoch, or a view of every image, adds, taken 8 more times): the peer "
            f"{statistics.median(far):.0f} s, ours {' and '.join(notes)}.")
    return lines, note


def machine():
    import albumentations
    import onnxruntime
    import torch
    import torchvision

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    rustc = subprocess.check_output(["rustc", "--version"], text=True).strip()
    return (f"{cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; PyTorch {torch.__version__} ({torch.get_num_threads()} "
            f"threads), torchvision {torchvision.__version__}, albumentations {albumentations.__version__}, ONNX Runtime "
            f"{onnxruntime.__version__}, Python {platform.python_version()}, {rustc}.")


def write(program, lines):
    """Put the lines between the program's marks in the page."""
    start, end = f"<!-- {program} -->", f"<!-- end of {program} -->"
    before, rest = PAGE.read_text().split(start)
    PAGE.write_text(before + start + "\n\n" + "\n".join(lines) + "\n\n" + end + rest.split(end, 1)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--resnet50-rounds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=10, help="of mini: the peer's epochs, our views")
    parser.add_argument("--network", choices=["mini", "resnet50"], help="one of them; by default both")
    parser.add_argument("--data", type=Path, help="a folder with train/real, train/fake and val/real, val/fake")
    parser.add_argument("--no-gates", action="store_true", help="leave the ten gates out")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    arguments = parser.parse_args()
    if arguments.write and (arguments.rounds < 5 or arguments.network or arguments.no_gates or arguments.epochs != 10):
        sys.exit("a page is written from both networks, all rows and at least five rounds")
    sys.path.append(str(ROOT / "oracle"))
    about, lines, notes = machine(), [], []
    print(about)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = arguments.data or samples(folder / "data")
        if arguments.network != "resnet50":
            data = with_probes(root, folder / "probes")
            notes.append(f"`mini`: {data.count()}, {arguments.epochs} epochs or views, {arguments.rounds} round(s).")
            lines += compare_mini(data, network("mini", folder), arguments.epochs, arguments.rounds, not arguments.no_gates)
        if arguments.network != "mini":
            small = with_probes(part(root, folder / "part", 64), folder / "part-probes")
            notes.append(f"ResNet-50 without stem down-sampling: {small.count()}, 2 epochs or views, {arguments.resnet50_rounds} "
                         "round(s).")
            more, note = compare_resnet50(small, network("resnet50", folder, small), arguments.resnet50_rounds)
            lines, notes = lines + more, [*notes, note]
    table = [about, "", *notes, "", "| seconds of the whole process | ours | peer | ratio | our peak | peer's peak | share |",
             "|---|---:|---:|---:|---:|---:|---:|", *lines]
    print("\n".join(table[2:]))
    if arguments.write:
        write("bench/harden.py", table)


if __name__ == "__main__":
    main()
