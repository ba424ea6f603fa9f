//! What an image file says about where it comes from. Never part of a score: a file may say anything, and most say nothing.
//!
//! Conventions: every question has three answers ([`State`]); nothing is fetched; nothing here panics on what a file holds;
//! what is read, inflated and told is bounded, and a value that was cut says so.
//!
//! `container` takes a file apart, without its picture: EXIF, XMP, texts. `tags` (EXIF) and `xmp` read the first two; the
//! findings are made by `source_type`, `generator` and `camera`, which `marks` joins. `manifest` reads C2PA.

mod camera;
mod container;
mod finding;
mod generator;
mod line;
mod manifest;
mod marks;
mod source_type;
mod tags;
mod xmp;

pub use finding::{Declares, Detail, Finding, Provenance, State};

use container::Format;
use marks::Marks;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Ask the bytes of an image file. Each question is answered for itself: one that fails leaves the others alone.
///
/// Looked into are JPEG, PNG, WebP, TIFF and GIF; of AVIF, HEIC and JPEG XL, C2PA only. Of anything else, all four findings
/// are [`State::CouldNotCheck`] with the reason.
///
/// ```
/// let provenance = dear_provenance::read(b"GIF89a, but no more of it");
/// assert_eq!(provenance.generator.state, dear_provenance::State::CouldNotCheck);
/// ```
pub fn read(bytes: &[u8]) -> Provenance {
    let Some(format) = Format::of(bytes) else {
        let unread = Finding::could_not_check(if bytes.is_empty() {
            "the file is empty"
        } else {
            "not a JPEG, PNG, WebP, TIFF, GIF, AVIF, HEIC or JPEG XL file: nothing was looked for"
        });
        return Provenance {
            c2pa: unread.clone(),
            source_type: unread.clone(),
            generator: unread.clone(),
            camera: unread,
        };
    };
    let marks =
        catch_unwind(AssertUnwindSafe(|| Marks::read(format, bytes))).unwrap_or_else(|_| Marks::failed());
    Provenance {
        c2pa: manifest::find(format, bytes, &marks),
        source_type: marks.source_type,
        generator: marks.generator,
        camera: marks.camera,
    }
}
