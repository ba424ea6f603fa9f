"""C2PA files, signed by c2pa-python with certificates made for the purpose, and what its reader says of them.

c2pa-python wraps `c2pa-rs`, as the Rust side does, in another version and with another implementation of the
cryptography (OpenSSL's): it is a peer for what is made of a manifest, and only half of one for reading it. What the files
declare was therefore also written down by hand, in crates/dear-provenance/tests/manifests.rs.
"""

import datetime
import io
import json

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from image_picture import picture
from PIL import Image

TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MIME = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "tif": "image/tiff", "gif": "image/gif", "avif": "image/avif"}
SETTINGS = {
    "verify": {"verify_trust": False, "verify_timestamp_trust": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}, "created_assertion_labels": ["c2pa.actions"]},
}


def library_version():
    return c2pa.sdk_version()


def certificates():
    """A root, a certificate for signing, and its key, as PEM. In force for a century: the tests ask for the time."""
    times = [datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc) for year in (2020, 2120)]

    def name(common):
        parts = [(NameOID.COUNTRY_NAME, "XX"), (NameOID.ORGANIZATION_NAME, "Test Signers"), (NameOID.COMMON_NAME, common)]
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])

    def builder(subject, issuer, key, issuer_key, ca):
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
        )
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(times[0])
            .not_valid_after(times[1])
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = builder("Test Root", "Test Root", root_key, root_key, True).sign(root_key, hashes.SHA256())
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    leaf = builder("Test Signer", "Test Root", key, root_key, False).add_extension(purpose, critical=False)
    chain = [leaf.sign(root_key, hashes.SHA256()), root]
    pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, private


def save(name, image):
    options = {"jpg": {"format": "JPEG", "quality": 75}, "png": {"format": "PNG"}, "webp": {"format": "WEBP", "quality": 60}}
    options |= {"tif": {"format": "TIFF"}, "gif": {"format": "GIF"}, "avif": {"format": "AVIF", "quality": 50}}
    buffer = io.BytesIO()
    ending = name.rsplit(".", 1)[1]
    (image.quantize(16) if ending == "gif" else image).save(buffer, **options[ending])
    return buffer.getvalue()


def created(term, agent="Test Model"):
    return {"action": "c2pa.created", "digitalSourceType": TERMS + term, "softwareAgent": {"name": agent, "version": "2"}}


def definition(title, *actions, generator="Test Generator", assertions=(), claim_version=2):
    label = "c2pa.actions" if claim_version == 1 else "c2pa.actions.v2"
    return {
        "claim_version": claim_version,
        "claim_generator_info": [{"name": generator, "version": "1.0"}],
        "title": title,
        "assertions": ([{"label": label, "data": {"actions": list(actions)}}] if actions else []) + list(assertions),
    }


def sign(name, manifest, data, ingredients=(), remote=None):
    pem, private = certificates()
    info = c2pa.C2paSignerInfo(b"es256", pem, private, None)
    context = c2pa.Context.builder().with_settings(c2pa.Settings.from_dict(SETTINGS)).build()
    builder = c2pa.Builder(manifest, context)
    for ingredient, file, bytes_ in ingredients:
        builder.add_ingredient(ingredient, MIME[file.rsplit(".", 1)[1]], io.BytesIO(bytes_))
    if remote:
        builder.set_no_embed()
        builder.set_remote_url(remote)
    target = io.BytesIO()
    builder.sign(c2pa.Signer.from_info(info), MIME[name.rsplit(".", 1)[1]], io.BytesIO(data), target)
    return target.getvalue()


def signed_files():
    image = picture(48, 32)
    made = created("trainedAlgorithmicMedia")
    photo = created("digitalCapture", "Test Camera")
    files = {
        f"generated.{ending}": sign(f"generated.{ending}", definition("generated", made), save(f"a.{ending}", image))
        for ending in MIME
    }
    files["captured.jpg"] = sign("a.jpg", definition("captured", photo, generator="Test Camera"), save("a.jpg", image))

    # An editor opens the generated picture: what it was made from says where it comes from.
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}
    parent = {"title": "generated.jpg", "relationship": "parentOf", "label": "parent", "instance_id": "parent"}
    cropped = {"action": "c2pa.cropped"}
    files["opened.jpg"] = sign(
        "a.jpg",
        definition("opened", opened, cropped, generator="Test Editor"),
        save("a.jpg", image.resize((40, 30))),
        [(parent, "generated.jpg", files["generated.jpg"])],
    )
    # A photograph with a part that a model drew.
    filled = {"action": "c2pa.edited", "digitalSourceType": TERMS + "compositeWithTrainedAlgorithmicMedia"}
    files["filled.jpg"] = sign(
        "a.jpg",
        definition("filled", opened, filled, generator="Test Editor"),
        save("a.jpg", image.resize((40, 30))),
        [(parent | {"title": "captured.jpg"}, "captured.jpg", files["captured.jpg"])],
    )
    # A composite: a generated picture lies on a photograph.
    placed = {"action": "c2pa.placed", "parameters": {"ingredientIds": ["part"]}}
    part = {"title": "generated.png", "relationship": "componentOf", "label": "part", "instance_id": "part"}
    files["placed.png"] = sign(
        "a.png",
        definition("placed", opened, placed, generator="Test Editor"),
        save("a.png", image.resize((40, 30))),
        [
            (parent | {"title": "captured.jpg"}, "captured.jpg", files["captured.jpg"]),
            (part, "generated.png", files["generated.png"]),
        ],
    )
    # The first version of the standard, with IPTC's property as metadata.
    iptc = {
        "label": "stds.iptc",
        "data": {
            "@context": {"Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"},
            "Iptc4xmpExt:DigitalSourceType": TERMS + "trainedAlgorithmicMedia",
        },
    }
    files["version_1.jpg"] = sign("a.jpg", definition("version 1", assertions=[iptc], claim_version=1), save("a.jpg", image))
    files["remote.jpg"] = sign(
        "a.jpg", definition("remote", made), save("a.jpg", image), remote="https://manifests.example/remote.c2pa"
    )
    return files


def reader_answer(name, data):
    """What c2pa-python's reader says, in the parts that have no random names in them."""
    context = c2pa.Context.builder().with_settings(c2pa.Settings.from_dict(SETTINGS)).build()
    try:
        reader = c2pa.Reader(MIME[name.rsplit(".", 1)[1]], io.BytesIO(data), context=context)
    except c2pa.C2paError as error:
        return {"error": type(error).__name__}
    store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    results = store.get("validation_results", {})
    failures = [status["code"] for status in results.get("activeManifest", {}).get("failure", [])]
    for delta in results.get("ingredientDeltas", []):
        failures += [status["code"] for status in delta["validationDeltas"]["failure"]]
    actions = [one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    info = manifest["claim_generator_info"][0]
    signer = manifest.get("signature_info", {})
    return {
        "state": reader.get_validation_state(),
        "failures": sorted(set(failures) - {"signingCredential.untrusted"}),
        "claim_generator": f"{info['name']} {info['version']}",
        "title": manifest.get("title"),
        "issuer": signer.get("issuer"),
        "common_name": signer.get("common_name"),
        "time": signer.get("time"),
        "actions": [[one["action"], one.get("digitalSourceType")] for group in actions for one in group],
        "ingredients": [[one.get("title"), one["relationship"]] for one in manifest.get("ingredients", [])],
    }


def tampered(name, data):
    """Places at which one byte is changed: in the picture, in a statement of the manifest, in the signature."""
    places = {}
    if name in ("generated.jpg", "generated.png", "generated.webp", "generated.tif", "generated.gif", "generated.avif"):
        image = Image.open(io.BytesIO(data))
        # A byte of the compressed picture, which stays a picture.
        places["picture"] = {"jpg": len(data) - 40, "png": data.rfind(b"IDAT") + 40, "gif": len(data) - 30}.get(
            name.rsplit(".", 1)[1]
        ) or picture_byte(name, data)
        assert image.size == (48, 32)
    if name == "generated.jpg":
        places["statement"] = data.find(b"trainedAlgorithmicMedia")
        places["signature"] = signature_byte(data)
    return places


def picture_byte(name, data):
    if name.endswith("webp"):
        return data.find(b"VP8 ") + 40
    if name.endswith("avif"):
        return len(data) - 20
    return 400 if data[:2] == b"II" else len(data) - 100


def signature_byte(data):
    """In the last bytes of COSE_Sign1, before the padding: its signature, a byte string of 64."""
    return data.rfind(b"\x58\x40") + 20


def answers(folder, sign_anew):
    names = signed_files() if sign_anew or not any(folder.iterdir()) else {}
    for name, data in names.items():
        (folder / name).write_bytes(data)
    out = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        out.append({"file": path.name, "flip": None, "what": None, "reader": reader_answer(path.name, data)})
        for what, at in tampered(path.name, data).items():
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            out.append({"file": path.name, "flip": at, "what": what, "reader": reader_answer(path.name, changed)})
    return out
