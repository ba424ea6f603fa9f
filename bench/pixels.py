"""Times dear-image against Pillow, torchvision, albumentations and SciPy, and writes the tables of docs/performance.md.

    cargo build --release --workspace --example pixels && cargo build --release
    pip install -r bench/requirements.txt
    python bench/pixels.py [--rounds 5] [--only ROW] [--write]

Both sides do the same work on the same files, ours on two threads, the peer in two processes; rounds alternate, times are
medians, and the start of the processes does not count. The pictures are mosaics of the photographs in `samples/`. With
`--write` the tables replace those between the markers in docs/performance.md. About ten minutes.
"""

import argparse
import io
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", NO_ALBUMENTATIONS_UPDATE="1")
warnings.filterwarnings("ignore", category=FutureWarning)

import albumentations
import numpy as np
import PIL
import scipy
import torch
import torchvision
import torchvision.transforms.functional as F
from PIL import Image, ImageEnhance, ImageFilter, features
from scipy.ndimage import gaussian_filter
from torchvision import transforms as T

ROOT = Path(__file__).resolve().parent.parent
BINARY, DEAR = ROOT / "target/release/examples/pixels", ROOT / "target/release/dear"
PAGE = ROOT / "docs/performance.md"
WORKERS = 2


RESAMPLING = Image.Resampling


def opened(file):
    return Image.open(file).convert("RGB")


# The peer's side of each row. ---------------------------------------------------------------------------------------

RESIZED_CROP, JITTER = T.RandomResizedCrop(256), T.ColorJitter(0.4, 0.4, 0.4, 0.1)
CUTOUT = albumentations.Cutout(num_holes=1, max_h_size=48, max_w_size=48, fill_value=128, p=1)
NOISE = albumentations.GaussNoise(var_limit=(10.0, 50.0), p=1)
TENSOR = T.Compose([T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
TURNS = [None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270]


def blurred(image, sigma):
    array = np.array(image)
    for channel in range(3):
        gaussian_filter(array[:, :, channel], output=array[:, :, channel], sigma=sigma)
    return Image.fromarray(array)


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return opened(buffer)


def webp(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality)
    return opened(buffer)


def view(file, _):
    """The paper's augmentation (method, section 5), from a file to a normalised tensor [3, 96, 96]."""
    image, chance = opened(file), random.random
    if chance() < 0.2:
        image = RESIZED_CROP(image)
    if chance() < 0.8:
        image = JITTER(image)
    if chance() < 0.2:
        image = F.rgb_to_grayscale(image, 3)
    if chance() < 0.2:
        image = Image.fromarray(CUTOUT(image=np.asarray(image))["image"])
    if chance() < 0.2:
        image = Image.fromarray(NOISE(image=np.asarray(image))["image"])
    if chance() < 0.5:
        image = blurred(image, random.uniform(0, 3))
    if chance() < 0.5:
        image = jpeg(image, random.randint(30, 100))
    turn = random.choice(TURNS)
    if turn is not None:
        image = image.transpose(turn)
    if chance() < 0.5:
        image = F.hflip(image)
    if min(image.size) < 96:
        image = F.pad(image, [max(96 - image.width, 0), max(96 - image.height, 0)], padding_mode="symmetric")
    return TENSOR(T.RandomCrop(96)(image))


def paper(file, out):
    """The reference's post-processing (method, section 6), from a file to a file."""
    image = opened(file)
    (width, height), quality = image.size, random.randint(50, 95)
    if random.random() < 0.5:
        factor = random.uniform(1, min(1024 / width, 1024 / height))
    else:
        factor = random.uniform(max(256 / width, 256 / height), 1)
    size = [min(max(int(side * factor), 256), 1024) for side in image.size]
    image = image.resize(size, Image.Resampling.BICUBIC)
    for step in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Sharpness, ImageEnhance.Color):
        image = step(image).enhance(random.uniform(0.8, 1.2))
    image.save(Path(out) / Path(file).name, quality=quality)


def chain(work):
    return lambda file, _: work(opened(file))


def resized(kernel, size):
    """In memory: the files are read before the clock starts."""
    return lambda image, _: image.resize(size, kernel)


# Row: name, folder of inputs, our job, the peer's, whether the peer gets an image instead of a file.
ROWS = [
    ("training view, file to tensor", "photos", ["view"], view, False),
    ("`paper`, file to file", "photos", ["paper"], paper, False),
    ("decode JPEG, 512 x 512", "photos", ["decode"], chain(lambda image: None), False),
    ("decode JPEG, 4000 x 3000", "large", ["decode"], chain(lambda image: None), False),
    ("decode PNG, 512 x 512", "png", ["decode"], chain(lambda image: None), False),
    ("decode WebP, 512 x 512", "webp", ["decode"], chain(lambda image: None), False),
    ("decode, encode and decode JPEG, quality 75", "photos", ["chain", "jpeg(75)"], chain(lambda image: jpeg(image, 75)), False),
    ("decode, encode and decode WebP, quality 80", "photos", ["chain", "webp(80)"], chain(lambda image: webp(image, 80)), False),
    ("decode and blur, SciPy's Gaussian, sigma 2", "photos", ["chain", "blur(2)"], chain(lambda image: blurred(image, 2)), False),
    ("decode and blur, Pillow's Gaussian, radius 2", "photos", ["chain", "pillow_blur(2)"],
     chain(lambda image: image.filter(ImageFilter.GaussianBlur(2))), False),
    ("decode and median, 3 x 3", "photos", ["chain", "median(3)"], chain(lambda image: image.filter(ImageFilter.MedianFilter(3))), False),
    ("decode and rotate by 10 degrees, bicubic", "photos", ["chain", "rotate(10, bicubic)"],
     chain(lambda image: image.rotate(10, RESAMPLING.BICUBIC)), False),
    ("decode and turn the hue", "photos", ["chain", "hue(0.1)"], chain(lambda image: F.adjust_hue(image, 0.1)), False),
    ("resize 512 x 512 to 224 x 224, bilinear", "photos", ["resize", "bilinear", "224", "224"], resized(RESAMPLING.BILINEAR, (224, 224)), True),
    ("resize 512 x 512 to 1024 x 1024, bicubic", "photos", ["resize", "bicubic", "1024", "1024"], resized(RESAMPLING.BICUBIC, (1024, 1024)), True),
    ("resize 4000 x 3000 to 1024 x 768, bicubic", "large", ["resize", "bicubic", "1024", "768"], resized(RESAMPLING.BICUBIC, (1024, 768)), True),
    ("resize 4000 x 3000 to 1024 x 768, Lanczos", "large", ["resize", "lanczos", "1024", "768"], resized(RESAMPLING.LANCZOS, (1024, 768)), True),
]


# Running. -----------------------------------------------------------------------------------------------------------


def start():
    torch.set_num_threads(1)


def peer(job):
    """One process's share of a row: seconds of work, without reading images for the rows that work in memory."""
    row, files, out, seed = job
    random.seed(seed)
    torch.manual_seed(seed)
    np.random.seed(seed)
    _, _, _, work, in_memory = ROWS[row]
    items = [opened(file) for file in files] if in_memory else files
    began = time.perf_counter()
    for item in items:
        work(item, out)
    return time.perf_counter() - began


def ours(folder, job, out, seed=0):
    command = [BINARY, folder, WORKERS, out, seed, *job]
    return json.loads(subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout)["seconds"]


def mosaic(photographs, first, width, height):
    """A picture of `width` x `height` made of whole photographs, so that its texture is a camera's."""
    picture, number = Image.new("RGB", (width, height)), first
    for y in range(0, height, 256):
        for x in range(0, width, 256):
            picture.paste(photographs[number % len(photographs)], (x, y))
            number += 5
    return picture


def make_inputs(folder):
    files = sorted(file for file in (ROOT / "samples").rglob("real/**/*") if file.suffix in (".jpg", ".png"))
    assert len(files) > 100, f"samples/ holds {len(files)} real photographs"
    photographs = [opened(file) for file in files]
    kinds = {"photos": (160, 512, 512, "jpg"), "large": (4, 4000, 3000, "jpg"), "png": (32, 512, 512, "png"),
             "webp": (32, 512, 512, "webp"), "huge": (6, 8000, 6000, "jpg")}
    for name, (count, width, height, suffix) in kinds.items():
        (folder / name).mkdir()
        for number in range(count):
            picture = mosaic(photographs, 7 * number, width, height)
            picture.save(folder / name / f"{number:03}.{suffix}", quality=90)


def time_rows(folder, rounds, only):
    lines = []
    out = folder / "out"
    out.mkdir()
    with ProcessPoolExecutor(WORKERS, initializer=start) as pool:
        for row, (name, kind, job, _, _) in enumerate(ROWS):
            if only and only not in name:
                continue
            files = sorted(str(file) for file in (folder / kind).iterdir())
            shares = [files[k::WORKERS] for k in range(WORKERS)]
            list(pool.map(peer, [(row, share[:1], str(out), 0) for share in shares]))
            ours(folder / kind, job, out)
            our_times, peer_times = [], []
            for number in range(rounds):
                jobs = [(row, share, str(out), WORKERS * number + k) for k, share in enumerate(shares)]
                # The slower of the two processes is what a user waits for.
                peer_times.append(max(pool.map(peer, jobs)) / len(files))
                our_times.append(ours(folder / kind, job, out, 1 + number) / len(files))
            mine, theirs = statistics.median(our_times), statistics.median(peer_times)
            lines.append(f"| {name} | {1000 * mine:.2f} | {1000 * theirs:.2f} | {theirs / mine:.1f}x |")
            print(lines[-1], flush=True)
    return lines


def peak(command):
    """Largest resident memory of a command, in bytes."""
    # From a small process: a child starts with its parent's peak, and this one holds PyTorch.
    script = "import os, sys; p = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); _, s, u = os.wait4(p, 0); " \
             "print(u.ru_maxrss * 1024, file=sys.stderr); sys.exit(s != 0)"
    environment = {**os.environ, "RAYON_NUM_THREADS": str(WORKERS)}
    run = subprocess.run([sys.executable, "-S", "-c", script, *(str(part) for part in command)], check=True,
                         capture_output=True, text=True, env=environment)
    return int(run.stderr.splitlines()[-1])


def measure_memory(folder):
    lines, image = [], 8000 * 6000 * 3
    jobs = [
        ("decode", [BINARY, folder / "huge", WORKERS, folder / "out", 0, "decode"]),
        *((f"`dear perturb --chain '{text}'`", [DEAR, "perturb", folder / "huge", "--chain", text, "--out", folder / f"p{number}"])
          for number, text in enumerate(["paper", "jpeg(75)", "resize(0.5) | webp(80)"])),
    ]
    for name, command in jobs:
        bytes_ = peak(command)
        # A bar would end the cell.
        cell = name.replace("|", "\\|")
        lines.append(f"| {cell} | {bytes_ / 1e6:.0f} MB | {bytes_ / WORKERS / image:.2f} |")
        print(lines[-1], flush=True)
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="rows whose name holds this")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    arguments = parser.parse_args()
    if arguments.write and (arguments.rounds < 5 or arguments.only):
        sys.exit("a page is written from all rows and at least five rounds")
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    machine = (f"{cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; Pillow {PIL.__version__} "
               f"(libjpeg-turbo {features.version('libjpeg_turbo')}, libwebp {features.version('webp')}), torchvision "
               f"{torchvision.__version__}, albumentations {albumentations.__version__}, SciPy {scipy.__version__}, "
               f"Python {platform.python_version()}, {subprocess.check_output(['rustc', '--version'], text=True).strip()}.")
    print(machine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder)
        times = time_rows(folder, arguments.rounds, arguments.only)
        memory = [] if arguments.only else measure_memory(folder)
    if arguments.write:
        table = [machine, "", "| milliseconds an image | ours | peer | ratio |", "|---|---:|---:|---:|", *times, "",
                 "| peak memory, six photographs of 8000 x 6000, two threads | resident | decoded images a thread |",
                 "|---|---:|---:|", *memory]
        start_mark, end_mark = "<!-- bench/pixels.py -->", "<!-- end -->"
        before, rest = PAGE.read_text().split(start_mark)
        PAGE.write_text(before + start_mark + "\n\n" + "\n".join(table) + "\n\n" + end_mark + rest.split(end_mark, 1)[1])


if __name__ == "__main__":
    main()
