//! Taking a checkpoint's tensors by name and shape, all of them: nothing missing, nothing left over.

use std::collections::BTreeSet;

use super::keys::{KeyProblems, Reshaped};
use super::{ARCHITECTURES, HeadChoice};
use crate::backbone::graph::Conv;
use crate::backbone::{ImportError, Problem};
use crate::checkpoint::{Checkpoint, Tensor};
use crate::error::Error;
use crate::head::Head;

/// The tensors of a checkpoint that an architecture has not taken yet. What is wrong is gathered, so that one error names
/// all of it.
pub struct Weights<'c> {
    checkpoint: &'c Checkpoint,
    head: HeadChoice,
    prefix: String,
    left: BTreeSet<&'c str>,
    problems: KeyProblems,
    /// The first tensor that cannot be read, or whose numbers cannot be.
    broken: Option<Error>,
}

impl<'c> Weights<'c> {
    /// The tensors of a checkpoint. `anchor` is the name of one that the architecture surely has: what stands before it in
    /// the file (`module.`, `backbone.`) is taken for a prefix of all names.
    pub fn new(checkpoint: &'c Checkpoint, anchor: &str, head: HeadChoice) -> Self {
        let left: BTreeSet<&str> = checkpoint.names().collect();
        let prefix = prefix_of(left.iter().copied(), anchor).unwrap_or_default().to_owned();
        Self { checkpoint, head, prefix, left, problems: KeyProblems::default(), broken: None }
    }

    /// What stands before every name in the file.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&'c [usize]> {
        self.checkpoint.shape(&self.full(name))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The tensor of this name and shape. Where it is not, zeros: [`Weights::finish`] then says so.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Tensor {
        let full = self.full(name);
        self.take_full(&full, shape)
    }

    /// Like [`Weights::take`], by a name that has no prefix.
    pub fn take_full(&mut self, full: &str, shape: &[usize]) -> Tensor {
        self.left.remove(full);
        match self.checkpoint.shape(full) {
            None => self.problems.missing.push(full.to_owned()),
            Some(found) if found != shape => {
                let (found, expected) = (found.to_vec(), shape.to_vec());
                self.problems.reshaped.push(Reshaped { name: full.to_owned(), found, expected });
            }
            Some(_) => match self.checkpoint.tensor(full) {
                Ok(tensor) => return tensor,
                Err(error) => _ = self.broken.get_or_insert(error.into()),
            },
        }
        Tensor { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    /// A convolution without bias and the batch norm behind it, as one convolution (`W g / s`, `b - m g / s` with
    /// `s = sqrt(v + epsilon)`; computed in f64).
    pub fn conv_bn(&mut self, conv: &str, norm: &str, shape: [usize; 4], epsilon: f64) -> Conv {
        let mut weight = self.take(&format!("{conv}.weight"), &shape);
        let [gain, offset, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| self.take(&format!("{norm}.{part}"), &[shape[0]]).data);
        self.ignore(&format!("{norm}.num_batches_tracked"));
        if let Some(value) = variance.iter().find(|value| f64::from(**value) + epsilon <= 0.0) {
            let subject = format!("tensor \"{}\"", self.full(&format!("{norm}.running_var")));
            let error = ImportError::contract(subject, value.to_string(), "variances, which are not below 0");
            self.broken.get_or_insert(error.into());
        }
        let mut bias = Vec::with_capacity(shape[0]);
        let size = shape[1..].iter().product::<usize>().max(1);
        for (channel, weights) in weight.data.chunks_exact_mut(size).enumerate() {
            let factor = f64::from(gain[channel]) / (f64::from(variance[channel]) + epsilon).sqrt();
            weights.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
            bias.push((f64::from(offset[channel]) - f64::from(mean[channel]) * factor) as f32);
        }
        let bias = Tensor { shape: vec![shape[0]], data: bias };
        Conv::same(conv, weight, Some(bias))
    }

    /// The head: the linear layer of this name (of none, where `weight` and `bias` stand alone), or what was chosen in its place.
    pub fn linear_head(&mut self, name: &str, channels: usize) -> Head {
        let names = ["weight", "bias"]
            .map(|part| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") });
        let choice = self.head;
        let mut of = |outputs: usize| {
            (self.take(&names[0], &[outputs, channels]).data, self.take(&names[1], &[outputs]).data)
        };
        let difference = |plus: usize, (weight, bias): (Vec<f32>, Vec<f32>)| {
            let (rows, minus) = (weight.split_at(channels), 1 - plus);
            let rows = [rows.0, rows.1];
            let weight = rows[plus].iter().zip(rows[minus]).map(|(a, b)| a - b).collect();
            Head { weight, bias: bias[plus] - bias[minus] }
        };
        match choice {
            HeadChoice::Checkpoint => {
                let (weight, bias) = of(1);
                Head { weight, bias: bias[0] }
            }
            HeadChoice::SecondMinusFirst => difference(1, of(2)),
            HeadChoice::FirstMinusSecond => difference(0, of(2)),
            HeadChoice::Replace | HeadChoice::PatchMean => {
                names.iter().for_each(|name| self.ignore(name));
                Head { weight: vec![0.0; channels], bias: 0.0 }
            }
        }
    }

    /// A tensor that the network has no use for, if it is there.
    pub fn ignore(&mut self, name: &str) {
        let full = self.full(name);
        self.left.remove(full.as_str());
    }

    /// All tensors whose full name begins so, which the network has no use for.
    pub fn ignore_all(&mut self, start: &str) {
        self.left.retain(|name| !name.starts_with(start));
    }

    /// Leaves all other tensors than those whose full name is as asked to whoever reads them.
    pub fn keep(&mut self, asked: impl Fn(&str) -> bool) {
        self.left.retain(|name| asked(name));
    }

    /// Whether everything was there, in its shape, and nothing is left.
    ///
    /// # Errors
    /// One error with all names, or the first tensor that could not be read.
    pub fn finish(mut self) -> Result<(), Error> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.problems.unexpected = self.left.iter().map(|name| (*name).to_owned()).collect();
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.hint = Some(self.remedy());
        Err(ImportError::new(Problem::Keys(self.problems)).into())
    }

    fn remedy(&self) -> String {
        let problems = &self.problems;
        let head = problems.reshaped.iter().find(|tensor| is_head(&tensor.name));
        let only_head = problems.missing.iter().all(|name| is_head(name))
            && problems.reshaped.iter().all(|tensor| is_head(&tensor.name));
        let replace = "pass --head replace to start from a new head, and train it with dear fit";
        let fitting: Vec<_> = ARCHITECTURES
            .iter()
            .filter(|other| other.fits(self.checkpoint))
            .map(|other| other.name)
            .collect();
        match head.map(|tensor| (tensor.found.as_slice(), tensor.expected.as_slice())) {
            Some(([2, ..], [1, ..])) if only_head => {
                "a head of two classes: pass --head second-minus-first if the second is the generated one, else \
                 --head first-minus-second"
            }
            Some(([1, ..], [2, ..])) if only_head => "a head of one output: leave --head out",
            Some(_) if only_head => replace,
            None if only_head && !problems.missing.is_empty() => replace,
            _ if only_head => {
                "these tensors belong to no part of the network: it is another variant of it, or the file holds more than \
                 the network; say with --key where the weights are, or export the network to ONNX"
            }
            _ if !fitting.is_empty() => return format!("the names fit --arch {}", fitting.join(" or ")),
            _ => {
                "the names fit no architecture that dear knows (dear import --help lists them); strip a foreign prefix \
                 from them, or export the network to ONNX"
            }
        }
        .to_owned()
    }
}

fn is_head(name: &str) -> bool {
    ["fc", "fc1", "_fc", "head", "head.6"].iter().any(|head| {
        let part = name.trim_end_matches(".weight").trim_end_matches(".bias");
        part == *head || part.ends_with(&format!(".{head}"))
    })
}

/// What stands before `anchor` in a name and before at least two thirds of all names, at the border of a part: another
/// tensor of a block may end in the same words.
pub(super) fn prefix_of<'n>(names: impl Iterator<Item = &'n str>, anchor: &str) -> Option<&'n str> {
    let names: Vec<&str> = names.collect();
    let borne =
        |prefix: &&str| 3 * names.iter().filter(|name| name.starts_with(prefix)).count() >= 2 * names.len();
    let prefixes = names.iter().filter_map(|name| name.strip_suffix(anchor));
    prefixes
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        .filter(borne)
        .min_by_key(|prefix| prefix.len())
}
