//! Whether all is declared that must be, and whether the file shows what the declarations say.

use super::declared::{Answer, Declared, Layout, Normalisation, Range};
use super::foreign::{ForeignOptions, GivenAnswer, refused};
use super::wrap::{DOUBLE, FLOAT, FLOAT16, UINT8};
use crate::backbone::OnnxModel;
use crate::backbone::onnx::Port;
use crate::error::Error;
use crate::self_test::Scale;

/// All that is declared and the output, or one error with all that is missing.
pub(super) fn require<'m, 'o>(
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
    if let Normalisation::Colours { std, .. } = normalisation
        && let Some(value) = std.iter().find(|&&value| !(value > 0.0 && value.is_finite()))
    {
        return Err(refused(
            format!("--std has {value}, expected three numbers above 0"),
            "copy it from the original",
        ));
    }
    if let Answer::Logits(index @ 2..) | Answer::Softmax(index @ 2..) = answer {
        let message = format!("the generated class has index {index}, expected 0 or 1");
        return Err(refused(message, "a detector has two classes"));
    }
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

pub(super) fn check_input(input: &Port, declared: &Declared) -> Result<(), Error> {
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
pub(super) fn check_output(output: &Port, declared: &Declared) -> Result<(), Error> {
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

/// What computes the answer against what is declared of it. Only a surely wrong word is refused: sums and quotients may be
/// anything.
pub(super) fn check_kind(model: &OnnxModel<'_>, output: &Port, declared: &Declared) -> Result<(), Error> {
    let Some(origin) = model.origin(&output.name) else { return Ok(()) };
    let (gives, hint) = match (origin.operator.as_str(), declared.output) {
        ("Sigmoid" | "HardSigmoid", Answer::Logit) => {
            ("a probability", "declare --output probability".to_owned())
        }
        ("Sigmoid" | "HardSigmoid", Answer::Logits(_)) => (
            "probabilities",
            "export the network without its sigmoid, or with one number and --output probability".to_owned(),
        ),
        ("Softmax", Answer::Logit) if origin.picked => {
            ("a probability", "declare --output probability".to_owned())
        }
        ("Softmax", Answer::Logit | Answer::Probability) if !origin.picked => (
            "probabilities whose sum is 1",
            "declare --output softmax:INDEX for two numbers; of one number a softmax is always 1".to_owned(),
        ),
        ("Softmax", Answer::Logits(index)) => ("probabilities", format!("declare --output softmax:{index}")),
        (_, Answer::Probability) if origin.linear => {
            ("a number without bounds", "declare --output logit".to_owned())
        }
        (_, Answer::Softmax(index)) if origin.linear => {
            ("numbers without bounds", format!("declare --output logits:{index}"))
        }
        _ => return Ok(()),
    };
    let expected = match declared.output.scale() {
        Scale::Logit => "a number without bounds",
        Scale::Probability => "a probability",
    };
    let message = format!(
        "output \"{}\" is {gives} (of operator {}), expected {expected} as --output {} says",
        output.name, origin.operator, declared.output
    );
    Err(refused(message, hint))
}

pub(super) fn shown(ports: &[Port]) -> String {
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
