//! The nuisances: everything about an image that a detector should not need, one row a feature.

use dear_image::{FileFacts, Format, Image, JpegFacts, inspect};
use serde::{Deserialize, Serialize};

use super::trace::{Traces, measure};

/// Where a feature comes from, and so what a difference in it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The file: a detector that uses it has learnt how the set was stored.
    File,
    /// Processing that left its trace in the pixels (earlier compression, resampling, noise), or in how well they compress.
    Trace,
    /// Colour: it may be what the pictures show.
    Content,
}

/// A value of a feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// One of several.
    Category(String),
    /// The image has no such thing (the quality of a PNG).
    Missing,
}

/// One nuisance.
pub struct Feature {
    /// Its name in files and tables.
    pub name: &'static str,
    /// Where it comes from.
    pub kind: Kind,
    /// What is said of images that have more of it (a flag: of images that have it).
    pub more: &'static str,
    /// What is said of images that have less of it.
    pub less: &'static str,
    /// Its value.
    pub value: fn(&Facts) -> Value,
}

/// What is known of one image.
pub struct Facts {
    /// Length of the file.
    pub bytes: u64,
    /// Its header.
    pub file: FileFacts,
    /// Columns of the decoded image.
    pub width: u32,
    /// Rows of the decoded image.
    pub height: u32,
    /// Its pixels.
    pub traces: Traces,
}

impl Facts {
    /// Everything about a file and its decoded image.
    pub fn of(bytes: &[u8], image: &Image) -> Self {
        let file = inspect(bytes);
        let steps = file.jpeg.as_ref().and_then(|jpeg| jpeg.tables[0].as_ref());
        let traces = measure(image, steps);
        Self { bytes: bytes.len() as u64, width: image.width(), height: image.height(), traces, file }
    }

    /// The values in the order of [`FEATURES`].
    pub fn values(&self) -> Vec<Value> {
        FEATURES.iter().map(|feature| (feature.value)(self)).collect()
    }

    fn pixels(&self) -> f64 {
        f64::from(self.width) * f64::from(self.height)
    }
}

const fn file(
    name: &'static str,
    more: &'static str,
    less: &'static str,
    value: fn(&Facts) -> Value,
) -> Feature {
    Feature { name, kind: Kind::File, more, less, value }
}

const fn trace(
    name: &'static str,
    more: &'static str,
    less: &'static str,
    value: fn(&Facts) -> Value,
) -> Feature {
    Feature { name, kind: Kind::Trace, more, less, value }
}

const fn content(
    name: &'static str,
    more: &'static str,
    less: &'static str,
    value: fn(&Facts) -> Value,
) -> Feature {
    Feature { name, kind: Kind::Content, more, less, value }
}

/// All features, in the order of tables.
pub const FEATURES: &[Feature] = &[
    file("format", "", "", |facts| {
        facts.file.format.map_or(Value::Missing, |format| Value::Category(format.as_str().to_owned()))
    }),
    file("size", "", "", |facts| Value::Category(format!("{} x {}", facts.width, facts.height))),
    file("width", "wider", "narrower", |facts| Value::Number(f64::from(facts.width))),
    file("height", "taller", "less tall", |facts| Value::Number(f64::from(facts.height))),
    file("megapixels", "larger", "smaller", |facts| Value::Number(facts.pixels() / 1e6)),
    file("aspect", "wider for their height", "narrower for their height", |facts| {
        Value::Number(f64::from(facts.width) / f64::from(facts.height))
    }),
    file("square", "more often square", "less often square", |facts| {
        Value::Flag(facts.width == facts.height)
    }),
    file(
        "sides_of_64",
        "more often of sides that are multiples of 64",
        "less often of sides that are multiples of 64",
        |facts| Value::Flag(facts.width.is_multiple_of(64) && facts.height.is_multiple_of(64)),
    ),
    file(
        "sides_of_8",
        "more often of sides that are multiples of 8",
        "less often of sides that are multiples of 8",
        |facts| Value::Flag(facts.width.is_multiple_of(8) && facts.height.is_multiple_of(8)),
    ),
    file("jpeg_quality", "of higher JPEG quality", "of lower JPEG quality", |facts| {
        jpeg(facts, |jpeg| Some(Value::Number(f64::from(jpeg.quality?.value))))
    }),
    file("jpeg_quality_value", "", "", |facts| {
        jpeg(facts, |jpeg| Some(Value::Category(jpeg.quality?.value.to_string())))
    }),
    file(
        "jpeg_standard_tables",
        "more often with libjpeg's tables",
        "less often with libjpeg's tables",
        |facts| jpeg(facts, |jpeg| Some(Value::Flag(jpeg.quality?.exact))),
    ),
    file("jpeg_luma_steps", "coarser in their luma tables", "finer in their luma tables", |facts| {
        jpeg(facts, |jpeg| {
            let steps = jpeg.tables[0]?.iter().map(|&step| f64::from(step)).sum();
            Some(Value::Number(steps))
        })
    }),
    file("jpeg_tables", "", "", |facts| jpeg(facts, |jpeg| Some(Value::Category(tables_name(jpeg))))),
    file("jpeg_table_count", "of more tables", "of fewer tables", |facts| {
        jpeg(facts, |jpeg| Some(Value::Number(f64::from(jpeg.table_count))))
    }),
    file("jpeg_subsampling", "", "", |facts| {
        jpeg(facts, |jpeg| Some(Value::Category(jpeg.subsampling.clone())))
    }),
    file("jpeg_progressive", "more often progressive", "less often progressive", |facts| {
        jpeg(facts, |jpeg| Some(Value::Flag(jpeg.progressive)))
    }),
    file("jpeg_restarts", "more often with restart markers", "less often with restart markers", |facts| {
        jpeg(facts, |jpeg| Some(Value::Flag(jpeg.restarts)))
    }),
    file("jpeg_adobe", "more often with an Adobe marker", "less often with an Adobe marker", |facts| {
        jpeg(facts, |jpeg| Some(Value::Flag(jpeg.adobe)))
    }),
    file("jpeg_jfif", "more often with a JFIF header", "less often with a JFIF header", |facts| {
        jpeg(facts, |_| Some(Value::Flag(facts.file.jfif)))
    }),
    file("webp_lossless", "more often lossless WebP", "less often lossless WebP", |facts| {
        facts.file.webp_lossless.map_or(Value::Missing, Value::Flag)
    }),
    file("exif", "more often with Exif", "less often with Exif", |facts| Value::Flag(facts.file.exif)),
    file("icc", "more often with a colour profile", "less often with a colour profile", |facts| {
        Value::Flag(facts.file.icc)
    }),
    file("xmp", "more often with XMP", "less often with XMP", |facts| Value::Flag(facts.file.xmp)),
    file("text", "more often with a comment or text", "less often with a comment or text", |facts| {
        Value::Flag(facts.file.text)
    }),
    file("metadata_bytes", "richer in metadata", "poorer in metadata", |facts| {
        Value::Number(facts.file.metadata_bytes as f64)
    }),
    file("bit_depth", "of more bits", "of fewer bits", |facts| {
        facts.file.bit_depth.map_or(Value::Missing, |bits| Value::Number(f64::from(bits)))
    }),
    file("stored_channels", "of more stored channels", "of fewer stored channels", |facts| {
        facts.file.channels.map_or(Value::Missing, |channels| Value::Number(f64::from(channels)))
    }),
    file("palette", "more often with a palette", "less often with a palette", |facts| {
        Value::Flag(facts.file.palette || facts.file.format == Some(Format::Gif))
    }),
    file("alpha", "more often with transparency", "less often with transparency", |facts| {
        Value::Flag(facts.file.alpha)
    }),
    file("animated", "more often animated", "less often animated", |facts| Value::Flag(facts.file.animated)),
    trace("bytes_per_pixel", "less compressed", "more compressed", |facts| {
        Value::Number(facts.bytes as f64 / facts.pixels())
    }),
    trace("blocking", "stronger in their 8 x 8 grid", "weaker in their 8 x 8 grid", |facts| {
        number(facts.traces.blocking)
    }),
    trace(
        "shifted_blocking",
        "stronger in a shifted 8 x 8 grid",
        "weaker in a shifted 8 x 8 grid",
        |facts| number(facts.traces.shifted_blocking),
    ),
    trace(
        "earlier_jpeg",
        "fuller of traces of an earlier JPEG",
        "freer of traces of an earlier JPEG",
        |facts| number(facts.traces.earlier_jpeg),
    ),
    trace("sharpness", "sharper", "less sharp", |facts| number(facts.traces.sharpness)),
    trace("noise", "noisier", "less noisy", |facts| number(facts.traces.noise)),
    content("gray", "more often grey", "less often grey", |facts| Value::Flag(facts.traces.gray)),
    content("red_mean", "redder", "less red", |facts| Value::Number(facts.traces.mean[0])),
    content("green_mean", "greener", "less green", |facts| Value::Number(facts.traces.mean[1])),
    content("blue_mean", "bluer", "less blue", |facts| Value::Number(facts.traces.mean[2])),
    content("red_deviation", "of more contrast in red", "of less contrast in red", |facts| {
        Value::Number(facts.traces.deviation[0])
    }),
    content("green_deviation", "of more contrast in green", "of less contrast in green", |facts| {
        Value::Number(facts.traces.deviation[1])
    }),
    content("blue_deviation", "of more contrast in blue", "of less contrast in blue", |facts| {
        Value::Number(facts.traces.deviation[2])
    }),
    content("saturation", "more colourful", "less colourful", |facts| Value::Number(facts.traces.saturation)),
    content("black", "fuller of clipped shadows", "freer of clipped shadows", |facts| {
        Value::Number(facts.traces.black)
    }),
    content("white", "fuller of clipped lights", "freer of clipped lights", |facts| {
        Value::Number(facts.traces.white)
    }),
];

fn number(value: Option<f64>) -> Value {
    value.filter(|value| value.is_finite()).map_or(Value::Missing, Value::Number)
}

fn jpeg(facts: &Facts, value: impl Fn(&JpegFacts) -> Option<Value>) -> Value {
    facts.file.jpeg.as_ref().and_then(value).unwrap_or(Value::Missing)
}

/// Eight characters that stand for all tables of a file.
fn tables_name(jpeg: &JpegFacts) -> String {
    let bytes: Vec<u8> = jpeg
        .tables
        .iter()
        .flat_map(|table| table.iter().flatten().flat_map(|step| step.to_le_bytes()).chain([0xff; 2]))
        .collect();
    let mut name = crate::files::sha256_hex(&bytes);
    name.truncate(8);
    name
}
