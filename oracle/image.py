"""Writes the fixtures of dear-image: what Pillow, PyTorch, torchvision, SciPy and NumPy answer.

    pip install -r oracle/requirements.txt && python oracle/image.py && git diff --stat

Everything is computed from integer formulas; what looks random comes from a generator that the tests repeat. A second run changes no byte.
"""

import json
import pathlib

import cv2
import image_encode
import image_files
import image_inspect
import image_perturb
import image_resize
import image_steps
import numpy
import PIL
import scipy
import torch
import torchvision
from PIL import features

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "crates" / "dear-image" / "tests" / "fixtures"


def write(name, versions, answers):
    """One case a line."""
    lines = ['{"versions": ' + json.dumps(versions)]
    for key, cases in answers.items():
        rows = ",\n ".join(json.dumps(case) for case in cases) if isinstance(cases, list) else json.dumps(cases)
        lines.append(f'"{key}": ' + (f"[\n {rows}]" if isinstance(cases, list) else rows))
    (FIXTURES / name).write_text(",\n".join(lines) + "}\n")


def main():
    assert PIL.__version__ == "12.3.0", f"Pillow is {PIL.__version__}, the fixtures are Pillow 12.3.0's"
    versions = {"pillow": PIL.__version__, "numpy": numpy.__version__, "scipy": scipy.__version__,
                "torchvision": torchvision.__version__, "opencv": cv2.__version__,
                "libjpeg_turbo": features.version("libjpeg_turbo"), "libwebp": features.version("webp"), "seed": None}
    image_files.write(FIXTURES / "decode", versions)
    write("steps.json", versions, image_steps.all_steps())
    with_torch = {**versions, "torch": torch.__version__.partition("+")[0]}
    write("perturb.json", with_torch, image_perturb.all_answers())
    write("resize.json", with_torch, image_resize.all_answers())
    write("encode.json", versions, image_encode.all_answers())
    write("inspect.json", versions, image_inspect.all_answers(FIXTURES / "decode"))
    print("files:", len(list((FIXTURES / "decode").iterdir())))


if __name__ == "__main__":
    main()
