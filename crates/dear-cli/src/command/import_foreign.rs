//! `dear import model.onnx --arch onnx`: what is declared of a foreign network.

use std::path::PathBuf;

use clap::ValueEnum;
use dear::import::declared::{Answer, Color, Layout, Normalisation, Positive, Range};
use dear::import::{FeatureOptions, ForeignOptions, GivenAnswer};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A foreign ONNX file (--arch onnx): what its author's pipeline does")]
pub(crate) struct ForeignArgs {
    /// The order of the input's dimensions
    #[arg(long, value_enum)]
    layout: Option<LayoutName>,
    /// What the input's numbers are, before mean and standard deviation
    #[arg(long, value_enum, allow_hyphen_values = true)]
    range: Option<RangeName>,
    /// Subtracted per colour, red first, in the unit of the range
    #[arg(long, value_name = "R,G,B", value_parser = three, requires = "std", allow_hyphen_values = true)]
    mean: Option<[f64; 3]>,
    /// Divided by per colour, red first
    #[arg(long, value_name = "R,G,B", value_parser = three, requires = "mean")]
    std: Option<[f64; 3]>,
    /// Nothing follows the range
    #[arg(long, conflicts_with_all = ["mean", "std"])]
    no_normalisation: bool,
    /// The order of colours
    #[arg(long, value_enum)]
    color: Option<ColorName>,
    /// What the network answers: `logit`, `probability` (behind a sigmoid), or of two numbers `logits:INDEX`, `softmax:INDEX`
    /// with the index of the generated class
    #[arg(long, value_name = "KIND")]
    output: Option<Answer>,
    /// The class for which a single number is high
    #[arg(long, value_enum)]
    positive: Option<PositiveName>,
    /// The output that holds the answer, where there are several
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    /// An image, as the network sees it, and what the original pipeline answered: both numbers for `logits:INDEX` (A,B)
    #[arg(long, value_name = "IMAGE=ANSWER", value_parser = given)]
    self_test: Option<GivenAnswer>,
    /// The tensor whose mean over the image goes into the last linear layer: gives the detector features and maps
    #[arg(long, value_name = "TENSOR", requires = "head_weight")]
    features: Option<String>,
    /// The order of its dimensions
    #[arg(long, value_enum, default_value = "nchw")]
    features_layout: LayoutName,
    /// The initializer with the last layer's weights
    #[arg(long, value_name = "NAME", requires = "features")]
    head_weight: Option<String>,
    /// The initializer with its bias, if it has one
    #[arg(long, value_name = "NAME", requires = "features")]
    head_bias: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LayoutName {
    Nchw,
    Nhwc,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RangeName {
    #[value(name = "0..1")]
    Unit,
    #[value(name = "0..255")]
    Bytes,
    #[value(name = "-1..1")]
    Signed,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ColorName {
    Rgb,
    Bgr,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PositiveName {
    Generated,
    Real,
}

impl From<LayoutName> for Layout {
    fn from(name: LayoutName) -> Self {
        match name {
            LayoutName::Nchw => Self::Nchw,
            LayoutName::Nhwc => Self::Nhwc,
        }
    }
}

impl ForeignArgs {
    /// The first option that is given although the file is no foreign one.
    pub(crate) fn first_given(&self) -> Option<&'static str> {
        let given = [
            (self.layout.is_some(), "--layout"),
            (self.range.is_some(), "--range"),
            (self.mean.is_some(), "--mean"),
            (self.no_normalisation, "--no-normalisation"),
            (self.color.is_some(), "--color"),
            (self.output.is_some(), "--output"),
            (self.positive.is_some(), "--positive"),
            (self.output_name.is_some(), "--output-name"),
            (self.self_test.is_some(), "--self-test"),
            (self.features.is_some(), "--features"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
    }

    /// What is declared; name, licence and view are those of every import.
    pub(crate) fn options(self) -> ForeignOptions {
        let normalisation = match (self.mean, self.std) {
            (Some(mean), Some(std)) => Some(Normalisation::Colours { mean, std }),
            _ => self.no_normalisation.then_some(Normalisation::None),
        };
        let features = self.features.zip(self.head_weight);
        ForeignOptions {
            layout: self.layout.map(Layout::from),
            range: self.range.map(|range| match range {
                RangeName::Unit => Range::Unit,
                RangeName::Bytes => Range::Bytes,
                RangeName::Signed => Range::Signed,
            }),
            normalisation,
            color: self.color.map(|color| match color {
                ColorName::Rgb => Color::Rgb,
                ColorName::Bgr => Color::Bgr,
            }),
            output: self.output,
            positive: self.positive.map(|positive| match positive {
                PositiveName::Generated => Positive::Generated,
                PositiveName::Real => Positive::Real,
            }),
            output_name: self.output_name,
            self_test: self.self_test,
            features: features.map(|(tensor, weight)| FeatureOptions {
                tensor,
                layout: self.features_layout.into(),
                weight,
                bias: self.head_bias,
            }),
            ..ForeignOptions::default()
        }
    }
}

fn numbers(text: &str) -> Result<Vec<f64>, String> {
    let number = |text: &str| match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("\"{text}\" is no number")),
    };
    text.split(',').map(number).collect()
}

fn three(text: &str) -> Result<[f64; 3], String> {
    let numbers = numbers(text)?;
    numbers
        .as_slice()
        .try_into()
        .map_err(|_| format!("{} numbers, expected three: red, green, blue", numbers.len()))
}

fn given(text: &str) -> Result<GivenAnswer, String> {
    let (image, answer) = text.rsplit_once('=').ok_or("expected IMAGE=ANSWER, as photo.png=0.93")?;
    Ok(GivenAnswer { image: PathBuf::from(image), numbers: numbers(answer)? })
}
