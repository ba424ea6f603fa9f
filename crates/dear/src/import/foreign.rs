//! An ONNX file of others to a detector file: its own graph, between nodes that keep our contract, and a self-test.
//!
//! ```text
//! file + declarations -> checked against what the file shows -> wrapped -> run on an image whose answer is known -> detector
//! ```
//! What a file cannot say (range, mean and standard deviation, order of colours, which class is which) is asked for, all at
//! once; a wrong word is found by the self-test.

use std::path::{Path, PathBuf};

use dear_image::{DecodeOptions, Image, decode};
use serde_json::{Map, json};

use super::alternatives::fitting;
use super::check::{check_input, check_kind, check_output, require, shown};
use super::declared::{Answer, Color, Declared, Layout, Normalisation, Positive, Range};
use super::inside::find_inside;
use super::wrap::{Ends, Inside, wrap};
use crate::backbone::metadata::{Metadata, Source};
use crate::backbone::{ImportError, LooksLike, METADATA_KEY, OnnxModel, Problem};
use crate::detector::{Detector, DetectorError, read_model};
use crate::engine::EngineOptions;
use crate::error::Error;
use crate::files::{read_image, sha256_hex};
use crate::self_test::SelfTest;
use crate::view::View;

/// How far the logit of features and head may be from the network's own, times its size where that is above 1.
const RECOMPOSED: f64 = 1e-4;
/// How far features may move beside other images, times their size where that is above 1: what every detector keeps.
const BESIDE: f32 = 1e-5;
/// The oldest operators that this can be written in: since these, `Add` and its like take shapes that differ.
const LEAST_OPERATORS: i64 = 7;

/// What is declared of a foreign network. `None`: not said.
#[derive(Debug, Clone, Default)]
pub struct ForeignOptions {
    /// The order of the input's dimensions. Required.
    pub layout: Option<Layout>,
    /// What the input's numbers are. Required.
    pub range: Option<Range>,
    /// What follows. Required.
    pub normalisation: Option<Normalisation>,
    /// The order of colours. Required.
    pub color: Option<Color>,
    /// What the network answers. Required.
    pub output: Option<Answer>,
    /// For which class a single number is high. Required for one, refused for two numbers.
    pub positive: Option<Positive>,
    /// The output that holds the answer. Required where there are several.
    pub output_name: Option<String>,
    /// An image and what the original pipeline answered for it. Required.
    pub self_test: Option<GivenAnswer>,
    /// Where the features are, if the detector is to have them.
    pub features: Option<FeatureOptions>,
    /// How an image of any size becomes what the network sees. Default: it is the image.
    pub view: Option<View>,
    /// What the detector is called. Default: the file's name.
    pub name: Option<String>,
    /// The licence of the weights. Default: `unknown`.
    pub licence: Option<String>,
}

/// What the original pipeline answered for an image.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenAnswer {
    /// The image file.
    pub image: PathBuf,
    /// Its answer: see [`Declared::value`].
    pub numbers: Vec<f64>,
}

/// Where a network's features and its last layer are.
#[derive(Debug, Clone)]
pub struct FeatureOptions {
    /// The tensor whose mean over the picture goes through the linear layer.
    pub tensor: String,
    /// The order of its dimensions.
    pub layout: Layout,
    /// The initializer with the layer's weights.
    pub weight: String,
    /// The one with its bias, if it has one.
    pub bias: Option<String>,
}

/// A detector, and what was found on the way to it.
#[derive(Debug)]
pub struct ImportedForeign {
    /// Ready to score.
    pub detector: Detector,
    /// Sentences about what the self-test does not tell apart.
    pub notes: Vec<String>,
}

/// Imports an ONNX file of others.
///
/// # Errors
/// If declarations are missing or contradict the file, if the wrapped network does not run, or if it fails its self-test.
pub fn import_foreign(
    path: &Path,
    options: &ForeignOptions,
    engine: &EngineOptions,
) -> Result<ImportedForeign, Error> {
    let file = read_model(path)?;
    import_bytes(&file, path, options, engine).map_err(|error| match error {
        Error::Import { message, hint } => {
            Error::Import { message: format!("{}: {message}", path.display()), hint }
        }
        Error::Detector(DetectorError::Import(error)) => error.named(path.display()).into(),
        other => other,
    })
}

fn import_bytes(
    file: &[u8],
    path: &Path,
    options: &ForeignOptions,
    engine: &EngineOptions,
) -> Result<ImportedForeign, Error> {
    let model = OnnxModel::parse(file).map_err(not_onnx)?;
    if model.metadata(METADATA_KEY)?.is_some() {
        return Err(refused("a file that dear wrote already", "use it as it is: --detector"));
    }
    let operators = model.operators()?;
    if operators.is_none_or(|version| version < LEAST_OPERATORS) {
        let found = operators.map_or("none".to_owned(), |version| version.to_string());
        let message = format!("operator set {found}, expected {LEAST_OPERATORS} or newer");
        return Err(refused(message, "export the network again, or convert it (onnx.version_converter)"));
    }
    let [input] = model.inputs() else {
        let message =
            format!("{} inputs ({}), expected one image", model.inputs().len(), shown(model.inputs()));
        return Err(refused(message, "export the network with the image as its only input"));
    };
    let (declared, output, given) = require(options, &model)?;
    check_input(input, &declared)?;
    check_output(output, &declared)?;
    check_kind(&model, output, &declared)?;
    let inside =
        options.features.as_ref().map(|features| find_inside(&model, features, &declared)).transpose()?;

    let image = read(&given.image)?;
    let about_image = |reason: String| refused(format!("{}: {reason}", given.image.display()), SELF_TEST);
    let value = declared
        .value(&given.numbers)
        .map_err(|reason| refused(format!("--self-test: {reason}"), SELF_TEST))?;
    let test = SelfTest::new(&image, declared.output.scale(), value).map_err(about_image)?;
    let mut ends = Ends { input, output: &output.name, single: false };
    let metadata = metadata(file, path, options, &declared, ends, test.clone());
    let view = options.view.clone().unwrap_or_default();
    let detector_of = |ends: Ends<'_>, declared: &Declared, inside: Option<&Inside>| {
        let wrapped = wrap(&model, ends, declared, inside, view.clone(), metadata.clone())?;
        Detector::from_bytes(wrapped, engine)
    };
    let mut own = detector_of(ends, &declared, None).map_err(does_not_run)?;
    let logit = own.score(&image).map_err(does_not_run)?;
    let result = test.judge(logit);
    let others = || {
        let bare = Declared {
            range: Range::Unit,
            normalisation: Normalisation::None,
            color: Color::Rgb,
            ..declared.clone()
        };
        let fitting = detector_of(ends, &bare, None).map(|bare| fitting(&bare, &image, &declared, &test));
        fitting.map_err(does_not_run)
    };
    if !result.passed() {
        let (scale, found, expected) = (test.scale.word(), result.found, result.expected);
        let message = format!(
            "the self-test fails: {} has {scale} {found:.6}, expected {expected:.6} within {} (of the generated class)",
            given.image.display(),
            result.tolerance
        );
        let others = others()?;
        let hint = match others.is_empty() {
            true => format!(
                "no other order of colours, range, normalisation or class that was tried fits either: compare what the \
                 original pipeline does, its resizing included{}",
                if own.info().name == "builtin" {
                    "; or take --engine onnxruntime, for the built-in one may differ"
                } else {
                    ""
                }
            ),
            false => format!(
                "these would have given it, if they are what the original does: {}",
                others.join("; or ")
            ),
        };
        return Err(Error::Import { message, hint });
    }
    let notes = others()?.into_iter().map(|options| {
        format!("the self-test does not tell these declarations from {options}: another image would")
    });
    let mut notes: Vec<String> = notes.collect();
    if let Some(why) = not_for_batches(&own, &image) {
        notes.push(format!("{why}: it is given one image at a time"));
        ends.single = true;
        own = detector_of(ends, &declared, None).map_err(does_not_run)?;
    }
    let Some(inside) = &inside else { return Ok(ImportedForeign { detector: own, notes }) };
    let detector = detector_of(ends, &declared, Some(inside)).map_err(does_not_run)?;
    let recomposed = detector.score(&image).map_err(does_not_run)?;
    let [found, expected] = [recomposed, logit].map(|logit| test.scale.of(logit));
    if (found - expected).abs() > RECOMPOSED * expected.abs().max(1.0) {
        let message = format!(
            "features \"{}\", their mean and the linear layer give {} {found:.6}, the network itself {expected:.6}",
            inside.features,
            test.scale.word()
        );
        return Err(refused(
            message,
            "name the tensor whose mean goes straight into the last layer, or leave --features out",
        ));
    }
    Ok(ImportedForeign { detector, notes })
}

/// Why images do not go through the network together, if they do not: dynamic quantisation, for one, takes the range of all.
fn not_for_batches(detector: &Detector, image: &Image) -> Option<&'static str> {
    let seen = detector.seen(image).ok()?.into_iter().next()?;
    let (width, height) = seen.size();
    let other = Image::from_fn(width, height, |x, y| seen.pixel(x, y).map(|value| 255 - value));
    let alone = detector.pooled_batch(&[seen.as_ref()]).ok()?;
    let Ok(beside) = detector.pooled_batch(&[seen.as_ref(), &other]) else {
        return Some("it does not run on two images at once");
    };
    let far = |(a, b): (&f32, &f32)| (a - b).abs() > BESIDE * a.abs().max(1.0);
    let differ = alone.iter().zip(&beside).any(|(alone, beside)| alone.iter().zip(beside).any(far));
    differ.then_some("its answer depends on the other images of a batch")
}

const SELF_TEST: &str = "score one image with the original pipeline: --self-test IMAGE=ANSWER; without --view IMAGE is what the network sees";

pub(super) fn refused(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Import { message: message.into(), hint: hint.into() }
}

/// A file that is no ONNX model, in the words of an import.
fn not_onnx(error: ImportError) -> ImportError {
    let hint = match error.problem() {
        Problem::NotOnnx(LooksLike::TorchZip | LooksLike::Pickle | LooksLike::Safetensors) => {
            "a PyTorch checkpoint: name its network as --arch, or leave --arch out (dear import --help)"
        }
        Problem::NotOnnx(LooksLike::Picture | LooksLike::Unknown) => {
            "give the .onnx file that the network was exported to"
        }
        _ => return error,
    };
    error.hinted(hint)
}

/// An engine that refuses the wrapped network speaks of the file and its declarations, not of the machine.
fn does_not_run(error: impl Into<DetectorError>) -> Error {
    let error = error.into();
    match error {
        DetectorError::Runtime(ref failure) if matches!(failure.kind(), "model" | "run") => {
            // The built-in engine and providers have hints of their own.
            let other = || "try --engine builtin, or export the network in f32".to_owned();
            let hint = error.hint().unwrap_or_else(other);
            refused(format!("the wrapped network does not run: {error}"), hint)
        }
        DetectorError::WrongSize { .. } | DetectorError::View(_) => {
            refused(format!("--self-test: {error}"), SELF_TEST)
        }
        DetectorError::Runtime(_) | DetectorError::Import(_) => error.into(),
        _ => refused(
            format!("the wrapped network does not answer as declared: {error}"),
            "compare --output and --output-name with what the file shows",
        ),
    }
}

fn read(path: &Path) -> Result<Image, Error> {
    let options = DecodeOptions::default();
    let named = |reason: String| refused(format!("--self-test: {}: {reason}", path.display()), SELF_TEST);
    let bytes = read_image(path, &options).map_err(|error| named(error.to_string()))?;
    decode(&bytes, &options).map(|decoded| decoded.image).map_err(|error| named(error.to_string()))
}

fn metadata(
    file: &[u8],
    path: &Path,
    options: &ForeignOptions,
    declared: &Declared,
    ends: Ends<'_>,
    test: SelfTest,
) -> Metadata {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let features = options.features.as_ref().map(|features| {
        json!({
            "tensor": features.tensor, "layout": features.layout,
            "head_weight": features.weight, "head_bias": features.bias,
        })
    });
    let record = json!({
        "input": ends.input.name, "output": ends.output, "declared": declared, "features": features,
    });
    Metadata {
        architecture: "foreign ONNX".to_owned(),
        licence: options.licence.clone().unwrap_or_else(|| "unknown".to_owned()),
        source: Source {
            checkpoint: path.file_name().map(|name| name.to_string_lossy().into_owned()),
            sha256: Some(sha256_hex(file)),
            extra: Map::from_iter([("foreign".to_owned(), record)]),
        },
        head: json!({"training": "none by dear", "imported": "foreign"}),
        self_test: Some(test),
        ..Metadata::new(options.name.clone().unwrap_or(stem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RuntimeError;

    #[test]
    fn an_engine_that_refuses_the_network_says_what_else_to_try() {
        let refusing = |engine: &str| {
            let error = RuntimeError::Model { engine: engine.to_owned(), reason: "no kernel".to_owned() };
            does_not_run(error).hint().expect("a hint")
        };
        assert_eq!(refusing("onnxruntime 1.22.0"), "try --engine builtin, or export the network in f32");
        assert!(refusing("builtin (rten 0.27.0)").contains("ONNX Runtime"));
    }
}
