"""Times `dear scan` with `mini` on JPEG files of 512 x 512 pixels against its engine alone, and writes its table of docs/performance.md.

    cargo build --release && cargo build --release --workspace --example speed
    pip install -r bench/requirements.txt
    python bench/scan.py [--rounds 5] [--images 200] [--engines builtin onnxruntime] [--write]

*Engine alone* is the example `speed` on as many pictures of that size, which lie in memory: no file, no decoder, no record. The scan
is a whole process, start included: it finds, reads, hashes and decodes the files, scores them, and writes a JSON line and a row of the
cache for each. *Again* is the same command on the cache that it left. Rounds alternate.
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

from engines import SPEED, Contender, spread
from harden import DEAR, ROOT, machine, onnxruntime_library, write
from PIL import Image


def pictures(folder, count):
    """Mosaics of four photographs of `samples/`, each moved by another number of pixels."""
    folder.mkdir()
    files = sorted(file for file in (ROOT / "samples/test/real").rglob("*") if file.is_file())
    mosaic = Image.new("RGB", (1024, 1024))
    for place, file in enumerate(files[:16]):
        mosaic.paste(Image.open(file).convert("RGB").resize((256, 256)), (place % 4 * 256, place // 4 * 256))
    for number in range(count):
        left, top = number * 37 % 512, number * 101 % 512
        mosaic.crop((left, top, left + 512, top + 512)).save(folder / f"{number:05}.jpg", quality=90)


def scan(engine, folder, cache):
    """Seconds of the process, and the last line of its talk."""
    command = [str(DEAR), "scan", str(folder), "--engine", engine, "--threads", "2", "--format", "jsonl", "--cache", str(cache)]
    environment = dict(os.environ)
    if engine == "onnxruntime":
        environment["DEAR_ONNXRUNTIME"] = str(onnxruntime_library())
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(done.stderr)
    return seconds, done.stderr.splitlines()[-1], len(done.stdout.splitlines())


def compare(engine, folder, count, rounds, work):
    options = {"engine": engine}
    if engine == "onnxruntime":
        options["library"] = str(onnxruntime_library())
    mini = str(ROOT / "models/mini.onnx")
    alone = Contender(engine, [SPEED, mini, json.dumps(options), "2", "images", str(count), "512", "512"])
    alone.run()  # warm
    first, again = [], []
    for number in range(rounds):
        alone.seconds.append(alone.run()[0])
        cache = work / f"{engine}-{number}.sqlite"
        seconds, told, lines = scan(engine, folder, cache)
        assert lines == count and f"{count} scored now" in told, told
        first.append(seconds)
        seconds, told, lines = scan(engine, folder, cache)
        assert lines == count and f"{count} from the cache" in told, told
        again.append(seconds)
    alone.end()
    share = statistics.median(a / b for a, b in zip(alone.seconds, first))
    rate = count / statistics.median(first)
    return (f"| {engine} | {spread(alone.seconds)} | {spread(first)} | {100 * share:.0f} % | {rate:.1f} | {spread(again)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--engines", nargs="+", choices=["builtin", "onnxruntime"], default=["builtin", "onnxruntime"])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write and arguments.rounds < 5:
        sys.exit("a page is written from at least five rounds")
    lines = [machine(), "", f"{arguments.images} JPEG files of 512 x 512 pixels, `mini`, two threads, {arguments.rounds} rounds.", "",
             "| seconds | engine alone | `dear scan` | throughput of the engine's | images a second | again |",
             "|---|---:|---:|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        pictures(work / "pictures", arguments.images)
        for engine in arguments.engines:
            lines.append(compare(engine, work / "pictures", arguments.images, arguments.rounds, work))
            print(lines[-1], flush=True)
    print("\n".join(lines))
    if arguments.write:
        write("bench/scan.py", lines)


if __name__ == "__main__":
    main()
