"""Makes `samples/`: small crops of the Kodak scans, the only photographs here that may be redistributed.

    python training/samples.py --scans DIR --scans DIR --out samples

Scenes, not crops, are split, so no scene is in two splits. Half of the crops of each split are PNG and
half JPEG: where the label is to be learnt, the format must not tell it. Everything is seeded.
"""

import argparse
import csv
import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

SEED = 7
SIDE = 256
PER_SCENE = 6  # a 768 x 512 scan has exactly six disjoint ones
SPLITS = {"train": 14, "val": 4, "test": 6}
QUALITY = 90


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=Path, action="append", required=True, help="folder with *PCD0992_NN.*")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    scans = {}
    for path in sorted(path for folder in options.scans for path in folder.iterdir()):
        if found := re.search(r"PCD0992_(\d\d)\.", path.name):
            scans[int(found[1])] = path
    assert sorted(scans) == list(range(1, 25)), sorted(scans)

    rng = np.random.default_rng(SEED)
    scenes = rng.permutation(sorted(scans)).tolist()
    rows, first = [], 0
    for split, count in SPLITS.items():
        folder = options.out / split / "real" / "kodak"
        shutil.rmtree(options.out / split, ignore_errors=True)
        folder.mkdir(parents=True)
        chosen = sorted(scenes[first : first + count])
        first += count
        formats = rng.permutation(["png", "jpg"] * (count * PER_SCENE // 2)).tolist()
        for scene in chosen:
            scan = Image.open(scans[scene]).convert("RGB")
            places = [(x, y) for y in range(0, scan.height - SIDE + 1, SIDE) for x in range(0, scan.width - SIDE + 1, SIDE)]
            for index, (left, top) in enumerate(places[:PER_SCENE], 1):
                crop = scan.crop((left, top, left + SIDE, top + SIDE))
                kind = formats.pop()
                path = folder / f"kodim{scene:02}-{index}.{kind}"
                if kind == "png":
                    crop.save(path, optimize=True)
                else:
                    crop.save(path, "JPEG", quality=QUALITY, subsampling="4:2:0")
                quality = QUALITY if kind == "jpg" else ""
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                rows.append([path.relative_to(options.out).as_posix(), scene, kind, quality, left, top, digest])
    with open(options.out / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "scene", "format", "jpeg_quality", "left", "top", "sha256"])
        writer.writerows(rows)
    total = sum((options.out / row[0]).stat().st_size for row in rows)
    print(f"{len(rows)} crops, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
