"""Files of every flavour that the decoder reads, and Pillow's pixels of each.

Where Pillow is odd and we chose otherwise (16-bit grey), the expected pixels are written here from the definition.
"""

import io
import json
import struct
import zlib

import cv2
import image_rare
import numpy as np
from image_picture import picture, sha
from PIL import Image, PngImagePlugin


def save(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, color, rows, extra=(), interlaced=False):
    """A PNG from packed rows (bytes of the whole picture, or of the seven passes one after the other)."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    body = b"".join(b"\0" + row for row in rows)
    chunks = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(body, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def packed(values, depth):
    """Rows of samples (0 to 2**depth - 1) to bytes, first sample in the upper bits."""
    rows = []
    for row in values:
        bits = "".join(format(int(v), f"0{depth}b") for v in row)
        bits += "0" * (-len(bits) % 8)
        rows.append(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    return rows


def adam7(array, depth):
    rows = []
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        part = array[y0::dy, x0::dx]
        if part.size:
            rows += packed(part, depth) if depth < 8 else [row.tobytes() for row in part]
    return rows


def gif_frames(rgb, local=False):
    """A GIF whose only frame is smaller than its canvas, written by hand: literal codes only, no compression."""
    width, height = rgb.size
    quantized = rgb.quantize(16)
    palette = bytes(quantized.getpalette()[:48]).ljust(48, b"\0")
    indices = quantized.tobytes()
    # Codes of 5 bits with a clear code after every 14 indices: the width never grows.
    codes = []
    for start in range(0, len(indices), 14):
        codes += [16, *indices[start : start + 14]]
    codes.append(17)
    bits = 0
    for position, code in enumerate(codes):
        bits |= code << (5 * position)
    data = bits.to_bytes((5 * len(codes) + 7) // 8, "little")
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255)) + b"\0"

    def file(transparent, left, top, canvas):
        control = b"" if transparent is None else bytes([0x21, 0xF9, 4, 1, 0, 0, transparent, 0])
        flags = 0x83 if local else 0
        head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80 | 3, 5, 0)
        other = bytes(range(48))[::-1]
        frame = b"\x2c" + struct.pack("<HHHHB", left, top, width, height, flags)
        if local:
            return head + other + control + frame + palette + b"\x04" + blocks + b"\x3b"
        return head + palette + control + frame + b"\x04" + blocks + b"\x3b"

    return file


def jpegs():
    rgb = picture(67, 45)
    array = np.asarray(rgb)
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"{name}.jpg", save(rgb, "JPEG", quality=85, subsampling=sampling)
    yield "420_q30.jpg", save(rgb, "JPEG", quality=30)
    yield "progressive.jpg", save(rgb, "JPEG", quality=75, progressive=True)
    yield "progressive_444.jpg", save(rgb, "JPEG", quality=90, progressive=True, subsampling=0)
    yield "optimized.jpg", save(rgb, "JPEG", quality=75, optimize=True)
    yield "gray.jpg", save(rgb.convert("L"), "JPEG", quality=80)
    yield "rgb_coded.jpg", save(rgb, "JPEG", quality=80, keep_rgb=True)
    bgr = np.ascontiguousarray(array[:, :, ::-1])
    for name, factor in (("440", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440), ("411", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411)):
        yield f"{name}.jpg", cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor])[1].tobytes()
    yield "restart.jpg", cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_JPEG_RST_INTERVAL, 3])[1].tobytes()
    cmyk = save(rgb.convert("CMYK"), "JPEG", quality=90)
    yield "cmyk_adobe.jpg", cmyk
    at = cmyk.index(b"\xff\xee")
    length = 2 + int.from_bytes(cmyk[at + 2 : at + 4], "big")
    yield "cmyk_plain.jpg", cmyk[:at] + cmyk[at + length :]
    yield "ycck_claim.jpg", cmyk[: at + length - 1] + b"\x02" + cmyk[at + length :]
    for width, height in ((1, 1), (2, 3), (16, 16), (17, 33), (5, 40)):
        yield f"{width}x{height}.jpg", save(picture(width, height), "JPEG", quality=88)
    orientation = Image.Exif()
    orientation[0x112] = 6
    yield "exif6.jpg", save(rgb, "JPEG", exif=orientation)
    yield "trailing.jpg", save(rgb, "JPEG", quality=75) + b"\0" * 100 + b"what follows the end marker"
    yield "mpo.jpg", save(rgb, "MPO", save_all=True, append_images=[picture(67, 45, 2)])
    stuffed = save(rgb, "JPEG", quality=75)
    yield "header_garbage.jpg", stuffed[:20] + b"\1\2\3" + stuffed[20:]


def pngs():
    rgb = picture(61, 37)
    array = np.asarray(rgb)
    height, width = array.shape[:2]
    gray = np.asarray(rgb.convert("L"))
    yield "rgb.png", save(rgb, "PNG")
    yield "gray8.png", save(rgb.convert("L"), "PNG")
    yield "bit.png", save(rgb.convert("1"), "PNG")
    for colors in (2, 4, 16, 200):
        yield f"palette{colors}.png", save(rgb.quantize(colors), "PNG", bits={2: 1, 4: 2, 16: 4, 200: 8}[colors])
    quantized = rgb.quantize(16)
    yield "palette_transparent.png", save(quantized, "PNG", transparency=3)
    yield "palette_transparent_bytes.png", save(quantized, "PNG", transparency=bytes(range(0, 160, 10)))
    yield "rgb_transparent.png", save(rgb, "PNG", transparency=tuple(int(v) for v in array[3, 4]))
    alpha = Image.fromarray(((gray.astype(int) * 7) % 256).astype(np.uint8))
    hidden = Image.merge("RGBA", (*rgb.split(), alpha.point(lambda v: 0 if v < 128 else v)))
    yield "rgba_hidden.png", save(hidden, "PNG")
    yield "la.png", save(Image.merge("LA", (rgb.convert("L"), alpha)), "PNG")
    for depth in (2, 4):
        yield f"gray{depth}.png", png(width, height, depth, 0, packed(gray >> (8 - depth), depth))
    wide = (array.astype(np.uint16) * 257 + (array.astype(np.uint16) % 7) * 31).astype(">u2")
    yield "rgb16.png", png(width, height, 16, 2, [row.tobytes() for row in wide])
    rgba16 = np.concatenate([wide, wide[:, :, :1]], axis=2)
    yield "rgba16.png", png(width, height, 16, 6, [row.tobytes() for row in rgba16])
    yield "la16.png", png(width, height, 16, 4, [row.tobytes() for row in wide[:, :, :2].copy()])
    yield "interlaced_rgb.png", png(width, height, 8, 2, adam7(array, 8), interlaced=True)
    yield "interlaced_bit.png", png(width, height, 1, 0, adam7(gray >> 7, 1), interlaced=True)
    yield "interlaced_3x2.png", png(3, 2, 8, 2, adam7(array[:2, :3], 8), interlaced=True)
    gamma = chunk(b"gAMA", struct.pack(">I", 100000))
    yield "gamma.png", png(width, height, 8, 2, [row.tobytes() for row in array], extra=[gamma])
    icc = chunk(b"iCCP", b"broken\0\0not deflate")
    yield "broken_icc.png", png(width, height, 8, 2, [row.tobytes() for row in array], extra=[icc])
    short = chunk(b"PLTE", bytes([250, 10, 20, 30, 240, 50]))
    yield "short_palette.png", png(width, height, 8, 3, [row.tobytes() for row in gray], extra=[short])
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a prompt " * 50, zip=True)
    yield "text.png", save(rgb, "PNG", pnginfo=text)
    yield "apng.png", save(rgb, "PNG", save_all=True, append_images=[picture(61, 37, 2)])
    yield "1x1.png", save(picture(1, 1), "PNG")
    yield "1x300.png", save(picture(1, 300), "PNG")


def webps():
    rgb = picture(59, 43)
    alpha = Image.fromarray(np.where(np.asarray(rgb.convert("L")) < 128, 0, 200).astype(np.uint8))
    rgba = Image.merge("RGBA", (*rgb.split(), alpha))
    yield "lossy50.webp", save(rgb, "WEBP", quality=50)
    yield "lossy80.webp", save(rgb, "WEBP", quality=80)
    yield "lossless.webp", save(rgb, "WEBP", lossless=True)
    yield "lossy_alpha.webp", save(rgba, "WEBP", quality=80)
    yield "lossless_alpha.webp", save(rgba, "WEBP", lossless=True, exact=True)
    orientation = Image.Exif()
    orientation[0x112] = 6
    yield "exif6.webp", save(rgb, "WEBP", exif=orientation)
    frames = [rgba, Image.merge("RGBA", (*picture(59, 43, 2).split(), alpha))]
    yield "animated.webp", save(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=70)
    yield "animated_opaque.webp", save(rgb, "WEBP", save_all=True, append_images=[picture(59, 43, 2)], lossless=True)
    yield "1x1.webp", save(picture(1, 1), "WEBP", quality=80)
    yield "odd.webp", save(picture(17, 5), "WEBP", quality=80)


def gifs():
    rgb = picture(53, 31)
    yield "palette.gif", save(rgb.quantize(64), "GIF")
    yield "interlaced.gif", save(rgb.quantize(64), "GIF", interlace=1)
    yield "not_interlaced.gif", save(rgb.quantize(64), "GIF", interlace=0)
    yield "gray.gif", save(rgb.convert("L"), "GIF")
    yield "transparent.gif", save(rgb.quantize(16), "GIF", transparency=3)
    yield "animated.gif", save(rgb.quantize(32), "GIF", save_all=True, append_images=[picture(53, 31, s).quantize(32) for s in (2, 3)])
    small = picture(23, 11)
    for name, local in (("global", False), ("local", True)):
        write = gif_frames(small, local)
        yield f"part_{name}.gif", write(None, 5, 3, (40, 30))
        yield f"part_{name}_transparent.gif", write(7, 5, 3, (40, 30))
    yield "beyond.gif", gif_frames(small)(None, 20, 3, (30, 30))


def others():
    rgb = picture(47, 29)
    gray = rgb.convert("L")
    for name, image in (("rgb", rgb), ("gray", gray), ("bit", rgb.convert("1")), ("palette", rgb.quantize(32)), ("rgba", rgb.convert("RGBA"))):
        yield f"{name}.bmp", save(image, "BMP")
    for name, image in (("rgb", rgb), ("gray", gray), ("bit", rgb.convert("1"))):
        yield f"{name}.pnm", save(image, "PPM")
    yield "ascii.pnm", ("P3 47 29 255\n" + " ".join(str(v) for v in np.asarray(rgb).ravel())).encode()
    yield "ascii_bit.pnm", b"P1\n3 2\n1 0 1\n0 1 0\n"
    for name, compression in (("raw", "raw"), ("lzw", "tiff_lzw"), ("deflate", "tiff_adobe_deflate"), ("packbits", "packbits")):
        yield f"{name}.tif", save(rgb, "TIFF", compression=compression)
    for name, image in (("gray", gray), ("bit", rgb.convert("1")), ("rgba", rgb.convert("RGBA")), ("cmyk", rgb.convert("CMYK"))):
        yield f"{name}.tif", save(image, "TIFF")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        yield f"orientation{orientation}.tif", save(picture(9, 5), "TIFF", exif=exif)
    yield "pages.tif", save(rgb, "TIFF", save_all=True, append_images=[picture(20, 20)])
    yield "rgba.ico", save(rgb.convert("RGBA").resize((32, 32)), "ICO", sizes=[(16, 16), (32, 32)])
    yield "bmp.ico", save(rgb.convert("RGBA").resize((32, 32)), "ICO", sizes=[(16, 16), (32, 32)], bitmap_format="bmp")


def sixteen_bit_gray():
    """Ours: the upper 8 bits. Pillow clips to 255."""
    values = (np.mgrid[0:29, 0:47][1] * 1400 + np.mgrid[0:29, 0:47][0] * 5).astype(np.uint16)
    expected = np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    yield "gray16.png", png(47, 29, 16, 0, [row.astype(">u2").tobytes() for row in values]), expected
    yield "gray16.tif", save(Image.fromarray(values), "TIFF"), expected
    yield "gray16.pnm", b"P5\n47 29\n65535\n" + values.astype(">u2").tobytes(), expected


def write(folder, versions):
    folder.mkdir(parents=True, exist_ok=True)
    cases = []

    def add(name, data, expected, options=None):
        (folder / name).write_bytes(data)
        height, width = expected.shape[:2]
        case = {"file": name, "width": width, "height": height, "sha256": sha(expected)}
        cases.append({**case, "options": options} if options else case)

    for source in (jpegs, pngs, webps, gifs, others):
        for name, data in source():
            add(name, data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    for name, data, expected in sixteen_bit_gray():
        add(name, data, expected)
    for name, data, options, pixels in image_rare.cases():
        add(name, data, pixels(Image.open(io.BytesIO(data))), options)
    for name, options, pixels in image_rare.AGAIN:
        data = (folder / name).read_bytes()
        # TIFF is turned on load; as stored it is the picture that the file was made of.
        expected = np.asarray(picture(9, 5)) if pixels is None else pixels(Image.open(io.BytesIO(data)))
        add(name, data, expected, options)
    (folder.parent / "decode.json").write_text(json.dumps({"versions": versions, "cases": cases}, indent=1) + "\n")
