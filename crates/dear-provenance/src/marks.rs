//! All findings but the manifest's, from one look at the file.

use crate::container::{Format, Parts};
use crate::finding::Finding;
use crate::tags::Tags;
use crate::xmp::{Property, Xmp};
use crate::{camera, generator, source_type};

/// Three findings, and what the reader of manifests should know besides.
#[derive(Debug)]
pub(crate) struct Marks {
    pub(crate) source_type: Finding,
    pub(crate) generator: Finding,
    pub(crate) camera: Finding,
    /// Where XMP says that the manifest is (`dcterms:provenance`): an address, or a place in the file.
    pub(crate) manifest_at: Option<String>,
    /// Why the file could not be walked to its end.
    pub(crate) damage: Option<String>,
}

impl Marks {
    pub(crate) fn read(format: Format, bytes: &[u8]) -> Marks {
        let parts = Parts::of(format, bytes);
        let tags = Tags::read(format, bytes, &parts);
        // The tags of a TIFF are the file's own; in other files they are a part of it.
        let is_tiff = format == Format::Tiff;
        let xmp = Xmp::read(&parts, &tags, is_tiff);
        Marks {
            source_type: source_type::find(&xmp),
            generator: generator::find(&parts, &tags, &xmp),
            camera: camera::find(&tags),
            manifest_at: xmp.first(Property::Provenance).map(str::to_owned),
            damage: parts.damage.file.or(tags.damage.filter(|_| is_tiff)),
        }
    }

    /// After a panic, which would be a mistake of this crate or of a library.
    pub(crate) fn failed() -> Marks {
        let failed = Finding::could_not_check("the reader of its metadata failed");
        Marks {
            source_type: failed.clone(),
            generator: failed.clone(),
            camera: failed,
            manifest_at: None,
            damage: None,
        }
    }
}
