"""Files of the rarer kinds that Pillow reads, and files for the options of the decoder (alpha, profile, orientation).

TIFF and TGA of the kinds that Pillow does not write are put together here, field by field.
"""

import io
import struct

import numpy as np
from image_picture import picture
from PIL import Image, ImageCms, ImageOps


def save(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def tiff(width, height, strips, tags, order="<", tile=None):
    """A TIFF of one page. `tags` maps a number to (type, values): 1 byte, 3 short, 4 long."""
    codes = {1: "B", 3: "H", 4: "I"}
    where = (324, 325) if tile else (273, 279)
    fields = {256: (3, [width]), 257: (3, [height]), 259: (3, [1]), 277: (3, [1]), **tags}
    if tile:
        fields |= {322: (3, [tile[0]]), 323: (3, [tile[1]])}
    body, offsets = b"", []
    for strip in strips:
        offsets.append(8 + len(body))
        body += strip + b"\0" * (len(strip) % 2)
    fields |= {where[0]: (4, offsets), where[1]: (4, [len(s) for s in strips])}
    at = 8 + len(body)
    directory, extra = struct.pack(order + "H", len(fields)), b""
    for tag in sorted(fields):
        kind, values = fields[tag]
        data = struct.pack(f"{order}{len(values)}{codes[kind]}", *values)
        if len(data) > 4:
            slot = struct.pack(order + "I", at + 2 + 12 * len(fields) + 4 + len(extra))
            extra += data + b"\0" * (len(data) % 2)
        else:
            slot = data.ljust(4, b"\0")
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + slot
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    return head + body + directory + struct.pack(order + "I", 0) + extra


def bits(values, depth):
    rows = []
    for row in values:
        text = "".join(format(int(v), f"0{depth}b") for v in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


def tiffs():
    rgb = picture(31, 19)
    array = np.asarray(rgb)
    gray = np.asarray(rgb.convert("L"))
    height, width = gray.shape
    alpha = ((gray.astype(int) * 5) % 256).astype(np.uint8)
    noise = np.asarray(picture(width, height, 5).convert("L"))
    color = {258: (3, [8] * 3), 262: (3, [2]), 277: (3, [3])}

    def pixels(*channels):
        return np.dstack(channels).astype(np.uint8).tobytes()

    for name, image in (("palette", rgb.quantize(32)), ("la", Image.merge("LA", (rgb.convert("L"), Image.fromarray(alpha))))):
        yield f"{name}.tif", save(image, "TIFF")
    yield "palette_lzw.tif", save(rgb.quantize(200), "TIFF", compression="tiff_lzw")
    yield "rgba_lzw.tif", save(rgb.convert("RGBA"), "TIFF", compression="tiff_lzw")
    yield "cmyk_lzw.tif", save(rgb.convert("CMYK"), "TIFF", compression="tiff_lzw")
    yield "group4.tif", save(rgb.convert("1"), "TIFF", compression="group4")
    yield "white_is_zero.tif", tiff(width, height, [gray.tobytes()], {258: (3, [8]), 262: (3, [0])})
    for depth in (1, 2, 4):
        for photometric in (0, 1):
            data = bits(gray >> (8 - depth), depth)
            yield f"gray{depth}_{photometric}.tif", tiff(width, height, [data], {258: (3, [depth]), 262: (3, [photometric])})
        table = [(v * 911) % 65536 for v in range(3 << depth)]
        yield f"palette{depth}.tif", tiff(width, height, [data], {258: (3, [depth]), 262: (3, [3]), 320: (3, table)})
    reversed_bits = bytes(int(f"{b:08b}"[::-1], 2) for b in bits(gray >> 7, 1))
    yield "fill_order.tif", tiff(width, height, [reversed_bits], {258: (3, [1]), 262: (3, [1]), 266: (3, [2])})
    for name, kind in (("extra_nothing", 0), ("extra_associated", 1), ("extra_alpha", 2)):
        yield f"{name}.tif", tiff(width, height, [pixels(array, alpha)], {**color, 258: (3, [8] * 4), 277: (3, [4]), 338: (3, [kind])})
    yield "extra_unsaid.tif", tiff(width, height, [pixels(array, alpha)], {**color, 258: (3, [8] * 4), 277: (3, [4])})
    yield "extra_two.tif", tiff(width, height, [pixels(array, alpha, noise)], {**color, 258: (3, [8] * 5), 277: (3, [5]), 338: (3, [2, 0])})
    yield "big_endian.tif", tiff(width, height, [array.tobytes()], color, ">")
    planes = [np.ascontiguousarray(array[:, :, c]).tobytes() for c in range(3)]
    yield "planar.tif", tiff(width, height, planes, {**color, 284: (3, [2])})
    strips = [array[y : y + 4].tobytes() for y in range(0, height, 4)]
    yield "strips.tif", tiff(width, height, strips, {**color, 278: (3, [4])})
    padded = np.zeros((32, 32, 3), np.uint8)
    padded[:height, :width] = array
    tiles = [padded[y : y + 16, x : x + 16].tobytes() for y in (0, 16) for x in (0, 16)]
    yield "tiles.tif", tiff(width, height, tiles, color, tile=(16, 16))
    wide = array.astype(np.uint16) * 257 + array % 7
    for order in "<>":
        name = {"<": "little", ">": "big"}[order]
        yield f"rgb16_{name}.tif", tiff(width, height, [wide.astype(order + "u2").tobytes()], {**color, 258: (3, [16] * 3)}, order)
    differences = array.copy()
    differences[:, 1:] = array[:, 1:] - array[:, :-1]
    import zlib

    deflated = zlib.compress(np.dstack([differences, np.diff(noise, axis=1, prepend=0).astype(np.uint8)]).tobytes(), 9)
    extra = {**color, 258: (3, [8] * 4), 277: (3, [4]), 338: (3, [0]), 259: (3, [8]), 317: (3, [2])}
    yield "predictor_extra.tif", tiff(width, height, [deflated], extra)
    jpeg = {**color, 259: (3, [7]), 262: (3, [6])}
    large = picture(67, 45)
    for name, sampling in (("444", 0), ("420", 2)):
        stream = save(large, "JPEG", quality=85, subsampling=sampling)
        yield f"jpeg_{name}.tif", tiff(67, 45, [stream], {**jpeg, 530: (3, [1, 1] if sampling == 0 else [2, 2])})
    yield "jpeg_tables.tif", save(large, "TIFF", compression="jpeg")
    yield "jpeg_gray.tif", save(large.convert("L"), "TIFF", compression="jpeg")
    preview = tiff(width, height, [array.tobytes()], {**color, 254: (4, [1])})
    yield "preview.tif", preview


def wide_samples():
    """Samples whose range is not said: with `gray16 = pillow` only."""
    height, width = 13, 17
    y, x = np.mgrid[0:height, 0:width]
    whole = (x * 97 - y * 61 - 200).astype(np.int64)
    gray = {262: (3, [1])}
    for name, kind, code in (("signed16", 2, "i2"), ("signed32", 2, "i4"), ("unsigned32", 1, "u4"), ("float32", 3, "f4")):
        values = np.abs(whole) if kind == 1 else whole + (0.7 if kind == 3 else 0)
        fields = {**gray, 258: (3, [8 * int(code[1])]), 339: (3, [kind])}
        yield f"{name}.tif", tiff(width, height, [values.astype("<" + code).tobytes()], fields)
    yield "float.pfm", save(Image.fromarray((whole + 0.5).astype(np.float32)), "PPM")


def tgas():
    rgb = picture(29, 23)
    gray = rgb.convert("L")
    alpha = gray.point(lambda v: (v * 3) % 256)
    images = {"rgb": rgb, "gray": gray, "palette": rgb.quantize(40), "rgba": Image.merge("RGBA", (*rgb.split(), alpha)),
              "la": Image.merge("LA", (gray, alpha))}
    for name, image in images.items():
        yield f"{name}.tga", save(image, "TGA")
        yield f"{name}_runs.tga", save(image, "TGA", compression="tga_rle")
    yield "from_top.tga", save(rgb, "TGA", orientation=1)
    array = np.asarray(rgb).astype(np.uint16)
    five = (array[:, :, 0] >> 3) << 10 | (array[:, :, 1] >> 3) << 5 | array[:, :, 2] >> 3
    header = struct.pack("<BBBHHBHHHHBB", 3, 0, 2, 0, 0, 0, 0, 0, 29, 23, 16, 0)
    yield "five_bits.tga", header + b"id!" + five.astype("<u2").tobytes()
    colors = bytes((v * 37) % 256 for v in range(3 * 20))
    header = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 4, 20, 24, 0, 0, 29, 23, 8, 0x30)
    yield "palette_offset.tga", header + colors + bytes(int(v) % 30 for v in np.asarray(gray).ravel())
    yield "from_right.tga", struct.pack("<BBBHHBHHHHBB", 0, 0, 3, 0, 0, 0, 0, 0, 29, 23, 8, 0x10) + gray.tobytes()
    header = struct.pack("<BBBHHBHHHHBB", 0, 1, 9, 0, 8, 16, 0, 0, 29, 23, 8, 0)
    colors = b"".join(struct.pack("<H", (v * 4681) % 32768) for v in range(8))
    runs = b"".join(bytes([0x80 | 19, row % 8, 8, *range(9)]) for row in range(23))
    yield "palette_five_bits.tga", header + colors + runs


def pnms():
    gray = np.asarray(picture(23, 17).convert("L"))
    rgb = np.asarray(picture(23, 17))
    for maximum in (1, 100, 254):
        data = (gray.astype(int) % (maximum + 1)).astype(np.uint8)
        yield f"max{maximum}.pnm", b"P5\n23 17\n%d\n" % maximum + data.tobytes()
    text = " ".join(str(v % 101) for v in rgb.ravel().tolist())
    yield "ascii100.pnm", f"P3\n# a comment\n23 17 # another\n100\n{text}\n".encode()
    for maximum in (1000, 65535):
        data = (rgb.astype(int) * 3571 % (maximum + 1)).astype(">u2")
        yield f"rgb{maximum}.pnm", b"P6 23 17 %d " % maximum + data.tobytes()
    yield "above_max.pnm", b"P5 23 17 200 " + gray.tobytes()


def icons():
    rgb = picture(32, 32)
    alpha = rgb.convert("L").point(lambda v: 0 if v < 90 else v)
    yield "png_rgb.ico", save(rgb, "ICO", sizes=[(32, 32)])
    yield "png_palette.ico", icon([(32, 32, 8, save(rgb.quantize(20), "PNG"))])
    for name, image, depth in (("bit", rgb.convert("1"), 1), ("palette", rgb.quantize(60), 8), ("rgb", rgb, 24),
                               ("rgba", Image.merge("RGBA", (*rgb.split(), alpha)), 32)):
        yield f"dib_{name}.ico", icon([(32, 32, depth, dib(image))])
    small = picture(16, 16, 2)
    yield "equal_sizes.ico", icon([(32, 32, 24, dib(rgb)), (32, 32, 8, dib(picture(32, 32, 3).quantize(9))), (16, 16, 32, dib(small))])
    yield "rgb.cur", icon([(16, 16, 0, dib(small)), (32, 32, 0, dib(rgb))], 2)
    yield "bit.cur", icon([(32, 32, 0, dib(rgb.convert("1")))], 2)


def dib(image):
    """A bitmap as icons hold it: no file header, twice the height, a mask behind the colours."""
    width, height = image.size
    data = bytearray(save(image, "BMP")[14:])
    data[8:12] = struct.pack("<i", 2 * height)
    stride = (width + 31) // 32 * 4
    mask = np.zeros((height, stride), np.uint8)
    mask[: height // 3, :1] = 0xAA
    return bytes(data) + mask.tobytes()


def icon(entries, kind=1):
    at = 6 + 16 * len(entries)
    directory, bodies = struct.pack("<HHH", 0, kind, len(entries)), b""
    for width, height, depth, data in entries:
        directory += struct.pack("<BBBBHHII", width % 256, height % 256, 0, 0, 1, depth, len(data), at + len(bodies))
        bodies += data
    return directory + bodies


def bmps():
    rgb = np.asarray(picture(21, 15)).astype(np.uint16)
    height, width = rgb.shape[:2]

    def bmp(depth, compression, body, masks=b"", palette=b"", rows=height):
        size = 40
        offset = 14 + size + len(masks) + len(palette)
        info = struct.pack("<IiiHHIIiiII", size, width, rows, 1, depth, compression, len(body), 0, 0, len(palette) // 4, 0)
        return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + info + masks + palette + body

    def stored(values):
        rows = [row.tobytes() for row in values[::-1]]
        return b"".join(row + b"\0" * (-len(row) % 4) for row in rows)

    five = (rgb[:, :, 0] >> 3) << 10 | (rgb[:, :, 1] >> 3) << 5 | rgb[:, :, 2] >> 3
    yield "five_bits.bmp", bmp(16, 0, stored(five.astype("<u2")))
    six = (rgb[:, :, 0] >> 3) << 11 | (rgb[:, :, 1] >> 2) << 5 | rgb[:, :, 2] >> 3
    yield "six_bits.bmp", bmp(16, 3, stored(six.astype("<u2")), struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    yield "from_top.bmp", bmp(24, 0, stored(rgb[::-1, :, ::-1].astype(np.uint8)), rows=-height)
    palette = bytes((v * 53) % 256 if v % 4 < 3 else 0 for v in range(64))
    indices = (rgb[:, :, 0] >> 4).astype(np.uint8)
    runs = b""
    for row in indices[::-1]:
        for value in row:
            runs += bytes([1, value])
        runs += b"\0\0"
    yield "runs8.bmp", bmp(8, 1, runs + b"\0\1", palette=palette)
    runs = b""
    for row in indices[::-1]:
        runs += b"".join(bytes([1, int(value) << 4]) for value in row) + b"\0\0"
    yield "runs4.bmp", bmp(4, 2, runs + b"\0\1", palette=palette)
    nibbles = np.zeros((height, 11), np.uint8)
    padded = np.pad(indices, ((0, 0), (0, 1)))
    nibbles[:] = padded[:, ::2] << 4 | padded[:, 1::2]
    yield "four_bits.bmp", bmp(4, 0, stored(nibbles), palette=palette)


def as_grey16(image):
    """Ours for 16-bit grey: the upper 8 bits."""
    values = np.asarray(image).astype(np.int64)
    return np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, axis=2)


def on(ground):
    def lay(image):
        rgba = image.convert("RGBA")
        out = Image.new("RGB", image.size, (ground,) * 3)
        out.paste(rgba.convert("RGB"), mask=rgba.getchannel("A"))
        return np.asarray(out)

    return lay


def to_srgb(image):
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    if image.mode in ("P", "RGBA"):
        image = image.convert("RGB")
    intent = ImageCms.Intent.PERCEPTUAL
    return np.asarray(ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), intent, "RGB"))


def upright(image):
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def oriented():
    """Files with an orientation, of each format that has one."""
    small = picture(9, 5)
    for value in (0, 2, 3, 4, 5, 6, 7, 8, 9):
        exif = Image.Exif()
        exif[0x112] = value
        yield f"turn{value}.jpg", save(small, "JPEG", exif=exif, quality=95)
        if value in (3, 6, 9):
            yield f"turn{value}.png", save(small, "PNG", exif=exif)
            yield f"turn{value}.webp", save(small, "WEBP", exif=exif, lossless=True)
            yield f"turn{value}_again.tif", save(small, "TIFF", exif=exif)


def profile(kind):
    """Small profiles, written field by field: RGB of another white with gamma 1.8, grey with gamma 1.2, and a CMYK
    printer whose tables differ between intents."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    def curve(gamma):
        return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"

    def table(shift):
        ramp = bytes(range(256))
        corners = bytes((v * 97 + shift * (v % 3)) % 256 for v in range(16 * 3))
        head = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
        return head + ramp * 4 + corners + ramp * 3

    white = b"XYZ \0\0\0\0" + fixed(0.93, 1.0, 0.9)
    text = b"text\0\0\0\0none\0\0\0\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + b"\0" * 78
    description += b"\0" * (-len(description) % 4)
    if kind == b"RGB ":
        primaries = {b"rXYZ": (0.61, 0.31, 0.02), b"gXYZ": (0.2, 0.63, 0.07), b"bXYZ": (0.1542, 0.06, 0.7349)}
        tags = {name: b"XYZ \0\0\0\0" + fixed(*v) for name, v in primaries.items()}
        tags |= {b"rTRC": curve(1.8), b"gTRC": curve(1.8), b"bTRC": curve(2.0)}
    elif kind == b"GRAY":
        tags = {b"kTRC": curve(1.2)}
    else:
        tags = {b"A2B0": table(0), b"A2B1": table(40)}
    tags |= {b"wtpt": white, b"cprt": text, b"desc": description}
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    size = at + len(body)
    head = struct.pack(">I", size) + b"\0\0\0\0" + b"\x02\x40\0\0"
    head += b"prtr" + kind + b"Lab " if kind == b"CMYK" else b"mntr" + kind + b"XYZ "
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + body


def profiled():
    rgb = picture(25, 14)
    color, gray = profile(b"RGB "), profile(b"GRAY")
    yield "profile.jpg", save(rgb, "JPEG", icc_profile=color, quality=90)
    yield "profile_gray.jpg", save(rgb.convert("L"), "JPEG", icc_profile=gray, quality=90)
    yield "profile.png", save(rgb, "PNG", icc_profile=color)
    yield "profile_palette.png", save(rgb.quantize(30), "PNG", icc_profile=color)
    yield "profile.webp", save(rgb, "WEBP", icc_profile=color, lossless=True)
    yield "profile.tif", save(rgb, "TIFF", icc_profile=color)
    yield "profile_cmyk.jpg", save(rgb.convert("CMYK"), "JPEG", icc_profile=profile(b"CMYK"), quality=70)


def cases():
    """(name, bytes, options, what Pillow makes of it), for files of today and of other generators by name."""
    plain = {}
    for source in (tiffs, tgas, pnms, icons, bmps, oriented, profiled):
        for name, data in source():
            yield name, data, plain, lambda image: np.asarray(image.convert("RGB"))
    for name, data in wide_samples():
        yield name, data, {"gray16": "pillow"}, lambda image: np.asarray(image.convert("RGB"))
    for name, data in oriented():
        yield name, data, {"orientation": "apply"}, upright
    for name, data in profiled():
        yield name, data, {"icc": "srgb"}, to_srgb


# Options for files that another generator writes: file, options, what Pillow makes of it.
AGAIN = [
    *((f, {"alpha": a}, on(g)) for a, g in (("white", 255), ("black", 0)) for f in (
        "rgba_hidden.png", "la.png", "palette_transparent.png", "palette_transparent_bytes.png", "rgb_transparent.png",
        "rgba16.png", "la16.png", "lossy_alpha.webp", "lossless_alpha.webp", "animated.webp", "transparent.gif",
        "part_global_transparent.gif", "rgba.tif", "la.tif", "extra_alpha.tif", "extra_associated.tif", "extra_nothing.tif",
        "extra_two.tif", "extra_unsaid.tif", "rgba.tga", "rgba_runs.tga", "la.tga", "rgba.ico", "bmp.ico", "png_rgb.ico",
        "dib_bit.ico", "dib_palette.ico", "dib_rgb.ico", "dib_rgba.ico", "rgb.png", "palette16.png", "gray8.png", "five_bits.tga")),
    *((f, {"gray16": "pillow"}, lambda image: np.asarray(image.convert("RGB"))) for f in (
        "gray16.png", "gray16.tif", "gray16.pnm")),
    *((f"orientation{v}.tif", {"orientation": "ignore"}, None) for v in (1, 3, 6)),
]
