"""Measures how the memory of `dear scan` grows with the number of files in a folder.

    cargo build --release
    pip install -r bench/requirements.txt
    python bench/listing.py [--files 2000 200000]

The files are links to a few pictures of 64 x 64 pixels, so that hardly anything is scored: the scan lists, reads and hashes them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from resume import DEAR, generate

# A file of ext4 bears 65,000 names.
LINKS = 50_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[2000, 200_000])
    arguments = parser.parse_args()
    for count in arguments.files:
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            generate(work / "pictures", -(-count // LINKS), 0)
            sources = sorted((work / "pictures").rglob("*.jpg"))
            (work / "links").mkdir()
            for number in range(count):
                os.link(sources[number // LINKS], work / f"links/{number:08}.jpg")
            command = [DEAR, "scan", str(work / "links"), "--engine", "builtin", "--no-cache", "--format", "jsonl"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            lines = sum(1 for _ in process.stdout)
            _, status, usage = os.wait4(process.pid, 0)
            if status != 0 or lines != count:
                sys.exit(f"{lines} records of {count}, exit status {status}")
            print(f"{count} files in one folder: {usage.ru_maxrss / 1024:.0f} MB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
