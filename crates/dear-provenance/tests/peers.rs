//! Files of every kind: what is found in each, by hand; and facts by Pillow, ElementTree and sd-parsers, equal to the letter.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_provenance::Declares::{self, Captured, Generated, PartlyGenerated};
use dear_provenance::State::{self, CouldNotCheck, Found, NotFound};
use dear_provenance::{Finding, read};
use std::collections::BTreeSet;
use support::{answers, file, fixtures, value, values};

type Expected = (State, Option<Declares>);

const NONE: Expected = (NotFound, None);
const UNREAD: Expected = (CouldNotCheck, None);
const MADE: Expected = (Found, Some(Generated));
const PARTLY: Expected = (Found, Some(PartlyGenerated));
const TAKEN: Expected = (Found, Some(Captured));
const FOUND: Expected = (Found, None);

/// Source type, generator and camera of each file.
const FILES: [(&str, Expected, Expected, Expected); 52] = [
    ("a1111.jpg", NONE, MADE, NONE),
    ("a1111.png", NONE, MADE, NONE),
    ("a1111.webp", NONE, MADE, NONE),
    ("a1111_comment.gif", NONE, MADE, NONE),
    ("a1111_comment.jpg", NONE, MADE, NONE),
    ("a1111_itxt.png", NONE, MADE, NONE),
    ("a1111_little.jpg", NONE, MADE, NONE),
    ("a1111_ztxt.png", NONE, MADE, NONE),
    ("bomb.png", NONE, UNREAD, NONE),
    ("camera.avif", UNREAD, UNREAD, UNREAD),
    ("camera.jpg", NONE, NONE, TAKEN),
    ("camera.png", NONE, NONE, TAKEN),
    ("camera.tif", NONE, NONE, TAKEN),
    ("camera.webp", NONE, NONE, TAKEN),
    ("camera_raw_profile.png", NONE, NONE, TAKEN),
    ("comfyui.png", NONE, MADE, NONE),
    ("comfyui.webp", NONE, MADE, NONE),
    ("comfyui_flux.png", NONE, MADE, NONE),
    ("dalle.png", NONE, MADE, FOUND),
    ("described.jpg", NONE, FOUND, NONE),
    ("easy_diffusion.png", NONE, MADE, NONE),
    ("exif_broken.jpg", NONE, UNREAD, UNREAD),
    ("firefly.jpg", NONE, MADE, NONE),
    ("fooocus.png", NONE, MADE, NONE),
    ("forge_inpaint.png", NONE, PARTLY, NONE),
    ("google_edited.jpg", PARTLY, PARTLY, NONE),
    ("google_made.jpg", MADE, MADE, NONE),
    ("imageready.png", NONE, NONE, NONE),
    ("invokeai_2.png", NONE, MADE, NONE),
    ("invokeai_3.png", NONE, MADE, NONE),
    ("invokeai_dream.png", NONE, MADE, NONE),
    ("iptc_2025.jpg", NONE, MADE, NONE),
    ("midjourney.png", MADE, MADE, NONE),
    ("novelai.png", NONE, MADE, NONE),
    ("photoshop.jpg", NONE, NONE, FOUND),
    ("plain.gif", NONE, NONE, NONE),
    ("plain.jpg", NONE, NONE, NONE),
    ("plain.png", NONE, NONE, NONE),
    ("plain.tif", NONE, NONE, NONE),
    ("plain.webp", NONE, NONE, NONE),
    ("source.gif", PARTLY, NONE, NONE),
    ("source.tif", MADE, NONE, NONE),
    ("source_bare.png", MADE, NONE, NONE),
    ("source_extended.jpg", MADE, NONE, NONE),
    ("source_prefix.webp", TAKEN, NONE, NONE),
    ("source_raw_profile.png", FOUND, NONE, NONE),
    ("source_resource.png", TAKEN, NONE, NONE),
    ("source_unknown.jpg", FOUND, NONE, NONE),
    ("spoken_of.jpg", NONE, NONE, NONE),
    ("swarmui.jpg", NONE, MADE, NONE),
    ("xmp_broken.jpg", UNREAD, UNREAD, NONE),
    ("xmp_doctype.jpg", UNREAD, UNREAD, NONE),
];

#[test]
fn every_file_says_what_it_says_and_no_more() {
    let mut failed = Vec::new();
    for (name, source_type, generator, camera) in FILES {
        let found = read(&file("files", name));
        let of = |finding: &Finding| (finding.state, finding.declares);
        let got = (of(&found.c2pa), of(&found.source_type), of(&found.generator), of(&found.camera));
        if got != (NONE, source_type, generator, camera) {
            failed.push(format!("{name}: {found:#?}"));
        }
        for finding in [&found.c2pa, &found.source_type, &found.generator, &found.camera] {
            assert_eq!(finding.summary.is_none(), finding.state == NotFound, "{name}");
            assert!(finding.state == Found || finding.details.is_empty(), "{name}");
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let files: BTreeSet<String> = fs_err::read_dir(fixtures().join("files"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, FILES.iter().map(|(name, ..)| (*name).to_owned()).collect(), "every file is a case");
}

#[test]
fn cameras_are_pillows() {
    let (mut facts, mut positions) = (0, 0);
    for answer in answers("files") {
        let (name, pillow) = (answer["file"].as_str().unwrap(), &answer["pillow"]);
        // Pillow refuses the bomb, we do not look into AVIF, and what ComfyUI puts where a camera has its name is no camera's.
        if pillow.is_null() || ["comfyui.webp", "camera.avif"].contains(&name) {
            continue;
        }
        let camera = read(&file("files", name)).camera;
        for (fact, expected) in pillow["exif"].as_object().unwrap() {
            let got = value(&camera, fact).unwrap_or_else(|| panic!("{name}: no {fact}"));
            // The offset from UTC stands behind our time.
            assert!(
                got == expected || fact == "taken" && got == format!("{} +02:00", expected.as_str().unwrap()),
                "{name}: {got}"
            );
            facts += 1;
        }
        let told = camera
            .details
            .iter()
            .filter(|detail| ["make", "model", "lens", "software", "taken"].contains(&detail.name.as_str()));
        assert_eq!(
            told.count(),
            pillow["exif"].as_object().unwrap().len(),
            "{name}: nothing that Pillow does not see"
        );
        assert_eq!(value(&camera, "position").is_some(), pillow["position"] == true, "{name}");
        positions += usize::from(pillow["position"] == true);
        // Coordinates are nobody's business: 48 degrees north, 11 east.
        assert!(camera.details.iter().all(|detail| !detail.value.contains("48")), "{name}");
    }
    assert_eq!((facts, positions), (25, 1));
}

#[test]
fn source_types_are_those_of_an_xml_reader() {
    // Pillow finds no XMP in GIF, in ImageMagick's profiles and in extended XMP; and we read no document types.
    let elsewhere = ["source.gif", "source_raw_profile.png", "source_extended.jpg", "xmp_doctype.jpg"];
    let mut seen = 0;
    for answer in answers("files") {
        let (name, expected) = (answer["file"].as_str().unwrap(), &answer["pillow"]["source_types"]);
        if elsewhere.contains(&name) || answer["pillow"].is_null() {
            continue;
        }
        let finding = read(&file("files", name)).source_type;
        match expected.as_array() {
            Some(expected) => assert_eq!(values(&finding, "digital source type"), *expected, "{name}"),
            None => assert_eq!(finding.state, CouldNotCheck, "{name}"),
        }
        seen += usize::from(expected.as_array().is_none_or(|expected| !expected.is_empty()));
    }
    assert_eq!(seen, 9);
}

#[test]
fn settings_of_generators_are_those_of_sd_parsers() {
    let (mut files, mut facts) = (0, 0);
    for answer in answers("files") {
        let (name, settings) = (answer["file"].as_str().unwrap(), &answer["settings"]);
        if settings.is_null() {
            continue;
        }
        files += 1;
        let generator = read(&file("files", name)).generator;
        for (theirs, ours) in [
            ("sampler", "sampler"),
            ("model", "model"),
            ("seed", "seed"),
            ("steps", "steps"),
            ("prompt", "prompt"),
            ("negative", "negative prompt"),
        ] {
            let Some(expected) = settings[theirs].as_str() else { continue };
            // NovelAI's model has its hash behind its name, and a prompt is told in one line.
            let hash = settings["model_hash"].as_str().filter(|_| name == "novelai.png" && theirs == "model");
            let expected = format!("{expected} {}", hash.unwrap_or_default()).trim().replace('\n', " ");
            assert_eq!(value(&generator, ours), Some(expected.as_str()), "{name}: {ours}");
            facts += 1;
        }
    }
    assert_eq!((files, facts), (12, 66));
}

/// What sd-parsers does not read, or does not tell.
#[test]
fn settings_of_other_generators_are_as_written() {
    let cases: [(&str, &[(&str, &str)]); 9] = [
        (
            "comfyui_flux.png",
            &[
                ("program", "ComfyUI (prompt)"),
                ("model", "flux1-dev.safetensors"),
                ("sampler", "euler"),
                ("scheduler", "simple"),
                ("steps", "25"),
                ("guidance", "3.5"),
                ("seed", "219670278747233"),
                ("size", "1024x1024"),
                ("prompt", "an owl reading by candle light"),
            ],
        ),
        (
            "comfyui.webp",
            &[
                ("seed", "156680208700286"),
                ("model", "v1-5-pruned-emaonly.safetensors"),
                ("size", "512x768"),
                ("prompt", "a glass bottle on a beach, storm"),
                ("workflow", "8 nodes"),
            ],
        ),
        (
            "swarmui.jpg",
            &[
                ("program", "SwarmUI (EXIF UserComment)"),
                ("model", "OfficialStableDiffusion/sd_xl_base_1.0"),
                ("seed", "464657"),
                ("size", "1024x1024"),
                ("prompt", "two chairs on a balcony"),
            ],
        ),
        (
            "easy_diffusion.png",
            &[
                ("model", "sd-v1-5"),
                ("sampler", "euler_a"),
                ("seed", "4021337"),
                ("size", "512x512"),
                ("prompt", "a tram in fog"),
            ],
        ),
        (
            "midjourney.png",
            &[
                ("program", "Midjourney (Description)"),
                ("job", "3f2b8c1e-5a77-4e0b-9d5c-1a2b3c4d5e6f"),
                ("prompt", "a clockmaker's desk, macro photograph --ar 3:2 --v 6.1"),
            ],
        ),
        (
            "iptc_2025.jpg",
            &[("model", "Bing Image Creator"), ("version", "2025-10"), ("prompt", "A robot & a table")],
        ),
        ("fooocus.png", &[("size", "1152x896"), ("scheduler", "karras"), ("version", "Fooocus v2.5.5")]),
        (
            "forge_inpaint.png",
            &[
                ("program", "Stable Diffusion WebUI Forge (parameters)"),
                ("size", "896x1152"),
                ("denoising strength", "0.75"),
                ("scheduler", "Simple"),
            ],
        ),
        (
            "a1111_little.jpg",
            &[
                ("seed", "3894216745"),
                ("size", "832x1216"),
                ("model hash", "6ce0161689"),
                ("guidance", "6.5"),
            ],
        ),
    ];
    let mut facts = 0;
    for (name, expected) in cases {
        let generator = read(&file("files", name)).generator;
        for (fact, expected) in expected {
            assert_eq!(value(&generator, fact), Some(*expected), "{name}: {fact}");
            facts += 1;
        }
    }
    assert_eq!(facts, 41);
}

#[test]
fn damage_has_its_reason_and_leaves_the_rest_alone() {
    let summary = |name: &str, of: fn(dear_provenance::Provenance) -> Finding| {
        of(read(&file("files", name))).summary.unwrap()
    };
    let cases = [
        (
            summary("bomb.png", |all| all.generator),
            "its text chunk \"parameters\" inflates to more than 8388608 bytes",
        ),
        (
            summary("xmp_doctype.jpg", |all| all.source_type),
            "its XMP cannot be read (it declares a document type)",
        ),
        (summary("xmp_broken.jpg", |all| all.source_type), "its XMP cannot be read ("),
        (summary("exif_broken.jpg", |all| all.camera), "its EXIF is damaged (truncated "),
        (
            summary("camera.avif", |all| all.source_type),
            "of AVIF, HEIC and JPEG XL files, only C2PA is looked for",
        ),
        (summary("photoshop.jpg", |all| all.camera), "no camera; written by Adobe Photoshop 25.0 (Windows)"),
        (summary("camera.jpg", |all| all.camera), "NIKON CORPORATION NIKON D750"),
        (
            summary("source.tif", |all| all.source_type),
            "made by a generative model (trainedAlgorithmicMedia)",
        ),
        (summary("novelai.png", |all| all.generator), "NovelAI"),
        (
            summary("described.jpg", |all| all.generator),
            "it speaks of Stable Diffusion, and does not clearly say more",
        ),
    ];
    for (got, expected) in cases {
        assert!(got.starts_with(expected), "{got:?}, expected {expected:?}");
    }
}

#[test]
fn what_is_no_image_is_not_looked_into() {
    for bytes in [
        &b""[..],
        b"hello",
        b"%PDF-1.7 Steps: 20, Sampler: Euler, Seed: 1",
        b"BM\0\0\0\0",
        b"\0\0\0\x18ftypisom\0\0\0\0mp41",
    ] {
        let all = read(bytes);
        for finding in [all.c2pa, all.source_type, all.generator, all.camera] {
            assert_eq!(finding.state, CouldNotCheck);
            let expected = if bytes.is_empty() { "the file is empty" } else { "not a JPEG, PNG, WebP" };
            assert!(finding.summary.unwrap().starts_with(expected));
        }
    }
}
