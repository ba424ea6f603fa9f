"""What Pillow says of a file before its pixels: the answers for `inspect`."""

import base64
import io

from image_picture import picture, sha
from PIL import Image, PngImagePlugin


def tables(image):
    """Tables by number; Pillow gives them in rows and columns."""
    return {str(number): list(table) for number, table in sorted(image.quantization.items())}


def describe(data):
    with Image.open(io.BytesIO(data)) as image:
        info = image.info
        facts = {"format": image.format.lower(), "size": list(image.size), "mode": image.mode,
                 "exif": "exif" in info, "icc": "icc_profile" in info, "xmp": "xmp" in info or "XML:com.adobe.xmp" in info,
                 "jfif": "jfif" in info, "animated": bool(getattr(image, "is_animated", False)),
                 "text": "comment" in info or bool({k for k in getattr(image, "text", {}) if k != "XML:com.adobe.xmp"})}
        if image.format == "JPEG":
            facts |= {"layers": [[c[1], c[2]] for c in image.layer], "tables": tables(image),
                      "progressive": bool(info.get("progressive")), "adobe": "adobe" in info}
        return facts


def save(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def metadata_files():
    small = picture(24, 16)
    exif = Image.Exif()
    exif[0x010F] = "maker"
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a cat, 20 steps")
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    icc = b"\0\0\0\x80" + b"prof" * 31
    return {
        "jpeg exif": save(small, "JPEG", exif=exif),
        "jpeg icc": save(small, "JPEG", icc_profile=icc),
        "jpeg xmp": save(small, "JPEG", xmp=b"<x:xmpmeta/>"),
        "jpeg comment": save(small, "JPEG", comment=b"hello"),
        "jpeg progressive": save(small, "JPEG", progressive=True, quality=33),
        "jpeg gray": save(small.convert("L"), "JPEG", quality=20),
        "jpeg cmyk": save(small.convert("CMYK"), "JPEG"),
        "jpeg own tables": save(small, "JPEG", qtables=[[7 + i % 5 for i in range(64)], [9] * 64]),
        "png text": save(small, "PNG", pnginfo=text),
        "png xmp": save(small, "PNG", pnginfo=xmp),
        "png exif": save(small, "PNG", exif=exif),
        "png icc": save(small, "PNG", icc_profile=icc),
        "webp lossy": save(small, "WEBP", quality=80),
        "webp lossless": save(small, "WEBP", lossless=True),
        "webp exif": save(small, "WEBP", exif=exif),
        "webp icc xmp": save(small, "WEBP", icc_profile=icc, xmp=b"<x:xmpmeta/>"),
        "webp alpha": save(small.convert("RGBA").rotate(30, fillcolor=(0, 0, 0, 0)), "WEBP", quality=50),
    }


def all_answers(decode_folder):
    files = []
    for path in sorted(decode_folder.iterdir()):
        if path.suffix in {".jpg", ".png", ".webp"}:
            try:
                files.append({"file": path.name} | describe(path.read_bytes()))
            except OSError:
                continue
    made = [{"name": name, "base64": base64.b64encode(data).decode()} | describe(data)
            for name, data in metadata_files().items()]
    source = picture(16, 16)
    qualities = []
    for quality in range(1, 101):
        with Image.open(io.BytesIO(save(source, "JPEG", quality=quality))) as image:
            qualities.append([sum(image.quantization[0]), sum(image.quantization[1]),
                              sha(bytes(image.quantization[0]) + bytes(image.quantization[1]))])
    return {"files": files, "made": made, "qualities": qualities}
