//! The encoder of vision transformers (arXiv 2010.11929): tokens `[N, T, width]` through blocks of attention and MLP.

use super::Weights;
use crate::backbone::graph::{Attribute, Conv, Value};
use crate::backbone::{Graph, ImportError};
use crate::checkpoint::Tensor;
use crate::error::Error;

/// Numbers per token in an attention head, in every published network here.
pub(super) const HEAD_WIDTH: usize = 64;

/// What stands between the two layers of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x sigmoid(1.702 x)`, as OpenAI trained CLIP.
    QuickGelu,
    /// `x (1 + erf(x / sqrt 2)) / 2`.
    Gelu,
}

/// The sizes that all blocks share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Encoder {
    /// Numbers per token.
    pub(super) width: usize,
    /// Numbers per token in an attention head.
    pub(super) head_width: usize,
    /// Added to the variance by layer norms.
    pub(super) epsilon: f32,
    /// Of the MLPs.
    pub(super) activation: Activation,
}

/// A layer norm, its numbers in the graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm {
    gain: Value,
    offset: Value,
    epsilon: f32,
}

/// A fully connected layer, its numbers in the graph: it may be applied more than once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear {
    weight: Value,
    bias: Option<Value>,
}

/// The upper half of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention {
    /// Before it.
    pub(super) norm: Norm,
    /// Queries (already divided by the root of the head's width), keys and values, one behind the other.
    pub(super) qkv: Linear,
    /// Of all heads together.
    pub(super) out: Linear,
}

/// The lower half of a block, behind its norm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mlp {
    /// To the wider layer.
    pub(super) up: Linear,
    /// And back.
    pub(super) down: Linear,
}

/// `NAME.weight` `[outputs, inputs]` and `NAME.bias` `[outputs]` of a checkpoint.
pub(super) fn take_linear(
    weights: &mut Weights<'_>,
    name: &str,
    outputs: usize,
    inputs: usize,
) -> [Tensor; 2] {
    let weight = weights.take(&format!("{name}.weight"), &[outputs, inputs]);
    [weight, weights.take(&format!("{name}.bias"), &[outputs])]
}

impl Linear {
    /// `[outputs, inputs]` and, if there is one, `[outputs]`, put into the graph as `NAME.weight` and `NAME.bias`.
    pub(super) fn new(graph: &mut Graph, name: &str, weight: &Tensor, bias: Option<Tensor>) -> Self {
        Self::turned(graph, name, transposed(weight), bias)
    }

    /// The same of a weight `[inputs, outputs]`, which a product of matrices reads as it is.
    pub(super) fn turned(graph: &mut Graph, name: &str, weight: Tensor, bias: Option<Tensor>) -> Self {
        let weight = graph.constant(format!("{name}.weight"), weight);
        Self { weight, bias: bias.map(|bias| graph.constant(format!("{name}.bias"), bias)) }
    }

    /// The layer on the last axis of any tensor.
    pub(super) fn apply(self, graph: &mut Graph, x: Value) -> Value {
        let product = graph.node("MatMul", &[x, self.weight], &[]);
        match self.bias {
            Some(bias) => graph.node("Add", &[product, bias], &[]),
            None => product,
        }
    }
}

/// `[rows, columns]` as `[columns, rows]`.
fn transposed(tensor: &Tensor) -> Tensor {
    /// Squares of this side stay in the processor's first cache.
    const SQUARE: usize = 32;
    let [rows, columns] = [0, 1].map(|axis| tensor.shape.get(axis).copied().unwrap_or(1));
    let mut data = vec![0.0; tensor.data.len()];
    for row in (0..rows).step_by(SQUARE) {
        for column in (0..columns).step_by(SQUARE) {
            for i in row..(row + SQUARE).min(rows) {
                for j in column..(column + SQUARE).min(columns) {
                    data[j * rows + i] = tensor.data[i * columns + j];
                }
            }
        }
    }
    Tensor { shape: vec![columns, rows], data }
}

impl Norm {
    /// Over the last axis.
    pub(super) fn apply(self, graph: &mut Graph, x: Value) -> Value {
        let attributes = [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(self.epsilon))];
        graph.node("LayerNormalization", &[x, self.gain, self.offset], &attributes)
    }
}

impl Encoder {
    /// Refuses a width that heads do not divide.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.width.is_multiple_of(self.head_width) {
            return Ok(());
        }
        let expected = format!("a multiple of {}, the width of an attention head", self.head_width);
        let error = ImportError::contract("the width of the tokens", self.width.to_string(), expected);
        Err(error.hinted("another variant of this network: export it to ONNX (--arch onnx)").into())
    }

    /// The layer norm `NAME.weight`, `NAME.bias` of a checkpoint.
    pub(super) fn norm(&self, graph: &mut Graph, weights: &mut Weights<'_>, name: &str) -> Norm {
        let mut part = |part: &str| {
            let name = format!("{name}.{part}");
            let tensor = weights.take(&name, &[self.width]);
            graph.constant(name, tensor)
        };
        Norm { gain: part("weight"), offset: part("bias"), epsilon: self.epsilon }
    }

    /// Queries, keys and values from their rows, one below the other: `[3 width, width]`, `[3 width]`. The factor of the
    /// products goes into the queries: it is a power of two for heads of 64, so nothing is rounded.
    pub(super) fn qkv(&self, graph: &mut Graph, name: &str, mut weight: Tensor, mut bias: Tensor) -> Linear {
        let factor = (self.head_width as f32).powf(-0.5);
        for tensor in [&mut weight, &mut bias] {
            let queries = tensor.data.len() / 3;
            tensor.data[..queries].iter_mut().for_each(|value| *value *= factor);
        }
        Linear::new(graph, name, &weight, Some(bias))
    }

    /// `x + out(softmax(q k' / sqrt(d)) v)`, with queries, keys and values of the normed `x`.
    pub(super) fn attention(&self, graph: &mut Graph, x: Value, attention: Attention) -> Value {
        let normed = attention.norm.apply(graph, x);
        let qkv = attention.qkv.apply(graph, normed);
        // Keys come turned, so that the product needs no transpose of its own.
        let queries = self.heads(graph, qkv, 0, [0, 2, 1, 3]);
        let keys = self.heads(graph, qkv, 1, [0, 2, 3, 1]);
        let values = self.heads(graph, qkv, 2, [0, 2, 1, 3]);
        let affinities = graph.node("MatMul", &[queries, keys], &[]);
        let shares = graph.node("Softmax", &[affinities], &[("axis", Attribute::Int(-1))]);
        let seen = graph.node("MatMul", &[shares, values], &[]);
        let seen = transpose(graph, seen, &[0, 2, 1, 3]);
        let seen = reshape(graph, seen, &[0, 0, self.width as i64]);
        let out = attention.out.apply(graph, seen);
        graph.node("Add", &[x, out], &[])
    }

    /// Part 0, 1 or 2 of queries, keys and values: `[N, T, heads, head width]` in this order of axes.
    fn heads(&self, graph: &mut Graph, qkv: Value, part: i64, order: [i64; 4]) -> Value {
        let width = self.width as i64;
        let part = slice(graph, qkv, 2, [part * width, (part + 1) * width]);
        let heads = (self.width / self.head_width) as i64;
        let split = reshape(graph, part, &[0, 0, heads, self.head_width as i64]);
        transpose(graph, split, &order)
    }

    /// `x + down(activation(up(normed)))`.
    pub(super) fn mlp(&self, graph: &mut Graph, x: Value, normed: Value, mlp: Mlp) -> Value {
        let wide = mlp.up.apply(graph, normed);
        let wide = self.activation.write(graph, wide);
        let back = mlp.down.apply(graph, wide);
        graph.node("Add", &[x, back], &[])
    }
}

impl Activation {
    /// In the forms that both engines know and compute in one pass.
    fn write(self, graph: &mut Graph, x: Value) -> Value {
        let number = |graph: &mut Graph, value: f32| {
            let name = graph.fresh("number");
            graph.scalar(name, value)
        };
        match self {
            Self::QuickGelu => {
                let factor = number(graph, 1.702);
                let scaled = graph.node("Mul", &[x, factor], &[]);
                let gate = graph.node("Sigmoid", &[scaled], &[]);
                graph.node("Mul", &[x, gate], &[])
            }
            Self::Gelu => {
                let [root, one, half] =
                    [std::f32::consts::SQRT_2, 1.0, 0.5].map(|value| number(graph, value));
                let scaled = graph.node("Div", &[x, root], &[]);
                let error = graph.node("Erf", &[scaled], &[]);
                let gate = graph.node("Add", &[error, one], &[]);
                let product = graph.node("Mul", &[x, gate], &[]);
                graph.node("Mul", &[product, half], &[])
            }
        }
    }
}

/// The image in squares, each one token, behind the tokens that stand for no square: `[N, T, width]`. `positions` `[T, width]` is
/// added to all; of the first tokens it is all that they are.
pub(super) fn tokens(graph: &mut Graph, image: Value, squares: Conv, positions: Tensor) -> Value {
    let (patch, [tokens, width]) = (squares.stride, [0, 1].map(|axis| positions.shape[axis] as i64));
    let first = tokens - i64::from(graph.side().unwrap_or(patch) / patch).pow(2);
    let map = graph.conv(image, squares);
    let columns = reshape(graph, map, &[0, width, -1]);
    let rows = transpose(graph, columns, &[0, 2, 1]);
    // Zeros where no square stands: this needs no look at how many images there are.
    let pads = graph.fresh("pads");
    let pads = graph.integers(pads, &[0, first, 0, 0, 0, 0]);
    let rows = graph.node("Pad", &[rows, pads], &[]);
    let positions = graph.constant("positions", positions);
    graph.node("Add", &[rows, positions], &[])
}

/// The first token of each image, `[N, 1, width]`.
pub(super) fn class_token(graph: &mut Graph, tokens: Value) -> Value {
    slice(graph, tokens, 1, [0, 1])
}

/// The tokens from place `first` on, which are the squares of the image.
pub(super) fn patch_tokens(graph: &mut Graph, tokens: Value, first: usize) -> Value {
    slice(graph, tokens, 1, [first as i64, i64::MAX])
}

/// One token of each image, `[N, 1, C]`, without the axis of tokens.
pub(super) fn vector(graph: &mut Graph, token: Value, channels: usize) -> Value {
    reshape(graph, token, &[-1, channels as i64])
}

/// Patch tokens `[N, T, C]` on their grid, `[N, C, h, w]`.
pub(super) fn map(graph: &mut Graph, patches: Value, channels: usize, cells: usize) -> Value {
    let columns = transpose(graph, patches, &[0, 2, 1]);
    reshape(graph, columns, &[0, channels as i64, cells as i64, cells as i64])
}

fn slice(graph: &mut Graph, x: Value, axis: i64, [from, to]: [i64; 2]) -> Value {
    let bounds = [from, to, axis].map(|number| {
        let name = graph.fresh("bound");
        graph.integers(name, &[number])
    });
    graph.node("Slice", &[x, bounds[0], bounds[1], bounds[2]], &[])
}

fn reshape(graph: &mut Graph, x: Value, shape: &[i64]) -> Value {
    let name = graph.fresh("shape");
    let shape = graph.integers(name, shape);
    graph.node("Reshape", &[x, shape], &[])
}

fn transpose(graph: &mut Graph, x: Value, order: &[i64]) -> Value {
    graph.node("Transpose", &[x], &[("perm", Attribute::Ints(order.to_vec()))])
}
