//! The JSON document `dear` in a model file: what the network is, how it was changed, and how its scores are read.
//!
//! Fields that this version does not know are kept when the document is written again. Numbers that nobody measured
//! are null, never invented.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ImportError, Problem};
use crate::calibrate::Calibration;
use crate::gate::{Cut, Gate, GateOptions, Ranking};
use crate::self_test::SelfTest;
use crate::view::View;

/// The version of the document that this program reads and writes.
pub const SCHEMA: u64 = 1;

/// More than any network strides or sees.
const MOST_PIXELS: u32 = 1 << 16;

/// The document of a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// [`SCHEMA`].
    pub schema: u64,
    /// A short name, for people and records.
    pub name: String,
    /// The network, for example `mini-resnet`.
    #[serde(default)]
    pub architecture: String,
    /// The licence of the weights, as an SPDX expression where one exists.
    #[serde(default)]
    pub licence: String,
    /// Where the weights come from.
    #[serde(default)]
    pub source: Source,
    /// Pixels of the image for one step on the feature grid.
    #[serde(default)]
    pub stride: Option<u32>,
    /// Side in pixels of what one feature sees.
    #[serde(default)]
    pub receptive_field: Option<u32>,
    /// Pixels around a tile that make its features exact. Null for networks that see the whole image.
    #[serde(default)]
    pub halo: Option<u32>,
    /// The shortest side that gives one feature: a side of L pixels gives `(L - span) / stride + 1`, rounded down. Null: 1,
    /// as in networks that pad their layers, where sides are divided and rounded up.
    #[serde(default)]
    pub span: Option<u32>,
    /// What the network holds while it computes. Null where nobody counted it.
    #[serde(default)]
    pub memory: Option<Memory>,
    /// The number of feature channels, `C`.
    pub channels: u32,
    /// What the graph does with its input before the first layer.
    #[serde(default)]
    pub preprocessing: Preprocessing,
    /// How an image of any size becomes what the network sees.
    #[serde(default)]
    pub view: View,
    /// Which images the scores are meant for.
    #[serde(default)]
    pub valid_input: ValidInput,
    /// How the channels were gated. Null for a detector as it was trained.
    #[serde(default)]
    pub gate: Option<GateRecord>,
    /// The scores behind the gate.
    #[serde(default)]
    pub rad: Option<RadRecord>,
    /// How the head was trained, in the trainer's own words.
    #[serde(default)]
    pub head: Value,
    /// Heads to compare this one with on the same features.
    #[serde(default)]
    pub heads: Vec<NamedHead>,
    /// Above which logit an image counts as generated.
    #[serde(default)]
    pub threshold: Threshold,
    /// How logits become probabilities. Null where nobody calibrated.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// All options of the run that made this file.
    #[serde(default)]
    pub recipe: Option<Value>,
    /// An image and what the detector must answer for it. Null where nobody stored one.
    #[serde(default)]
    pub self_test: Option<SelfTest>,
    /// What one must know before trusting a score.
    #[serde(default)]
    pub card: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Source {
    /// The file they were read from.
    #[serde(default)]
    pub checkpoint: Option<String>,
    /// Its hash.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The normalisation inside of the graph. A record: nothing outside repeats it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// The order of channels that the input has: `rgb`.
    #[serde(default = "rgb")]
    pub color: String,
    /// The range of the input.
    #[serde(default = "unit_range")]
    pub range: [f64; 2],
    /// Subtracted per channel.
    #[serde(default)]
    pub mean: Option<[f64; 3]>,
    /// Divided by per channel.
    #[serde(default)]
    pub std: Option<[f64; 3]>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self { color: rgb(), range: unit_range(), mean: None, std: None, extra: Map::new() }
    }
}

fn rgb() -> String {
    "rgb".to_owned()
}

fn unit_range() -> [f64; 2] {
    [0.0, 1.0]
}

/// The images that scores are meant for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidInput {
    /// The shortest side in pixels; smaller images are refused.
    #[serde(default = "one")]
    pub min_side: u32,
    /// Shortest and longest *shorter side*, in pixels, of the images that it was calibrated on. Null where nobody said.
    #[serde(default)]
    pub sides: Option<[u32; 2]>,
    /// Formats of those images, as records name them. Null where nobody said.
    #[serde(default)]
    pub formats: Option<Vec<String>>,
    /// What the network has seen.
    #[serde(default)]
    pub trained_on: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for ValidInput {
    fn default() -> Self {
        Self { min_side: one(), sides: None, formats: None, trained_on: None, extra: Map::new() }
    }
}

impl ValidInput {
    /// In what an image of `(width, height)` and a format lies outside of the stated range. `None`: no range is stated.
    pub fn outside(&self, (width, height): (u32, u32), format: &str) -> Option<Vec<String>> {
        if self.sides.is_none() && self.formats.is_none() {
            return None;
        }
        let mut facts = Vec::new();
        let side = width.min(height);
        if let Some([low, high]) = self.sides.filter(|[low, high]| !(*low..=*high).contains(&side)) {
            facts.push(format!("shorter side of {side} pixels, it was calibrated on {low} to {high}"));
        }
        if let Some(formats) = self.formats.as_ref().filter(|all| !all.iter().any(|one| one == format)) {
            facts.push(format!("format {format}, it was calibrated on {}", formats.join(", ")));
        }
        Some(facts)
    }
}

fn one() -> u32 {
    1
}

/// What a network holds while it computes; tiles and batches are sized by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Bytes for one pixel of the input: the largest set of activations that are alive at once, in f32.
    pub bytes_per_pixel: u32,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Which channels a hardened detector no longer uses, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateRecord {
    /// The share pruned at the high end of the ranking. Null for a gate that came with a checkpoint.
    #[serde(default)]
    pub prune_top: Option<f64>,
    /// The share pruned at the low end.
    #[serde(default)]
    pub prune_bottom: Option<f64>,
    /// How channels were chosen: see [`GateOptions::criterion`].
    pub criterion: String,
    /// The number of channels that are left.
    pub kept: u32,
    /// The indices of the others, ascending.
    pub pruned: Vec<u32>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl GateRecord {
    /// The record of a gate.
    pub fn new(gate: &Gate, options: &GateOptions) -> Self {
        let pruned = (0u32..).zip(&gate.keep).filter(|(_, keep)| !**keep).map(|(channel, _)| channel);
        let pruned: Vec<u32> = pruned.collect();
        let share = |n: usize| n as f64 / gate.channels().max(1) as f64;
        let (prune_top, prune_bottom) = match options.cut {
            Cut::Fractions { top, bottom } if options.ranking != Ranking::None => (top, bottom),
            _ => (share(gate.n_top), share(gate.n_bottom)),
        };
        Self {
            prune_top: Some(prune_top),
            prune_bottom: Some(prune_bottom),
            criterion: options.criterion(),
            kept: (gate.keep.len() - pruned.len()) as u32,
            pruned,
            extra: Map::new(),
        }
    }

    /// For each of `kept + pruned` channels, whether it is kept.
    pub fn keep(&self) -> Vec<bool> {
        let channels = self.kept as usize + self.pruned.len();
        let mut keep = vec![true; channels];
        for &channel in &self.pruned {
            if let Some(keep) = keep.get_mut(channel as usize) {
                *keep = false;
            }
        }
        keep
    }
}

/// Relative activation differences of the channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RadRecord {
    /// One score for each channel.
    pub scores: Vec<f64>,
    /// How they were measured.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A head that is carried along for comparison: `base`, `base-bias`, `refit`, `random-gate`, ...
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedHead {
    /// What it is called in tables.
    pub name: String,
    /// One weight for each channel.
    pub weight: Vec<f32>,
    /// Added to the weighted sum.
    pub bias: f32,
    /// Where it comes from.
    #[serde(default)]
    pub note: Option<String>,
}

/// Above which logit an image counts as generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The logit.
    pub value: f64,
    /// Who chose it, on which data.
    pub origin: String,
    /// Logits between which (ends included) the detector does not decide; the threshold lies within. Null: it decides at
    /// the threshold.
    #[serde(default)]
    pub uncertain: Option<[f64; 2]>,
}

impl Threshold {
    /// Below the first logit an image is called real, above the second generated.
    pub fn ends(&self) -> [f64; 2] {
        self.uncertain.unwrap_or([self.value; 2])
    }
}

impl Default for Threshold {
    fn default() -> Self {
        Self { value: 0.0, origin: "default (logit 0)".to_owned(), uncertain: None }
    }
}

impl Metadata {
    /// A document that says nothing but a name.
    pub fn new(name: String) -> Self {
        Self {
            schema: SCHEMA,
            name,
            architecture: String::new(),
            licence: String::new(),
            source: Source::default(),
            stride: None,
            receptive_field: None,
            halo: None,
            span: None,
            memory: None,
            channels: 0,
            preprocessing: Preprocessing::default(),
            view: View::default(),
            valid_input: ValidInput::default(),
            gate: None,
            rad: None,
            head: Value::Null,
            heads: Vec::new(),
            threshold: Threshold::default(),
            calibration: None,
            recipe: None,
            self_test: None,
            card: None,
            extra: Map::new(),
        }
    }

    /// [`Metadata::span`], which is 1 where nothing is said.
    pub fn span(&self) -> u32 {
        self.span.unwrap_or(1).max(1)
    }

    /// Reads and checks the document of a detector.
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let metadata: Self = parse(text, None)?;
        metadata.check()?;
        Ok(metadata)
    }

    /// Refuses a document that contradicts itself.
    pub fn check(&self) -> Result<(), ImportError> {
        for (field, value) in [("stride", self.stride), ("halo", self.halo), ("span", self.span)] {
            if let Some(value) = value.filter(|&value| value > MOST_PIXELS) {
                return Err(refused(format!("{field} is {value}, expected at most {MOST_PIXELS}")));
            }
        }
        // Else an image would be taken that has no cell.
        let (span, min_side) = (self.span(), self.valid_input.min_side.max(1));
        if self.halo.is_some() && span > min_side {
            return Err(refused(format!(
                "span is {span}, expected at most valid_input.min_side, {min_side}"
            )));
        }
        if self.memory.as_ref().is_some_and(|memory| memory.bytes_per_pixel == 0) {
            return Err(refused("memory.bytes_per_pixel is 0, expected at least 1".to_owned()));
        }
        let channels = self.channels as usize;
        let lengths = self.heads.iter().map(|head| (format!("heads.{}", head.name), head.weight.len()));
        let lengths = lengths.chain(self.rad.iter().map(|rad| ("rad.scores".to_owned(), rad.scores.len())));
        let gate = self.gate.iter().map(|gate| ("gate".to_owned(), gate.kept as usize + gate.pruned.len()));
        for (subject, length) in lengths.chain(gate) {
            if length != channels {
                return Err(refused(format!("{subject} has {length} channels, expected {channels}")));
            }
        }
        let pruned = self.gate.iter().flat_map(|gate| gate.pruned.windows(2));
        if pruned.into_iter().any(|pair| pair[0] >= pair[1])
            || self.gate.iter().filter_map(|gate| gate.pruned.last()).any(|&last| last >= self.channels)
        {
            return Err(refused(format!("gate.pruned is not ascending below {channels}")));
        }
        if !self.threshold.value.is_finite() {
            return Err(refused(format!("threshold.value is {}, expected a number", self.threshold.value)));
        }
        let [low, high] = self.threshold.ends();
        if !(low.is_finite()
            && high.is_finite()
            && low <= self.threshold.value
            && self.threshold.value <= high)
        {
            return Err(refused(format!(
                "threshold.uncertain is [{low}, {high}], expected two ascending numbers around {}",
                self.threshold.value
            )));
        }
        if let Some(test) = self.self_test.as_ref().filter(|test| !test.value.is_finite()) {
            return Err(refused(format!("self_test.value is {}, expected a number", test.value)));
        }
        if let Some(Err(error)) = self.calibration.as_ref().map(|calibration| calibration.map.check()) {
            return Err(refused(format!("calibration.map: {error}")));
        }
        Ok(())
    }

    /// The document as text.
    pub fn to_json(&self) -> Result<String, ImportError> {
        self.check()?;
        serde_json::to_string(self).map_err(|error| refused(error.to_string()))
    }
}

/// The document of a generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneratorMetadata {
    /// [`SCHEMA`].
    pub schema: u64,
    /// `generator`.
    pub kind: String,
    /// A short name, for people and records.
    pub name: String,
    /// How much larger the sides become.
    pub scale: u32,
    /// Pixels of the small image around a tile that make its result exact.
    pub halo: u32,
    /// The licence of the weights.
    #[serde(default)]
    pub licence: String,
    /// Where the weights come from.
    #[serde(default)]
    pub source: Source,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl GeneratorMetadata {
    /// Reads and checks the document of a generator.
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let metadata: Self = parse(text, Some("generator"))?;
        if !(1..=16).contains(&metadata.scale) {
            return Err(refused(format!("scale is {}, expected 1 to 16", metadata.scale)));
        }
        if metadata.halo > 4096 {
            return Err(refused(format!("halo is {}, expected at most 4096", metadata.halo)));
        }
        Ok(metadata)
    }
}

/// `kind` is what the document must call itself; detectors carry none.
fn parse<T: DeserializeOwned>(text: &str, kind: Option<&str>) -> Result<T, ImportError> {
    let value: Value = serde_json::from_str(text).map_err(|error| refused(format!("not JSON: {error}")))?;
    let found = value.get("schema").unwrap_or(&Value::Null);
    if found.as_u64() != Some(SCHEMA) {
        return Err(refused(format!("schema is {found}, expected {SCHEMA}")));
    }
    let found = value.get("kind").and_then(Value::as_str);
    if found.unwrap_or("detector") != kind.unwrap_or("detector") {
        let [found, expected] = [found, kind].map(|kind| kind.unwrap_or("detector"));
        return Err(refused(format!("kind is {found}, expected {expected}")));
    }
    serde_json::from_value(value).map_err(|error| refused(error.to_string()))
}

/// A self-test whose image cannot be read.
pub(crate) fn self_test_refused(reason: String) -> ImportError {
    refused(format!("self_test.image: {reason}"))
}

fn refused(message: String) -> ImportError {
    ImportError::new(Problem::Metadata(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn small() -> Value {
        json!({"schema": 1, "name": "t", "channels": 3, "head": {"training": "none"}, "unknown": [1, {"a": null}]})
    }

    #[test]
    fn unknown_fields_survive_reading_and_writing() {
        let mut document = small();
        document["source"] = json!({"checkpoint": "a.pth", "commit": "1234"});
        document["memory"] = json!({"bytes_per_pixel": 3072, "counted": "by hand"});
        document["gate"] = json!({
            "prune_top": 0.2, "prune_bottom": 0.3, "criterion": "bilateral", "kept": 2, "pruned": [1], "why": "x"
        });
        document["rad"] = json!({"scores": [1.5, -0.1, 0.30000000000000004], "probes": 12});
        document["calibration"] =
            calibration(json!({"method": "isotonic", "logits": [-1.5, 0.1], "probabilities": [0.1, 0.7]}));
        let metadata = Metadata::parse(&document.to_string()).expect("valid");
        assert_eq!((&metadata.threshold, metadata.threshold.ends()), (&Threshold::default(), [0.0; 2]));
        assert_eq!(metadata.gate.as_ref().expect("gate").keep(), [true, false, true]);
        let again: Value = serde_json::from_str(&metadata.to_json().expect("text")).expect("JSON");
        for (key, value) in document.as_object().expect("object") {
            assert!(contains(&again[key], value), "{key}: {} has not all of {value}", again[key]);
        }
        assert_eq!(Metadata::parse(&again.to_string()).expect("valid"), metadata);
    }

    /// A record of calibration, with a field of tomorrow.
    fn calibration(map: Value) -> Value {
        json!({
            "map": map, "losses": [{"method": "platt", "loss": 0.2}], "loss_before": 0.7, "loss_after": 0.1,
            "false_alarms": {"share": 0.05, "guarantee": "average", "n": 20, "beyond": 0, "logit": 1.5, "upper_95": 0.1391},
            "misses": null, "subsets": [], "data": "val", "data_sha256": "00", "real": 20, "fake": 9, "by_scene": false,
            "refused": 0, "conditions": ["clean"], "seed": 0, "engine": "none", "tomorrow": {"b": [1]}
        })
    }

    fn contains(whole: &Value, part: &Value) -> bool {
        match (whole, part) {
            (Value::Object(whole), Value::Object(part)) => {
                part.iter().all(|(key, value)| whole.get(key).is_some_and(|found| contains(found, value)))
            }
            _ => whole == part,
        }
    }

    #[test]
    fn a_gate_becomes_its_record_and_comes_back() {
        let gate = crate::gate::prune(&[0.5, -2.0, 3.0, 0.1, 0.0], Cut::default()).expect("gate");
        let record = GateRecord::new(&gate, &GateOptions::default());
        assert_eq!((record.kept, record.pruned.len()), (3, 2));
        assert_eq!(record.keep(), gate.keep);
    }

    #[test]
    fn documents_that_contradict_themselves_are_refused() {
        let cases = [
            ("schema", json!(2), "schema is 2, expected 1"),
            ("schema", Value::Null, "schema is null, expected 1"),
            ("kind", json!("generator"), "kind is generator, expected detector"),
            ("halo", json!(70_000), "halo is 70000, expected at most 65536"),
            ("span", json!(70_000), "span is 70000, expected at most 65536"),
            ("memory", json!({"bytes_per_pixel": 0}), "memory.bytes_per_pixel is 0, expected at least 1"),
            ("memory", json!({"bytes": 1}), "missing field `bytes_per_pixel`"),
            ("channels", json!("many"), "invalid type: string \"many\", expected u32"),
            ("rad", json!({"scores": [1.0]}), "rad.scores has 1 channels, expected 3"),
            (
                "heads",
                json!([{"name": "base", "weight": [1.0], "bias": 0.0}]),
                "heads.base has 1 channels, expected 3",
            ),
            (
                "gate",
                json!({"prune_top": 0, "prune_bottom": 0, "criterion": "x", "kept": 1, "pruned": [2, 1]}),
                "gate.pruned is not ascending below 3",
            ),
            (
                "threshold",
                json!({"value": 0.5, "origin": "x", "uncertain": [1, 2]}),
                "threshold.uncertain is [1, 2], expected two ascending numbers around 0.5",
            ),
            (
                "threshold",
                json!({"value": 0.5, "origin": "x", "uncertain": [1, 0]}),
                "threshold.uncertain is [1, 0], expected two ascending numbers around 0.5",
            ),
            (
                "calibration",
                calibration(json!({"method": "temperature", "temperature": -1.0})),
                "calibration.map: temperature is -1, expected a number above 0",
            ),
            (
                "calibration",
                json!({"map": {"method": "temperature", "temperature": 2}}),
                "missing field `losses`",
            ),
        ];
        for (key, value, expected) in cases {
            let mut document = small();
            document[key] = value;
            let error = Metadata::parse(&document.to_string()).expect_err(expected);
            assert_eq!(error.kind(), "metadata");
            assert_eq!(error.to_string(), format!("model: metadata \"dear\": {expected}"));
        }
        let mut document = small();
        (document["stride"], document["halo"], document["span"]) = (json!(8), json!(16), json!(200));
        let error = Metadata::parse(&document.to_string()).expect_err("no cell").to_string();
        assert!(error.ends_with("span is 200, expected at most valid_input.min_side, 1"), "{error}");
        assert!(Metadata::parse("{").expect_err("not JSON").to_string().contains("not JSON"));
    }
}
