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

use super::declared::{Answer, Color, Declared, Layout, Normalisation, Positive, Range};
use super::wrap::{DOUBLE, Ends, FLOAT, FLOAT16, Inside, UINT8, wrap};
use crate::architecture::{IMAGENET_MEAN, IMAGENET_STD};
use crate::backbone::OnnxModel;
use crate::backbone::metadata::{Metadata, Source};
use crate::backbone::onnx::Port;
use crate::detector::{Detector, DetectorError, Quantity, read_model, to_tensor};
use crate::engine::EngineOptions;
use crate::error::Error;
use crate::files::{read_image, sha256_hex};
use crate::head::Head;
use crate::self_test::SelfTest;

/// How far the logit of features and head may be from the network's own, times its size where that is above 1.
const RECOMPOSED: f64 = 1e-4;
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
    let model = OnnxModel::parse(file)?;
    if model.metadata(crate::backbone::METADATA_KEY)?.is_some() {
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
    let inside =
        options.features.as_ref().map(|features| find_inside(&model, features, &declared)).transpose()?;

    let image = read(&given.image)?;
    let about_image = |reason: String| refused(format!("{}: {reason}", given.image.display()), SELF_TEST);
    let value = declared
        .value(&given.numbers)
        .map_err(|reason| refused(format!("--self-test: {reason}"), SELF_TEST))?;
    let test = SelfTest::new(&image, declared.output.scale(), value).map_err(about_image)?;
    let ends = Ends { input, output: &output.name };
    let metadata = metadata(file, path, options, &declared, ends, test.clone());
    let detector_of = |declared: &Declared, inside: Option<&Inside>| {
        let wrapped = wrap(&model, ends, declared, inside, metadata.clone())?;
        Detector::from_bytes(wrapped, engine)
    };
    let own = detector_of(&declared, None).map_err(does_not_run)?;
    let logit = own.score(&image).map_err(does_not_run)?;
    let result = test.judge(logit);
    let others = || {
        let bare = Declared {
            range: Range::Unit,
            normalisation: Normalisation::None,
            color: Color::Rgb,
            ..declared.clone()
        };
        let fitting = detector_of(&bare, None).map(|bare| fitting(&bare, &image, &declared, &test));
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
            true => "no other order of colours, range, normalisation or class that was tried fits either: compare what the \
                     original pipeline does, its resizing included"
                .to_owned(),
            false => format!("these would have given it, if they are what the original does: {}", others.join("; or ")),
        };
        return Err(Error::Import { message, hint });
    }
    let notes = others()?.into_iter().map(|options| {
        format!("the self-test does not tell these declarations from {options}: a more colourful image would")
    });
    let notes = notes.collect();
    let Some(inside) = &inside else { return Ok(ImportedForeign { detector: own, notes }) };
    let detector = detector_of(&declared, Some(inside)).map_err(does_not_run)?;
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

const SELF_TEST: &str =
    "score one image with the original pipeline: --self-test IMAGE=ANSWER; IMAGE is what the network sees";

fn refused(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Import { message: message.into(), hint: hint.into() }
}

/// An engine that refuses the wrapped network speaks of the file and its declarations, not of the machine.
fn does_not_run(error: impl Into<DetectorError>) -> Error {
    let error = error.into();
    let hint = error.hint().unwrap_or_default();
    match error {
        DetectorError::Runtime(ref failure) if matches!(failure.kind(), "model" | "run") => {
            refused(format!("the wrapped network does not run: {error}"), hint)
        }
        DetectorError::WrongSize { .. } => refused(format!("--self-test: {error}"), SELF_TEST),
        DetectorError::Runtime(_) | DetectorError::Import(_) => error.into(),
        _ => refused(
            format!("the wrapped network does not answer as declared: {error}"),
            "compare --output and --output-name with what the file shows",
        ),
    }
}

/// All that is declared and the output, or one error with all that is missing.
fn require<'m, 'o>(
    options: &'o ForeignOptions,
    model: &'m OnnxModel<'_>,
) -> Result<(Declared, &'m Port, &'o GivenAnswer), Error> {
    let shows =
        || format!("the file shows input {} and outputs {}", shown(model.inputs()), shown(model.outputs()));
    let output = match (&options.output_name, model.outputs()) {
        (Some(name), outputs) => match outputs.iter().find(|port| port.name == *name) {
            Some(output) => Some(output),
            None => {
                return Err(refused(
                    format!("no output \"{name}\"; {}", shows()),
                    "give one of them as --output-name",
                ));
            }
        },
        (None, [output]) => Some(output),
        (None, _) => None,
    };
    let single = !matches!(options.output, Some(Answer::Logits(_) | Answer::Softmax(_)));
    if !single && options.positive.is_some() {
        let message = "--positive is for one number, of two --output names the index of the generated class";
        return Err(refused(message, "leave --positive out"));
    }
    let ForeignOptions {
        layout: Some(layout),
        range: Some(range),
        normalisation: Some(normalisation),
        color: Some(color),
        output: Some(answer),
        self_test: Some(given),
        ..
    } = options
    else {
        return Err(missing(options, output.is_none(), single, &shows()));
    };
    let (Some(output), true) = (output, !single || options.positive.is_some()) else {
        return Err(missing(options, output.is_none(), single, &shows()));
    };
    let declared = Declared {
        layout: *layout,
        range: *range,
        normalisation: *normalisation,
        color: *color,
        output: *answer,
        positive: options.positive,
    };
    Ok((declared, output, given))
}

fn missing(options: &ForeignOptions, output_name: bool, single: bool, shows: &str) -> Error {
    let all = [
        (options.layout.is_none(), "--layout"),
        (options.range.is_none(), "--range"),
        (options.normalisation.is_none(), "--mean and --std or --no-normalisation"),
        (options.color.is_none(), "--color"),
        (options.output.is_none(), "--output"),
        (single && options.positive.is_none(), "--positive"),
        (output_name, "--output-name"),
        (options.self_test.is_none(), "--self-test"),
    ];
    let missing: Vec<_> = all.iter().filter(|(missing, _)| *missing).map(|(_, option)| *option).collect();
    refused(
        format!("not declared: {}; {shows}", missing.join(", ")),
        "say what the original pipeline does, nothing is guessed: dear import --help has each option",
    )
}

fn check_input(input: &Port, declared: &Declared) -> Result<(), Error> {
    let (layout, expected, [colours, other]) = match declared.layout {
        Layout::Nchw => ("nchw", "[N, 3, H, W]", [1, 3]),
        Layout::Nhwc => ("nhwc", "[N, H, W, 3]", [3, 1]),
    };
    let shape = input.shape.as_deref();
    let length = |index: usize| shape.and_then(|shape| shape.get(index).copied().flatten());
    // Where the place of the colours is open, three at the other place says the other layout.
    let three = match (length(colours), length(other)) {
        (Some(length), _) => length == 3,
        (None, other) => other != Some(3),
    };
    let fits = shape.is_none_or(|shape| shape.len() == 4) && three;
    if !fits {
        let message = format!("input {}, expected {expected} as --layout {layout} says", port(input));
        return Err(refused(message, "declare the layout that the file shows; networks take three colours"));
    }
    if length(0).is_some_and(|batch| batch != 1) {
        let message = format!("input {}, expected a batch of 1 or of any number", port(input));
        return Err(refused(message, "export the network again with a batch that is open (dynamic axis)"));
    }
    match input.element_type {
        FLOAT | FLOAT16 | DOUBLE => Ok(()),
        UINT8 if declared.range == Range::Bytes && declared.normalisation == Normalisation::None => Ok(()),
        UINT8 => Err(refused(
            format!("input {} takes bytes, expected --range 0..255 --no-normalisation", port(input)),
            "what the network does with bytes is in its graph",
        )),
        _ => Err(refused(
            format!("input {}, expected f32, f16, f64 or u8", port(input)),
            "export the network again with an input of f32",
        )),
    }
}

/// `N` rows of one or two numbers, in whatever shape.
fn check_output(output: &Port, declared: &Declared) -> Result<(), Error> {
    let numbers = declared.output.numbers();
    let lengths = output.shape.as_deref().and_then(|shape| shape.get(1..)).unwrap_or_default();
    // A length that is open may be any; one dimension alone is the batch, or the answer of a single image.
    let open = lengths.iter().any(Option::is_none);
    let product = lengths.iter().flatten().try_fold(1u64, |product, &side| product.checked_mul(side));
    let flat = output.shape.as_deref().is_none_or(|shape| shape.len() < 2);
    if flat || product == Some(numbers) || (open && product.is_some_and(|product| product <= numbers)) {
        return Ok(());
    }
    Err(refused(
        format!(
            "output {}, expected {numbers} for each image as --output {} says",
            port(output),
            declared.output
        ),
        "for one number declare logit or probability, for two logits:INDEX or softmax:INDEX; other classifiers are no detectors",
    ))
}

/// The linear layer as one row that is above 0 for generated.
fn find_inside(
    model: &OnnxModel<'_>,
    options: &FeatureOptions,
    declared: &Declared,
) -> Result<Inside, Error> {
    if !model.computes(&options.tensor) {
        let message = format!("no node computes a tensor \"{}\"", options.tensor);
        return Err(refused(message, "look the name up in a viewer (netron), or leave --features out"));
    }
    let tensor = |name: &str| model.tensor(name).map_err(Error::from);
    let weight = tensor(&options.weight)?;
    let bias = options.bias.as_deref().map(tensor).transpose()?;
    let classes = declared.output.numbers() as usize;
    let sides: Vec<u64> = weight.shape.iter().copied().filter(|&side| side != 1).collect();
    let wrong = |what: &str, shape: &[u64], expected: &str| {
        refused(
            format!("{what} is {shape:?}, expected {expected}"),
            "name the initializers of the last linear layer",
        )
    };
    let wrong_weight = || {
        wrong(&options.weight, &weight.shape, &format!("{classes} rows or columns of one number a channel"))
    };
    let values = &weight.data;
    // Which rows or columns are the generated class and the real one.
    let rows = |class: usize| values.chunks_exact((values.len() / 2).max(1)).nth(class).map(<[f32]>::to_vec);
    let columns = |class: usize| Some(values.iter().skip(class).step_by(2).copied().collect::<Vec<f32>>());
    let class: &dyn Fn(usize) -> Option<Vec<f32>> = match (classes, sides.as_slice()) {
        (1, [] | [_]) => &|_| Some(values.clone()),
        // [2, 2] has rows and columns of one length: which is which would be a guess.
        (2, [2]) => &rows,
        (2, &[2, channels]) if channels > 2 => &rows,
        (2, &[channels, 2]) if channels > 2 => &columns,
        _ => return Err(wrong_weight()),
    };
    let biases = match &bias {
        Some(bias) if bias.data.len() == classes => bias.data.clone(),
        Some(bias) => {
            let name = options.bias.as_deref().unwrap_or_default();
            return Err(wrong(name, &bias.shape, &format!("{classes} numbers")));
        }
        None => vec![0.0; classes],
    };
    let head = match declared.output {
        Answer::Logits(generated) | Answer::Softmax(generated) => {
            let (high, low) = class(generated).zip(class(1 - generated)).ok_or_else(wrong_weight)?;
            let weight = high.iter().zip(&low).map(|(high, low)| high - low).collect();
            Head { weight, bias: biases[generated] - biases[1 - generated] }
        }
        Answer::Logit | Answer::Probability => {
            let sign = if declared.positive == Some(Positive::Real) { -1.0 } else { 1.0 };
            Head { weight: values.iter().map(|value| sign * value).collect(), bias: sign * biases[0] }
        }
    };
    Ok(Inside { features: options.tensor.clone(), layout: options.layout, head })
}

fn read(path: &Path) -> Result<Image, Error> {
    let options = DecodeOptions::default();
    let named = |reason: String| refused(format!("--self-test: {}: {reason}", path.display()), SELF_TEST);
    let bytes =
        read_image(path, &options).map_err(|error| refused(format!("--self-test: {error}"), SELF_TEST))?;
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

/// Other declarations under which the answer is the expected one, as options. `bare` is the network behind no preprocessing
/// at all, which is done here instead: one session serves all.
fn fitting(bare: &Detector, image: &Image, declared: &Declared, test: &SelfTest) -> Vec<String> {
    let mut found = Vec::new();
    for tried in alternatives(declared) {
        let Ok((shape, mut data)) = to_tensor(&[image]) else { continue };
        prepare(&mut data, &tried);
        let Ok([logit]) = bare.compute_raw(shape, &data, [Quantity::Logit]) else { continue };
        let logit = f64::from(logit.data[0]);
        if tried.sees_unlike(declared) && test.judge(logit).passed() {
            found.push(tried.options_unlike(declared));
        }
        // The number that was given may be that of the other class.
        if let Some(turned) = tried.turned().filter(|_| test.judge(-logit).passed()) {
            found.push(turned.options_unlike(declared));
        }
    }
    found.truncate(3);
    found
}

fn alternatives(declared: &Declared) -> Vec<Declared> {
    let mut all = Vec::new();
    for color in [declared.color, if declared.color == Color::Rgb { Color::Bgr } else { Color::Rgb }] {
        for range in [Range::Unit, Range::Bytes, Range::Signed] {
            let factor = if range == Range::Bytes { 255.0 } else { 1.0 };
            let imagenet = Normalisation::Colours {
                mean: IMAGENET_MEAN.map(|value| value * factor),
                std: IMAGENET_STD.map(|value| value * factor),
            };
            let usual = [Normalisation::None, imagenet];
            let usual = usual.into_iter().filter(|&usual| usual != declared.normalisation);
            for normalisation in [declared.normalisation].into_iter().chain(usual) {
                all.push(Declared { color, range, normalisation, ..declared.clone() });
            }
        }
    }
    all
}

/// What [`wrap`] puts into the graph, but for layout and type, on planes of RGB in 0..1.
fn prepare(data: &mut [f32], declared: &Declared) {
    let (mean, std) = declared.as_unit();
    let plane = data.len() / 3;
    for (colour, values) in data.chunks_exact_mut(plane.max(1)).enumerate() {
        for value in values {
            *value = ((f64::from(*value) - mean[colour]) / std[colour]) as f32;
        }
    }
    if declared.color == Color::Bgr {
        let (first, rest) = data.split_at_mut(plane);
        first.swap_with_slice(&mut rest[plane..]);
    }
}

fn shown(ports: &[Port]) -> String {
    let all: Vec<_> = ports.iter().map(port).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// `"x" f32 [1, 3, ?, ?]`.
fn port(port: &Port) -> String {
    let kind = match port.element_type {
        FLOAT => "f32".to_owned(),
        UINT8 => "u8".to_owned(),
        3 => "i8".to_owned(),
        6 => "i32".to_owned(),
        7 => "i64".to_owned(),
        FLOAT16 => "f16".to_owned(),
        DOUBLE => "f64".to_owned(),
        16 => "bf16".to_owned(),
        other => format!("element type {other}"),
    };
    let shape = port.shape.as_deref().map_or("of any shape".to_owned(), crate::detector::describe);
    format!("\"{}\" {kind} {shape}", port.name)
}
