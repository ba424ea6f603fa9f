//! C2PA manifests, read and validated by the library `c2pa`. It is built without any network client and without trust
//! lists, so nothing is fetched, and who signed is told but not judged.

mod statement;

use crate::container::Format;
use crate::finding::Finding;
use crate::line::Details;
use crate::marks::Marks;
use c2pa::validation_status::SIGNING_CREDENTIAL_UNTRUSTED;
use c2pa::{Context, Error, Reader, ValidationState};
use std::io::Cursor;
use std::time::{Duration, Instant};

/// Longest file in bytes. The library holds some files twice while it reads them.
const MAX_FILE: usize = 512 << 20;

/// Longest time, as far as the library lets itself be stopped: between manifests, signatures and hashed pieces.
const MAX_TIME: Duration = Duration::from_secs(20);

/// Stack of the thread that reads. A chain of ingredients may be 200 long (the library's limit), which takes half a MB.
const STACK: usize = 8 << 20;

/// Most failures that are told.
const MAX_FAILURES: usize = 8;

/// Signature, hashes and certificate profile are checked. Nothing is fetched, also where the library would know how to.
/// Signer and time stamp are not compared with lists: there are none, and a stamp that is not believed would make every
/// certificate that has run out since look expired when it signed.
const SETTINGS: &str = r#"{
    "verify": {
        "verify_after_reading": true, "verify_trust": false, "verify_timestamp_trust": false,
        "ocsp_fetch": false, "remote_manifest_fetch": false
    },
    "core": {
        "decode_identity_assertions": false, "allowed_network_hosts": [], "max_decompressed_manifest_size_in_mb": 32
    }
}"#;

const NOT_JUDGED: &str = "the signer is not checked against a list of trusted ones";

/// The manifest of a file; `marks` say where XMP believes it to be.
pub(crate) fn find(format: Format, bytes: &[u8], marks: &Marks) -> Finding {
    // Every manifest is a JUMBF box, and each box has its type in clear, except where a JPEG XL of boxes compresses it. Four
    // bytes may stand in a picture by chance: the library then says that there is none.
    let has_box = memchr::memmem::find(bytes, b"jumb").is_some()
        || (format == Format::Jxl && memchr::memmem::find(bytes, b"brob").is_some());
    if !has_box {
        return not_embedded(marks);
    }
    if bytes.len() > MAX_FILE {
        return Finding::could_not_check(&format!(
            "it may have a manifest, but the file has {} bytes, more than the {MAX_FILE} that are read for one",
            bytes.len()
        ));
    }
    match on_own_stack(|| read(media_type(format), bytes)) {
        Some(Ok(reader)) => tell(&reader),
        Some(Err(Error::JumbfNotFound)) => not_embedded(marks),
        Some(Err(Error::RemoteManifestUrl(address))) => elsewhere(&address),
        Some(Err(Error::OperationCancelled)) => Finding::could_not_check_now(&format!(
            "it seems to have a manifest, and reading it took more than {} seconds",
            MAX_TIME.as_secs()
        )),
        Some(Err(error)) => Finding::could_not_check(&format!(
            "it seems to have a manifest, which cannot be read ({})",
            words(&error)
        )),
        None => Finding::could_not_check_now(
            "it seems to have a manifest, and the library that reads manifests failed",
        ),
    }
}

fn not_embedded(marks: &Marks) -> Finding {
    match &marks.manifest_at {
        Some(address) if address.starts_with("http://") || address.starts_with("https://") => {
            elsewhere(address)
        }
        Some(_) => {
            Finding::could_not_check("its XMP refers to a manifest in the file, which is not there any more")
        }
        None => Finding::absent(marks.damage.as_deref()),
    }
}

fn elsewhere(address: &str) -> Finding {
    let mut finding = Finding::could_not_check("its manifest is elsewhere, and nothing is fetched");
    let mut details = Details::default();
    details.add("manifest", address);
    finding.details = details.into_vec();
    finding
}

/// The library decides by the first bytes, too, and takes this where they leave it open.
fn media_type(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "image/jpeg",
        Format::Png => "image/png",
        Format::WebP => "image/webp",
        Format::Tiff => "image/tiff",
        Format::Gif => "image/gif",
        Format::Heif => "image/avif",
        Format::Jxl => "image/jxl",
    }
}

fn read(media_type: &str, bytes: &[u8]) -> c2pa::Result<Reader> {
    let start = Instant::now();
    let context = Context::new()
        .with_settings(SETTINGS)?
        .with_progress_callback(move |_, _, _| start.elapsed() < MAX_TIME);
    Reader::from_context(context).with_stream(media_type, Cursor::new(bytes))
}

/// Runs `f` in a thread of its own, with a stack of known size. None if it panics, or if there is no thread to be had.
fn on_own_stack<T: Send>(f: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("c2pa".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, f).ok()?.join().ok()
    })
}

/// What the validated manifest says.
fn tell(reader: &Reader) -> Finding {
    let Some(manifest) = reader.active_manifest() else {
        return Finding::could_not_check("it has manifests, but none that is about the file");
    };
    let mut details = Details::default();
    let generator = statement::claim_generator(manifest);
    details.add_some("claim generator", generator.as_ref());
    let signer = manifest.signature_info();
    details.add_some("signed by", signer.and_then(|signer| signer.issuer.as_ref()));
    details.add_some("certificate", signer.and_then(|signer| signer.common_name.as_ref()));
    details.add(
        "signed at",
        signer.and_then(|signer| signer.time.as_deref()).unwrap_or("not said by a time stamp"),
    );

    let failures = failures(reader);
    let holds = reader.validation_state() != ValidationState::Invalid;
    details.add("validation", if holds { "signature and hashes hold" } else { "does not hold" });
    for failure in failures.iter().take(MAX_FAILURES) {
        details.add("failure", failure);
    }
    details.add("signer", NOT_JUDGED);
    details.add_some("title", manifest.title());
    statement::actions(manifest, &mut details);
    statement::ingredients(reader, manifest, &mut details);

    let by = match (generator, signer.and_then(|signer| signer.issuer.as_deref())) {
        (Some(generator), Some(issuer)) => format!("a manifest of {generator}, signed by {issuer}"),
        (Some(generator), None) => format!("a manifest of {generator}"),
        (None, Some(issuer)) => format!("a manifest signed by {issuer}"),
        (None, None) => "a manifest".to_owned(),
    };
    if holds {
        let declares = statement::declares(reader, manifest);
        return Finding::found(&format!("{by}: signature and hashes hold; {NOT_JUDGED}"), declares, details);
    }
    // What was signed is not this file, or nobody knows who signed it: it declares nothing of this picture.
    let codes: Vec<&str> =
        failures.iter().filter_map(|failure| failure.split(' ').next()).take(MAX_FAILURES).collect();
    let summary = match codes.as_slice() {
        [] => format!("{by}, which does not hold: no signature of it was validated"),
        codes => format!("{by}, which does not hold: {} ({})", why(codes), codes.join(", ")),
    };
    Finding::found(&summary, None, details)
}

/// Codes of what failed, each with the library's explanation, first of the manifest and then of its ingredients.
fn failures(reader: &Reader) -> Vec<String> {
    let Some(results) = reader.validation_results() else { return Vec::new() };
    let own = results.active_manifest().into_iter();
    let of_ingredients =
        results.ingredient_deltas().into_iter().flatten().map(|delta| delta.validation_deltas());
    let mut failures = Vec::new();
    for status in own.chain(of_ingredients).flat_map(|codes| codes.failure()) {
        if status.code() == SIGNING_CREDENTIAL_UNTRUSTED {
            continue;
        }
        let failure = match status.explanation() {
            Some(explanation) if explanation != status.code() => format!("{} ({explanation})", status.code()),
            _ => status.code().to_owned(),
        };
        if !failures.contains(&failure) {
            failures.push(failure);
        }
    }
    failures
}

/// In words, for the worst of the codes.
fn why(codes: &[&str]) -> &'static str {
    let any = |part: &str| codes.iter().any(|code| code.contains(part));
    if any("Hash.mismatch") {
        "the hashes do not hold, the file was changed after it was signed"
    } else if any("claimSignature") {
        "the signature does not hold"
    } else if any("hashedURI.mismatch") {
        "the hashes do not hold, the manifest was changed after it was signed"
    } else if any("signingCredential") {
        "the certificate was not valid for signing"
    } else {
        "it does not follow its standard"
    }
}

/// The library's message; some of its errors hide theirs.
fn words(error: &Error) -> String {
    match error {
        Error::PrereleaseError => "it was written before the standard's first release".to_owned(),
        Error::ClaimDecoding(detail) => format!("{error}: {detail}"),
        error => error.to_string(),
    }
}
