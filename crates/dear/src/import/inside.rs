//! A foreign network's last linear layer, as the head of a detector.

use super::declared::{Answer, Declared, Positive};
use super::foreign::{FeatureOptions, refused};
use super::wrap::Inside;
use crate::backbone::OnnxModel;
use crate::error::Error;
use crate::head::Head;

/// The linear layer as one row that is above 0 for generated.
pub(super) fn find_inside(
    model: &OnnxModel<'_>,
    options: &FeatureOptions,
    declared: &Declared,
) -> Result<Inside, Error> {
    if !model.computes(&options.tensor) {
        let message = format!("no node computes a tensor \"{}\"", options.tensor);
        return Err(refused(message, "look the name up in a viewer (netron), or leave --features out"));
    }
    let of_a_layer = "name the initializers of the last linear layer, of f32";
    let tensor = |name: &str| model.tensor(name).map_err(|error| Error::from(error.hinted(of_a_layer)));
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
