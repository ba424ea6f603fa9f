//! What an ONNX file of others cannot say of itself, in the words of the person who imports it. Nothing here has a default.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::self_test::Scale;

/// The order of the input's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[N, 3, H, W]`, as PyTorch has it.
    Nchw,
    /// `[N, H, W, 3]`, as TensorFlow has it.
    Nhwc,
}

/// What the input's numbers are before mean and standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    /// The byte / 255.
    #[serde(rename = "0..1")]
    Unit,
    /// The byte.
    #[serde(rename = "0..255")]
    Bytes,
    /// The byte / 127.5 - 1.
    #[serde(rename = "-1..1")]
    Signed,
}

/// What follows the range, per colour, red first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalisation {
    /// Nothing.
    None,
    /// `(x - mean) / std`, in the unit of the [`Range`].
    Colours {
        /// Subtracted.
        mean: [f64; 3],
        /// Divided by; above 0.
        std: [f64; 3],
    },
}

/// The order of the input's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// Red first.
    Rgb,
    /// Blue first, as OpenCV reads files.
    Bgr,
}

/// What the network answers. An index is that of the generated class of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// One number without bounds.
    Logit,
    /// One number in 0..1: behind a sigmoid.
    Probability,
    /// Two numbers without bounds.
    Logits(usize),
    /// Two numbers in 0..1: behind a softmax.
    Softmax(usize),
}

/// The class for which a single number is high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positive {
    /// The generated one.
    Generated,
    /// The real one.
    Real,
}

/// How the network sees a picture and what its answer means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// The order of the input's dimensions.
    pub layout: Layout,
    /// What the input's numbers are.
    pub range: Range,
    /// What follows.
    pub normalisation: Normalisation,
    /// The order of colours.
    pub color: Color,
    /// What the network answers.
    pub output: Answer,
    /// For which class a single number is high; null for two numbers.
    pub positive: Option<Positive>,
}

impl Answer {
    /// How many numbers.
    pub fn numbers(self) -> u64 {
        match self {
            Self::Logit | Self::Probability => 1,
            Self::Logits(_) | Self::Softmax(_) => 2,
        }
    }

    /// What an answer counts in.
    pub fn scale(self) -> Scale {
        match self {
            Self::Logit | Self::Logits(_) => Scale::Logit,
            Self::Probability | Self::Softmax(_) => Scale::Probability,
        }
    }
}

impl Declared {
    /// The answer of the original pipeline, of the generated class: one number, or for [`Answer::Logits`] both in the order
    /// of the file.
    ///
    /// # Errors
    /// If there are more or less numbers, or if they are no probability.
    pub fn value(&self, numbers: &[f64]) -> Result<f64, String> {
        let real = self.positive == Some(Positive::Real);
        match (self.output, numbers) {
            (Answer::Logit, &[value]) => Ok(if real { -value } else { value }),
            (Answer::Logits(generated), &[first, second]) => {
                Ok(if generated == 0 { first - second } else { second - first })
            }
            (Answer::Probability | Answer::Softmax(_), &[value]) if (0.0..=1.0).contains(&value) => {
                Ok(if real { 1.0 - value } else { value })
            }
            (Answer::Logit, _) => Err("expected one number".to_owned()),
            (Answer::Logits(_), _) => {
                Err("expected both numbers in the order of the file, as 0.5,-1.25".to_owned())
            }
            (Answer::Probability | Answer::Softmax(_), _) => {
                Err("expected one number in 0..1, for two outputs that of the generated class".to_owned())
            }
        }
    }

    /// The same with the other of two probabilities as that of the generated class. `None` for other answers: there the class
    /// turns the network's number and the expected one alike, and no self-test can tell.
    #[must_use]
    pub fn turned(&self) -> Option<Self> {
        let Answer::Softmax(index) = self.output else { return None };
        Some(Self { output: Answer::Softmax(1 - index), ..self.clone() })
    }

    /// Mean and standard deviation that do it all to RGB in 0..1: `(x - mean) / std`.
    pub fn as_unit(&self) -> ([f64; 3], [f64; 3]) {
        let [factor, offset] = self.scaling();
        let (mean, std) = match self.normalisation {
            Normalisation::None => ([0.0; 3], [1.0; 3]),
            Normalisation::Colours { mean, std } => (mean, std),
        };
        (mean.map(|mean| (mean - offset) / factor), std.map(|std| std / factor))
    }

    /// Whether the network sees other numbers than under `other`: 0..1 with a mean and a deviation of 0.5 is -1..1.
    pub(crate) fn sees_unlike(&self, other: &Self) -> bool {
        let numbers = |declared: &Self| {
            let (mean, std) = declared.as_unit();
            mean.into_iter().chain(std).collect::<Vec<_>>()
        };
        let apart = numbers(self).into_iter().zip(numbers(other)).any(|(a, b)| (a - b).abs() > 1e-9);
        apart || self.color != other.color
    }

    /// `a` and `b` of `a x + b`, which makes 0..1 the declared range.
    pub(crate) fn scaling(&self) -> [f64; 2] {
        match self.range {
            Range::Unit => [1.0, 0.0],
            Range::Bytes => [255.0, 0.0],
            Range::Signed => [2.0, -1.0],
        }
    }

    /// What differs from `other`, as options of the command line.
    pub fn options_unlike(&self, other: &Self) -> String {
        let mut options = Vec::new();
        if self.color != other.color {
            options.push(format!("--color {}", word(&self.color)));
        }
        if self.range != other.range {
            options.push(format!("--range {}", word(&self.range)));
        }
        if self.normalisation != other.normalisation {
            options.push(match &self.normalisation {
                Normalisation::None => "--no-normalisation".to_owned(),
                Normalisation::Colours { mean, std } => {
                    format!("--mean {} --std {}", three(mean), three(std))
                }
            });
        }
        if self.output != other.output {
            options.push(format!("--output {}", self.output));
        }
        options.join(" ")
    }
}

/// Three numbers in as many digits as an f32 needs, which is what the graph has of them: 57.12, and not 57.120000000000005.
fn three(values: &[f64; 3]) -> String {
    values.map(|value| (value as f32).to_string()).join(",")
}

/// The word that the document and the command line have for a choice.
pub(crate) fn word(choice: &impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("choices are words, this is {other:?}"),
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logit => f.write_str("logit"),
            Self::Probability => f.write_str("probability"),
            Self::Logits(index) => write!(f, "logits:{index}"),
            Self::Softmax(index) => write!(f, "softmax:{index}"),
        }
    }
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "logit" => Self::Logit,
            "probability" => Self::Probability,
            "logits:0" => Self::Logits(0),
            "logits:1" => Self::Logits(1),
            "softmax:0" => Self::Softmax(0),
            "softmax:1" => Self::Softmax(1),
            _ => {
                return Err(
                    "expected logit, probability, logits:INDEX or softmax:INDEX, where the index of the \
                            generated class is 0 or 1"
                        .to_owned(),
                );
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(output: &str, positive: Option<Positive>) -> Declared {
        Declared {
            layout: Layout::Nchw,
            range: Range::Unit,
            normalisation: Normalisation::None,
            color: Color::Rgb,
            output: output.parse().expect("an answer"),
            positive,
        }
    }

    #[test]
    fn answers_are_read_as_those_of_the_generated_class() {
        let (generated, real) = (Some(Positive::Generated), Some(Positive::Real));
        type Case = (&'static str, Option<Positive>, &'static [f64], Option<f64>);
        let cases: [Case; 11] = [
            ("logit", generated, &[1.5], Some(1.5)),
            ("logit", real, &[1.5], Some(-1.5)),
            ("logit", real, &[1.5, 2.0], None),
            ("probability", generated, &[0.25], Some(0.25)),
            ("probability", real, &[0.25], Some(0.75)),
            ("probability", real, &[1.25], None),
            ("logits:0", None, &[1.0, 3.0], Some(-2.0)),
            ("logits:1", None, &[1.0, 3.0], Some(2.0)),
            ("logits:1", None, &[1.0], None),
            ("softmax:1", None, &[0.25], Some(0.25)),
            ("softmax:1", None, &[f64::NAN], None),
        ];
        for (output, positive, numbers, expected) in cases {
            let found = declared(output, positive).value(numbers).ok();
            assert_eq!(found, expected, "{output} {positive:?} {numbers:?}");
        }
        assert!("logits:2".parse::<Answer>().is_err());
    }

    #[test]
    fn what_differs_is_said_in_options() {
        let one = declared("softmax:1", None);
        let other = Declared { color: Color::Bgr, range: Range::Signed, ..one.turned().expect("two") };
        assert_eq!(other.options_unlike(&one), "--color bgr --range -1..1 --output softmax:0");
        assert_eq!(one.options_unlike(&one), "");
        let half = Normalisation::Colours { mean: [0.5; 3], std: [0.5; 3] };
        let (half, signed) = (
            Declared { normalisation: half, ..one.clone() },
            Declared { range: Range::Signed, ..one.clone() },
        );
        assert!(!half.sees_unlike(&signed) && half.sees_unlike(&one));
        assert_eq!(half.options_unlike(&signed), "--range 0..1 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5");
        let bytes = [0.229, 0.224, 0.225].map(|value: f64| value * 255.0);
        let bytes = Normalisation::Colours { mean: [123.675; 3], std: bytes };
        assert_eq!(
            Declared { normalisation: bytes, ..one.clone() }.options_unlike(&one),
            "--mean 123.675,123.675,123.675 --std 58.395,57.12,57.375"
        );
    }
}
