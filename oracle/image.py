"""Writes the fixtures of dear-image: what Pillow, torchvision, SciPy and NumPy answer.

    pip install -r oracle/requirements.txt && python oracle/image.py && git diff --stat

Everything is computed from integer formulas; there is no random number in it. A second run changes no byte.
"""

import json
import pathlib

import cv2
import image_files
import image_inspect
import image_steps
import numpy
import PIL
import scipy
import torchvision
from PIL import features

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "crates" / "dear-image" / "tests" / "fixtures"


def main():
    assert PIL.__version__ == "12.3.0", f"Pillow is {PIL.__version__}, the fixtures are Pillow 12.3.0's"
    versions = {"pillow": PIL.__version__, "numpy": numpy.__version__, "scipy": scipy.__version__,
                "torchvision": torchvision.__version__, "opencv": cv2.__version__,
                "libjpeg_turbo": features.version("libjpeg_turbo"), "libwebp": features.version("webp"), "seed": None}
    image_files.write(FIXTURES / "decode", versions)
    lines = ['{"versions": ' + json.dumps(versions)]
    for name, cases in image_steps.all_steps().items():
        rows = ",\n ".join(json.dumps(case) for case in cases) if isinstance(cases, list) else json.dumps(cases)
        lines.append(f'"{name}": ' + (f"[\n {rows}]" if isinstance(cases, list) else rows))
    (FIXTURES / "steps.json").write_text(",\n".join(lines) + "}\n")
    answers = image_inspect.all_answers(FIXTURES / "decode")
    lines = ['{"versions": ' + json.dumps(versions)]
    for name, cases in answers.items():
        rows = ",\n ".join(json.dumps(case) for case in cases)
        lines.append(f'"{name}": [\n {rows}]')
    (FIXTURES / "inspect.json").write_text(",\n".join(lines) + "}\n")
    print("files:", len(list((FIXTURES / "decode").iterdir())))


if __name__ == "__main__":
    main()
