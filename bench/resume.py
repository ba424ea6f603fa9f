"""Kills a scan at random again and again, and compares what it comes to with a scan that nobody killed.

    cargo build --release
    pip install -r bench/requirements.txt
    python bench/resume.py [--files 20000] [--kills 10] [--seed 0]

FILES pictures of 64 x 64 pixels are generated (seeded noise on gradients, JPEG). One scan without a cache says what the result is.
Then a scan with an empty cache is started and killed (SIGKILL) at a random point of its output, KILLS times, and at last left alone. Exit code 0:
its output has the same bytes, and what the killed ones committed was not scored again.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DEAR = str(ROOT / "target/release/dear")


def generate(folder, count, seed):
    rng = np.random.default_rng(seed)
    ramp = np.arange(64)
    for number in range(count):
        if number % 1000 == 0:
            below = folder / f"{number // 1000:03}"
            below.mkdir(parents=True)
        slopes = rng.uniform(-3, 3, (3, 2))
        plane = slopes[:, 0, None, None] * ramp[None, :, None] + slopes[:, 1, None, None] * ramp[None, None, :]
        pixels = 128 + plane + rng.normal(0, rng.uniform(1, 30), plane.shape)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
        image.save(below / f"{number % 1000:03}.jpg", quality=int(rng.integers(50, 96)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        generate(work / "pictures", arguments.files, arguments.seed)
        environment = {**os.environ, "DEAR_CACHE": str(work / "cache")}
        command = [DEAR, "scan", str(work / "pictures"), "--engine", "builtin", "--format", "jsonl"]
        began = time.monotonic()
        whole = subprocess.run([*command, "--no-cache"], env=environment, capture_output=True, check=True)
        seconds = time.monotonic() - began
        assert whole.stdout.count(b"\n") == arguments.files
        print(f"not killed, without a cache: {seconds:.1f} s, {arguments.files / seconds:.0f} files a second", flush=True)
        # Each is killed a moment after its output has so many bytes.
        for target in sorted(draw.randrange(len(whole.stdout)) for _ in range(arguments.kills)):
            out = work / "killed.jsonl"
            with open(out, "wb") as file:
                process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.DEVNULL)
                while out.stat().st_size < target and process.poll() is None:
                    time.sleep(0.002)
                time.sleep(draw.uniform(0, 0.05))
                process.kill()
                process.wait()
            text = out.read_bytes()
            assert whole.stdout.startswith(text), "a killed scan wrote something else"
            print(f"killed after {text.count(bytes([10]))} records (exit status {process.returncode})", flush=True)
        began = time.monotonic()
        last = subprocess.run([*command, "--out", str(work / "last.jsonl")], env=environment, capture_output=True, check=True, text=True)
        told = last.stderr.splitlines()[-1]
        print(f"resumed: {time.monotonic() - began:.1f} s; {told}")
        assert (work / "last.jsonl").read_bytes() == whole.stdout, "the output differs"
        known = int(re.search(r"(\d+) from the cache", told)[1])
        assert 0 < known < arguments.files, told
        began = time.monotonic()
        again = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert again.stdout == whole.stdout and f"{arguments.files} from the cache".encode() in again.stderr, again.stderr
        print(f"again, all from the cache: {time.monotonic() - began:.1f} s")
        size = (work / "cache/scan.sqlite").stat().st_size
        print(f"the same {len(whole.stdout)} bytes; the cache has {size / arguments.files:.0f} bytes a file")


if __name__ == "__main__":
    sys.exit(main())
