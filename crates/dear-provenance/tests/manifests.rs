//! C2PA: what c2pa-python's reader says of files that it signed, and what each declares, by hand.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_provenance::Declares::{self, Captured, Generated, PartlyGenerated};
use dear_provenance::{State, read};
use support::{answers, file, value, values};

/// By the text of `signed_files` in `oracle/provenance_signed.py`.
const DECLARES: [(&str, Option<Declares>); 12] = [
    ("captured.jpg", Some(Captured)),
    ("filled.jpg", Some(PartlyGenerated)),
    ("generated.avif", Some(Generated)),
    ("generated.gif", Some(Generated)),
    ("generated.jpg", Some(Generated)),
    ("generated.png", Some(Generated)),
    ("generated.tif", Some(Generated)),
    ("generated.webp", Some(Generated)),
    ("opened.jpg", Some(Generated)),
    ("placed.png", Some(PartlyGenerated)),
    ("remote.jpg", None),
    ("version_1.jpg", Some(Generated)),
];

#[test]
fn manifests_are_those_of_the_peers_reader() {
    let (mut valid, mut invalid, mut seen) = (0, 0, Vec::new());
    for answer in answers("c2pa") {
        let (name, reader) = (answer["file"].as_str().unwrap(), &answer["reader"]);
        let mut bytes = file("c2pa", name);
        if let Some(at) = answer["flip"].as_u64() {
            bytes[at as usize] ^= 1;
        } else {
            seen.push(name.to_owned());
        }
        if name == "remote.jpg" {
            assert!(reader["error"].is_string());
            continue;
        }
        let case = format!("{name} {}", answer["what"]);
        let finding = read(&bytes).c2pa;
        assert_eq!(finding.state, State::Found, "{case}: {finding:?}");
        let text = |key: &str| reader[key].as_str();
        assert_eq!(value(&finding, "claim generator"), text("claim_generator"), "{case}");
        assert_eq!(value(&finding, "title"), text("title"), "{case}");
        assert_eq!(value(&finding, "signed by"), text("issuer"), "{case}");
        assert_eq!(value(&finding, "certificate"), text("common_name"), "{case}");
        assert_eq!(
            value(&finding, "signed at"),
            Some(text("time").unwrap_or("not said by a time stamp")),
            "{case}"
        );
        assert_eq!(
            value(&finding, "signer"),
            Some("the signer is not checked against a list of trusted ones"),
            "{case}"
        );

        let actions = values(&finding, "action");
        assert_eq!(actions.len(), reader["actions"].as_array().unwrap().len(), "{case}");
        for (ours, theirs) in actions.iter().zip(reader["actions"].as_array().unwrap()) {
            assert!(ours.starts_with(theirs[0].as_str().unwrap()), "{case}: {ours}");
            let term = theirs[1].as_str().map(|term| term.rsplit('/').next().unwrap());
            assert!(term.is_none_or(|term| ours.contains(term)), "{case}: {ours}");
        }
        let ingredients = values(&finding, "ingredient");
        assert_eq!(ingredients.len(), reader["ingredients"].as_array().unwrap().len(), "{case}");
        for (ours, theirs) in ingredients.iter().zip(reader["ingredients"].as_array().unwrap()) {
            let part = if theirs[1] == "parentOf" {
                "what the picture was made from"
            } else {
                "a part of the picture"
            };
            assert!(
                ours.starts_with(&format!(
                    "{} ({part}), with a manifest of Test ",
                    theirs[0].as_str().unwrap()
                )),
                "{case}: {ours}"
            );
        }

        let mut failures: Vec<&str> = values(&finding, "failure")
            .into_iter()
            .map(|failure| failure.split(' ').next().unwrap())
            .collect();
        failures.sort_unstable();
        assert_eq!(failures, *reader["failures"].as_array().unwrap(), "{case}");
        let summary = finding.summary.unwrap();
        match text("state") {
            Some("Valid") => {
                valid += 1;
                assert!(
                    summary.contains("signature and hashes hold; the signer is not checked"),
                    "{case}: {summary}"
                );
                let expected = DECLARES.iter().find(|(of, _)| *of == name).unwrap().1;
                assert_eq!(finding.declares, expected, "{case}");
            }
            _ => {
                invalid += 1;
                assert!(summary.contains(", which does not hold: "), "{case}: {summary}");
                assert_eq!(finding.declares, None, "{case}: what does not hold declares nothing");
            }
        }
    }
    assert_eq!((valid, invalid), (11, 8));
    assert_eq!(seen, DECLARES.map(|(name, _)| name), "every file is a case");
}

#[test]
fn a_changed_picture_and_a_changed_statement_are_told_apart() {
    let changed = |name: &str, what: &str| {
        let answers = answers("c2pa");
        let answer = answers.iter().find(|answer| answer["file"] == name && answer["what"] == what).unwrap();
        let mut bytes = file("c2pa", name);
        bytes[answer["flip"].as_u64().unwrap() as usize] ^= 1;
        read(&bytes).c2pa.summary.unwrap()
    };
    let cases = [
        (
            changed("generated.png", "picture"),
            "the hashes do not hold, the file was changed after it was signed",
        ),
        (
            changed("generated.avif", "picture"),
            "the hashes do not hold, the file was changed after it was signed",
        ),
        (
            changed("generated.jpg", "statement"),
            "the hashes do not hold, the manifest was changed after it was signed",
        ),
        (changed("generated.jpg", "signature"), "the signature does not hold"),
    ];
    for (got, expected) in cases {
        assert!(got.contains(expected), "{got}");
    }
}

#[test]
fn a_manifest_elsewhere_is_not_fetched() {
    let finding = read(&file("c2pa", "remote.jpg")).c2pa;
    assert_eq!(finding.state, State::CouldNotCheck);
    assert_eq!(finding.summary.as_deref(), Some("its manifest is elsewhere, and nothing is fetched"));
    assert_eq!(value(&finding, "manifest"), Some("https://manifests.example/remote.c2pa"));
}

#[test]
fn a_manifest_that_cannot_be_read_leaves_the_rest_alone() {
    // The chunk of a signed PNG, wiped behind its first boxes, in a file that a generator signed in its own way, too.
    let signed = file("c2pa", "generated.png");
    let other = file("files", "a1111.png");
    let at = signed.windows(4).position(|four| four == b"caBX").unwrap() - 4;
    let length = u32::from_be_bytes(signed[at..at + 4].try_into().unwrap()) as usize + 12;
    let mut chunk = signed[at..at + length].to_vec();
    chunk[60..length - 4].fill(0);
    let bytes = [&other[..33], &chunk, &other[33..]].concat();

    let all = read(&bytes);
    assert_eq!(all.c2pa.state, State::CouldNotCheck);
    assert!(all.c2pa.summary.unwrap().starts_with("it seems to have a manifest, which cannot be read ("));
    assert_eq!(all.generator.declares, Some(Generated));
}

#[test]
fn what_only_looks_like_a_manifest_is_none() {
    let png = file("files", "plain.png");
    let text = |kind: &[u8; 4], data: &[u8]| {
        let chunk = [&(data.len() as u32).to_be_bytes()[..], kind, data, b"crc."].concat();
        read(&[&png[..33], &chunk, &png[33..]].concat()).c2pa
    };
    // Letters in a picture; and XMP that refers to a manifest which an editor dropped.
    assert_eq!(text(b"tEXt", b"Comment\0jumbled").state, State::NotFound);
    let xmp = |address: &str| {
        let packet = format!("<a xmlns:d='http://purl.org/dc/terms/' d:provenance='{address}'/>");
        text(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", packet.as_bytes()].concat())
    };
    let dropped = xmp("self#jumbf=/c2pa/urn:uuid:1");
    assert_eq!(dropped.state, State::CouldNotCheck);
    let expected = "its XMP refers to a manifest in the file, which is not there any more";
    assert_eq!(dropped.summary.as_deref(), Some(expected));
    assert_eq!(value(&xmp("https://a.example/b"), "manifest"), Some("https://a.example/b"));
    // JPEG XL, as boxes and as a bare stream.
    for bytes in [&b"\0\0\0\x0cJXL \r\n\x87\n"[..], b"\xff\x0a\0\0"] {
        let all = read(bytes);
        assert_eq!((all.c2pa.state, all.camera.state), (State::NotFound, State::CouldNotCheck));
    }
}
