//! Taking a checkpoint's tensors by name and shape, all of them: nothing missing, nothing left over.

use std::collections::BTreeSet;

use super::HeadChoice;
use super::keys::{self, KeyProblems, Reshaped};
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
    /// What the architecture calls its head, and the full names of the tensors that were asked for as the head.
    own_head: String,
    head_names: Vec<String>,
    /// Sentences about what was taken or passed over.
    notes: Vec<String>,
    /// The first tensor that cannot be read, or whose numbers cannot be.
    broken: Option<Error>,
}

/// What else programs call a head.
const HEADS: [&str; 3] = ["fc", "classifier", "head"];

/// The remedy where a checkpoint's shapes are not those of any network of an architecture.
const COMPARE: &str =
    "compare with the architecture's published checkpoint, or name another --arch; export others to ONNX";

impl<'c> Weights<'c> {
    /// The tensors of a checkpoint. `anchor` is the name of one that the architecture surely has: what stands before it in
    /// the file (`module.`, `backbone.`) is taken for a prefix of all names.
    pub fn new(checkpoint: &'c Checkpoint, anchor: &str, head: HeadChoice) -> Self {
        let left: BTreeSet<&str> = checkpoint.names().collect();
        let prefix = prefix_of(left.iter().copied(), anchor).unwrap_or_default().to_owned();
        let (own_head, head_names, notes) = (String::new(), Vec::new(), Vec::new());
        let problems = KeyProblems::default();
        Self { checkpoint, head, prefix, left, problems, own_head, head_names, notes, broken: None }
    }

    /// What stands before every name in the file.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&'c [usize]> {
        self.checkpoint.shape(&self.full(name))
    }

    /// The error about a tensor whose shape is none that the network has in any size, or that is missing.
    pub fn unlike(&self, name: &str, expected: impl Into<String>) -> Error {
        match self.shape(name) {
            Some(found) => self.unlike_sizes(name, found, expected),
            None => {
                let problems = KeyProblems { missing: vec![self.full(name)], ..KeyProblems::default() };
                ImportError::new(Problem::Keys(problems)).into()
            }
        }
    }

    /// The error about sizes that follow from a tensor's shape.
    pub fn unlike_sizes(&self, name: &str, found: &[usize], expected: impl Into<String>) -> Error {
        let subject = format!("tensor \"{}\"", self.full(name));
        ImportError::contract(subject, format!("{found:?}"), expected).hinted(COMPARE).into()
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
            let error = ImportError::contract(subject, value.to_string(), "variances, which are not below 0")
                .hinted("the weights are damaged: get or train them again");
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
    /// Where there is none of this name, the only layer that is left, so the head is taken last: `Sequential(Dropout, Linear)`
    /// calls it `fc.1`.
    pub fn linear_head(&mut self, name: &str, channels: usize) -> Head {
        self.pass_over_extras();
        name.clone_into(&mut self.own_head);
        let own = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
        let own = [self.full(&own("weight")), self.full(&own("bias"))];
        let there = own.iter().any(|name| self.checkpoint.shape(name).is_some());
        let other = if there { None } else { self.only_layer(channels) };
        if matches!(self.head, HeadChoice::Replace | HeadChoice::PatchMean) {
            for name in own.iter().chain(other.iter().flatten()) {
                self.left.remove(name.as_str());
            }
            let heads: Vec<_> = self.left.iter().copied().filter(|name| self.is_of_a_head(name)).collect();
            self.pass_over("passed over, of the head that is replaced", &heads);
            return Head { weight: vec![0.0; channels], bias: 0.0 };
        }
        if let Some([weight, _]) = &other {
            let layer = weight.trim_end_matches("weight").trim_end_matches('.');
            self.notes.push(format!(
                "the head is \"{layer}\", the only layer that is left; what a program puts beside it must do nothing at \
                 inference, as a dropout"
            ));
        }
        let names = other.unwrap_or(own);
        let difference = |plus: usize, (weight, bias): (Vec<f32>, Vec<f32>)| {
            let (rows, minus) = (weight.split_at(channels), 1 - plus);
            let rows = [rows.0, rows.1];
            let weight = rows[plus].iter().zip(rows[minus]).map(|(a, b)| a - b).collect();
            Head { weight, bias: bias[plus] - bias[minus] }
        };
        let head = match self.head {
            HeadChoice::SecondMinusFirst => difference(1, self.take_head(&names, 2, channels)),
            HeadChoice::FirstMinusSecond => difference(0, self.take_head(&names, 2, channels)),
            HeadChoice::Checkpoint | HeadChoice::Replace | HeadChoice::PatchMean => {
                let (weight, bias) = self.take_head(&names, 1, channels);
                Head { weight, bias: bias[0] }
            }
        };
        self.head_names = names.to_vec();
        head
    }

    /// Weight and bias of a head; a layer without bias has one of zero.
    fn take_head(
        &mut self,
        [weight, bias]: &[String; 2],
        outputs: usize,
        channels: usize,
    ) -> (Vec<f32>, Vec<f32>) {
        let numbers = self.take_full(weight, &[outputs, channels]).data;
        let unbiased = self.checkpoint.shape(bias).is_none() && self.checkpoint.shape(weight).is_some();
        if unbiased {
            self.notes.push(format!(
                "the head has no bias, taken for 0: there is no tensor \"{bias}\"; a head that normalises features or \
                 weights is another, so compare one score with the original"
            ));
            return (numbers, vec![0.0; outputs]);
        }
        (numbers, self.take_full(bias, &[outputs]).data)
    }

    /// Weight and bias of the one linear layer on this many channels that is left, if nothing else is.
    fn only_layer(&self, channels: usize) -> Option<[String; 2]> {
        let weight = *self.left.last()?;
        let layer = weight.strip_suffix("weight")?;
        let bias = format!("{layer}bias");
        let alone = self.left.iter().all(|name| *name == weight || *name == bias);
        let shape = self.checkpoint.shape(weight)?;
        let fits = layer.is_empty() || layer.ends_with('.');
        (fits && alone && shape.len() == 2 && shape[1] == channels).then(|| [weight.to_owned(), bias])
    }

    /// Whether a tensor is below what the architecture or others call the head.
    fn is_of_a_head(&self, full: &str) -> bool {
        let inner = full.strip_prefix(self.prefix.as_str()).unwrap_or(full);
        let own = self.own_head.as_str();
        // RINE's last layer is in a `head` of several, which are no heads themselves.
        let others: &[&str] = if own.contains('.') { &[] } else { &HEADS };
        let below = |head: &str| {
            [full, inner].iter().any(|name| name.strip_prefix(head).is_some_and(|rest| rest.starts_with('.')))
        };
        below(own) || others.iter().any(|head| below(head))
    }

    /// What training leaves in a file and no network is made of.
    fn pass_over_extras(&mut self) {
        let is_extra = |name: &&str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            matches!(last, "n_averaged" | "num_batches_tracked" | "pos_weight")
                || name.split('.').any(|part| part == "criterion")
        };
        let extras: Vec<_> = self.left.iter().copied().filter(is_extra).collect();
        self.pass_over("passed over, of the training", &extras);
    }

    fn pass_over(&mut self, what: &str, names: &[&str]) {
        if names.is_empty() {
            return;
        }
        for name in names {
            self.left.remove(*name);
        }
        self.notes.push(format!("{what}: {}", keys::some(names.iter().map(|name| format!("\"{name}\"")))));
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

    /// Whether everything was there, in its shape, and nothing is left; sentences about what was passed over.
    ///
    /// # Errors
    /// One error with all names, or the first tensor that could not be read.
    pub fn finish(mut self) -> Result<Vec<String>, Error> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.pass_over_extras();
        self.problems.unexpected = self.left.iter().map(|name| (*name).to_owned()).collect();
        if self.problems.is_empty() {
            return Ok(self.notes);
        }
        self.problems.hint = self.remedy().map(str::to_owned);
        Err(ImportError::new(Problem::Keys(self.problems)).into())
    }

    /// What these problems alone say; `None`: what other architectures say is to be asked.
    fn remedy(&self) -> Option<&'static str> {
        let problems = &self.problems;
        let is_head = |name: &String| self.head_names.contains(name);
        let head = problems.reshaped.iter().find(|tensor| is_head(&tensor.name));
        let only_head = problems.missing.iter().all(is_head)
            && problems.reshaped.iter().all(|tensor| is_head(&tensor.name));
        let replaceable = problems.unexpected.iter().all(|name| self.is_of_a_head(name));
        let replace = "pass --head replace to start from a new head, and train it with dear fit";
        Some(match head.map(|tensor| (tensor.found.as_slice(), tensor.expected.as_slice())) {
            Some((&[_, found], &[_, expected])) if only_head && found != expected => {
                "the head is of a network with another number of channels: name that one (--backbone, --arch), or start \
                 from a new head (--head replace, dear fit)"
            }
            Some(([2, ..], [1, ..])) if only_head => {
                "a head of two classes: pass --head second-minus-first if the second is the generated one, else \
                 --head first-minus-second"
            }
            Some(([1, ..], [2, ..])) if only_head => "a head of one output: leave --head out",
            Some(_) if only_head && replaceable => replace,
            None if only_head && replaceable && !problems.missing.is_empty() => replace,
            None if only_head && problems.missing.is_empty() => {
                "these tensors belong to no part of the network: it is another variant of it, or the file holds more than \
                 the network; say with --key where the weights are, or export the network to ONNX"
            }
            _ if !only_head && problems.unexpected.is_empty() && problems.missing.iter().all(is_head) => {
                "the names fit and the shapes do not: another variant of this network; export it to ONNX and import \
                 that (--arch onnx)"
            }
            _ => return None,
        })
    }
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
