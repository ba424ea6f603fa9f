"""Files that say where they come from, and what other readers find in them.

    python oracle/provenance.py            # C2PA files that exist are kept: signatures differ in each run
    python oracle/provenance.py --sign     # all are signed anew

Writes crates/dear-provenance/tests/fixtures/, read by crates/dear-provenance/tests/: small files, and `provenance.json`
with the answers: EXIF and texts by Pillow, XMP by Python's ElementTree in what Pillow finds, settings of generators by
sd-parsers, manifests by c2pa-python. The texts have the shape that each program writes; the values are invented.
"""

import argparse
import io
import json
import platform
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from importlib.metadata import version
from pathlib import Path

import provenance_signed
import provenance_texts as texts
import sd_parsers
from image_picture import picture
from PIL import ExifTags, Image, PngImagePlugin

OUT = Path(__file__).resolve().parent.parent / "crates/dear-provenance/tests/fixtures"
SIZE = (48, 32)

IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def save(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def packet(properties, attributes="", packed=True):
    """An XMP packet around the inside of rdf:Description."""
    body = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{IPTC}" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmpNote="http://ns.adobe.com/xmp/note/"{attributes}>'
        f"{properties}</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    if packed:
        body = f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{body}\n{" " * 40}<?xpacket end="w"?>'
    return body.encode()


def source_type(term):
    return f"<Iptc4xmpExt:DigitalSourceType>{TERMS}{term}</Iptc4xmpExt:DigitalSourceType>"


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments):
    """A JPEG with these segments behind its first."""
    data = save(picture(*SIZE), "JPEG", quality=75)
    at = 4 + struct.unpack(">H", data[4:6])[0]
    return data[:at] + b"".join(segments) + data[at:]


def png(*chunks):
    data = save(picture(*SIZE), "PNG", optimize=True)
    made = [struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks]
    return data[:33] + b"".join(made) + data[33:]


def png_texts(values, zipped=(), international=()):
    info = PngImagePlugin.PngInfo()
    for keyword, value in values.items():
        if keyword in international:
            info.add_itxt(keyword, value, zip=keyword in zipped)
        else:
            info.add_text(keyword, value, zip=keyword in zipped)
    return save(picture(*SIZE), "PNG", optimize=True, pnginfo=info)


def png_xmp(data, zipped=False):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", data.decode(), zip=zipped)
    return save(picture(*SIZE), "PNG", optimize=True, pnginfo=info)


def raw_profile(kind, data):
    """As ImageMagick writes EXIF and XMP into a PNG: lines of 72 hexadecimal digits."""
    digits = data.hex()
    lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
    text = f"\n{kind}\n{len(data):8}\n" + "\n".join(lines) + "\n"
    return png((b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text.encode(), 9)))


def gif_xmp(data):
    """The extension that Adobe describes: XMP as it is, then 258 bytes that lead readers of sub-blocks out."""
    plain = save(picture(*SIZE).quantize(16), "GIF")
    at = 13 + (3 << ((plain[10] & 7) + 1) if plain[10] & 0x80 else 0)
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    block = b"\x21\xff\x0bXMP DataXMP" + data + trailer
    return b"GIF89a" + plain[6:at] + block + plain[at:]


def exif(tags=(), inside=(), position=False):
    """EXIF of the main picture (`tags`), and of its own directory (`inside`)."""
    out = Image.Exif()
    for tag, value in dict(tags).items():
        out[tag] = value
    if inside:
        out.get_ifd(ExifTags.IFD.Exif).update(inside)
    if position:
        out.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (48.0, 8.0, 14.0), 3: "E", 4: (11.0, 34.0, 31.0)})
    return out


def camera(position=False):
    tags = {271: "NIKON CORPORATION", 272: "NIKON D750", 305: "Ver.1.10", 306: "2021:06:07 08:09:10"}
    inside = {0x9003: "2021:06:05 18:09:10", 0x9011: "+02:00", 0xA434: "AF-S NIKKOR 35mm f/1.8G ED"}
    return exif(tags, inside, position)


def comment(text, order="utf_16_be"):
    return exif(inside={0x9286: b"UNICODE\0" + text.encode(order)})


def extended_jpeg():
    """XMP in two parts, the second of which is in two pieces that stand in the wrong order."""
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    more = packet(source_type("trainedAlgorithmicMedia"), packed=False)
    first = packet("", f' xmpNote:HasExtendedXMP="{guid.decode()}"')
    cut = len(more) // 2
    pieces = [
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">II", len(more), at) + data)
        for at, data in ((cut, more[cut:]), (0, more[:cut]))
    ]
    return jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + first), *pieces)


def plain_files():
    image = picture(*SIZE)
    palette = image.quantize(16)
    xmp = lambda data: jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + data))  # noqa: E731
    trained = packet(source_type("trainedAlgorithmicMedia"))
    return {
        # Nothing is said.
        "plain.jpg": save(image, "JPEG", quality=75),
        "plain.png": save(image, "PNG", optimize=True),
        "plain.webp": save(image, "WEBP", quality=60),
        "plain.tif": save(image, "TIFF", compression="tiff_adobe_deflate"),
        "plain.gif": save(palette, "GIF"),
        "imageready.png": png_texts({"Software": "Adobe ImageReady"}),
        # Generators.
        "a1111.png": png_texts({"parameters": texts.A1111}),
        "a1111_ztxt.png": png_texts({"parameters": texts.A1111}, zipped=["parameters"]),
        "a1111_itxt.png": png_texts({"parameters": texts.A1111_UNICODE}, ["parameters"], ["parameters"]),
        "a1111.jpg": save(image, "JPEG", exif=comment(texts.A1111_UNICODE)),
        "a1111_little.jpg": save(image, "JPEG", exif=comment(texts.A1111, "utf_16_le")),
        "a1111.webp": save(image, "WEBP", quality=60, exif=comment(texts.A1111)),
        "a1111_comment.jpg": save(image, "JPEG", comment=texts.A1111.encode()),
        "a1111_comment.gif": save(palette, "GIF", comment=texts.A1111.encode()),
        "forge_inpaint.png": png_texts({"parameters": texts.FORGE_INPAINT}),
        "comfyui.png": png_texts({"prompt": json.dumps(texts.COMFYUI), "workflow": json.dumps(texts.COMFYUI_WORKFLOW)}),
        "comfyui_flux.png": png_texts({"prompt": json.dumps(texts.COMFYUI_FLUX)}),
        "comfyui.webp": save(
            image,
            "WEBP",
            quality=60,
            exif=exif({271: "workflow:" + json.dumps(texts.COMFYUI_WORKFLOW), 272: "prompt:" + json.dumps(texts.COMFYUI)}),
        ),
        "novelai.png": png_texts(texts.NOVELAI),
        "invokeai_3.png": png_texts({"invokeai_metadata": json.dumps(texts.INVOKEAI_3)}),
        "invokeai_2.png": png_texts({"sd-metadata": json.dumps(texts.INVOKEAI_2)}),
        "invokeai_dream.png": png_texts({"Dream": texts.INVOKEAI_DREAM}),
        "fooocus.png": png_texts({"fooocus_scheme": "fooocus", "parameters": json.dumps(texts.FOOOCUS)}),
        "swarmui.jpg": save(image, "JPEG", exif=comment(json.dumps(texts.SWARMUI))),
        "easy_diffusion.png": png_texts(texts.EASY_DIFFUSION),
        "midjourney.png": png_texts(
            {"Description": texts.MIDJOURNEY, "Author": "somebody", "XML:com.adobe.xmp": trained.decode()},
            international=["XML:com.adobe.xmp"],
        ),
        "firefly.jpg": xmp(packet("<xmp:CreatorTool>Adobe Firefly</xmp:CreatorTool>")),
        "dalle.png": save(image, "PNG", optimize=True, exif=exif({305: "DALL·E 3".encode("latin-1")})),
        "described.jpg": save(image, "JPEG", exif=exif({270: "A fox, generated with Stable Diffusion 1.5"})),
        "spoken_of.jpg": save(image, "JPEG", exif=exif({270: "The founders of Midjourney at a desk"})),
        "bomb.png": png((b"zTXt", b"parameters\0\0" + zlib.compress(bytes(9 << 20), 9))),
        # Source types, in the forms and places that XMP has.
        "google_made.jpg": xmp(
            packet(source_type("trainedAlgorithmicMedia") + "<photoshop:Credit>Made with Google AI</photoshop:Credit>")
        ),
        "google_edited.jpg": xmp(
            packet(
                "<photoshop:Credit>Edited with Google AI</photoshop:Credit>",
                f' Iptc4xmpExt:DigitalSourceType="{TERMS}compositeWithTrainedAlgorithmicMedia"',
            )
        ),
        "source_prefix.webp": save(
            image,
            "WEBP",
            quality=60,
            xmp=packet(f'<z:DigitalSourceType xmlns:z="{IPTC}">{TERMS}digitalCapture</z:DigitalSourceType>'),
        ),
        "source_resource.png": png_xmp(packet(f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{TERMS}negativeFilm"/>')),
        "source_bare.png": png_xmp(
            packet("<Iptc4xmpExt:DigitalSourceType>trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>"), zipped=True
        ),
        "source.tif": save(image, "TIFF", compression="tiff_adobe_deflate", tiffinfo={700: trained}),
        "source.gif": gif_xmp(packet(source_type("compositeSynthetic"))),
        "source_raw_profile.png": raw_profile("xmp", packet(source_type("algorithmicMedia"))),
        "source_extended.jpg": extended_jpeg(),
        "source_unknown.jpg": xmp(packet(source_type("somethingNew"))),
        "iptc_2025.jpg": xmp(
            packet(
                "<Iptc4xmpExt:AISystemUsed>Bing Image Creator</Iptc4xmpExt:AISystemUsed>"
                "<Iptc4xmpExt:AISystemVersionUsed>2025-10</Iptc4xmpExt:AISystemVersionUsed>"
                "<Iptc4xmpExt:AIPromptInformation>A robot &amp; a table</Iptc4xmpExt:AIPromptInformation>"
            )
        ),
        "xmp_broken.jpg": xmp(packet(source_type("trainedAlgorithmicMedia"))[:-180]),
        "xmp_doctype.jpg": xmp(b'<!DOCTYPE x [<!ENTITY a "b">]>' + packet(source_type("trainedAlgorithmicMedia"), packed=False)),
        # Cameras.
        "camera.jpg": save(image, "JPEG", exif=camera(position=True)),
        "camera.webp": save(image, "WEBP", quality=60, exif=camera()),
        "camera.png": save(image, "PNG", optimize=True, exif=camera()),
        "camera.tif": save(image, "TIFF", compression="tiff_adobe_deflate", exif=camera(position=True)),
        "camera.avif": save(image, "AVIF", quality=50, exif=camera(), codec="aom", max_threads=1),
        "camera_raw_profile.png": raw_profile("exif", b"Exif\0\0" + camera().tobytes().removeprefix(b"Exif\0\0")),
        "photoshop.jpg": save(image, "JPEG", exif=exif({305: "Adobe Photoshop 25.0 (Windows)"})),
        "exif_broken.jpg": jpeg(segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x05\0" + bytes(range(30)))),
    }


def pillow_answer(data):
    """What Pillow reads: EXIF fields that are asked for, texts, and the packet of XMP."""
    image = Image.open(io.BytesIO(data))
    image.load()
    fields = image.getexif()
    inside = fields.get_ifd(ExifTags.IFD.Exif)
    found = {"make": fields.get(271), "model": fields.get(272), "software": fields.get(305)}
    found |= {"lens": inside.get(0xA434), "taken": inside.get(0x9003)}
    found = {name: value.strip("\0 ") for name, value in found.items() if isinstance(value, str)}
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return {
        "exif": found,
        "position": 2 in fields.get_ifd(ExifTags.IFD.GPSInfo),
        "source_types": source_types(xmp.encode() if isinstance(xmp, str) else xmp),
        "texts": len(getattr(image, "text", {})),
    }


def source_types(data):
    """By ElementTree, which knows namespaces; null where it cannot read the packet."""
    if not data:
        return []
    try:
        root = ElementTree.fromstring(data.strip(b"\0 \n"))
    except ElementTree.ParseError:
        return None
    name = f"{{{IPTC}}}DigitalSourceType"
    found = []
    for element in root.iter():
        found += [value for key, value in element.attrib.items() if key == name]
        if element.tag == name:
            found += [element.attrib.get(f"{{{RDF}}}resource") or "".join(element.itertext()).strip()]
    return found


def settings_answer(data):
    """What sd-parsers reads, or null where it does not know the file."""
    info = sd_parsers.ParserManager().parse(Image.open(io.BytesIO(data)))
    if info is None or not info.samplers:
        return None
    sampler = info.samplers[0]
    model = sampler.model
    return {
        "generator": info.generator.value,
        "sampler": sampler.name,
        "model": model.name if model else None,
        "model_hash": model.hash if model else None,
        "seed": str(sampler.parameters["seed"]) if "seed" in sampler.parameters else None,
        "steps": str(sampler.parameters["steps"]) if "steps" in sampler.parameters else None,
        "prompt": sampler.prompts[0].value if sampler.prompts else None,
        "negative": sampler.negative_prompts[0].value if sampler.negative_prompts else None,
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sign", action="store_true", help="sign the C2PA files anew")
    sign = arguments.parse_args().sign

    (OUT / "files").mkdir(parents=True, exist_ok=True)
    answers = []
    for name, data in plain_files().items():
        (OUT / "files" / name).write_bytes(data)
        if name == "bomb.png":  # Pillow refuses the whole file.
            answers.append({"file": name, "pillow": None, "settings": None})
            continue
        answers.append({"file": name, "pillow": pillow_answer(data), "settings": settings_answer(data)})
    (OUT / "c2pa").mkdir(exist_ok=True)
    manifests = provenance_signed.answers(OUT / "c2pa", sign)

    packages = ["pillow", "sd-parsers", "c2pa-python"]
    versions = {"python": platform.python_version()} | {name: version(name) for name in packages}
    versions["c2pa-rs of c2pa-python"] = provenance_signed.library_version()
    fixture = {"versions": versions, "files": answers, "c2pa": manifests}
    (OUT / "provenance.json").write_text(json.dumps(fixture, indent=1, ensure_ascii=False) + "\n")
    largest = max(path.stat().st_size for path in OUT.rglob("*") if path.suffix != ".json")
    print(f"{len(answers)} files and {len(manifests)} manifests, the largest of {largest} bytes")
    assert largest < 30_000, largest


if __name__ == "__main__":
    main()
