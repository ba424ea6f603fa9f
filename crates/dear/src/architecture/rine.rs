//! RINE (Koutlis and Papadopoulos, ECCV 2024; arXiv 2402.19091): what every block of a frozen CLIP says of the image, weighted by a
//! trained importance, through a small network.
//!
//! A detector's head is linear: here the last layer of the small network, so `pooled` is what stands before it, and `features` are
//! the same function of each patch's tokens.

use super::clip::{self, Backbone, Tower};
use super::transformer::{self, Linear};
use super::{HeadChoice, Network, NetworkOptions, Weights};
use crate::backbone::Graph;
use crate::backbone::graph::Value;
use crate::checkpoint::{Checkpoint, Tensor};
use crate::error::Error;
use crate::view::View;

/// The sizes that no checkpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rine {
    /// Numbers per token in an attention head.
    pub head_width: usize,
}

/// The trained part, in the graph.
#[derive(Debug)]
struct Trained {
    /// On a block's token.
    projection_1: Vec<Linear>,
    /// `[1, 1, width]` for each block: the importance, which sums to one over the blocks.
    importance: Vec<Value>,
    /// On the weighted sum.
    projection_2: Vec<Linear>,
    /// All layers of the head but the last.
    hidden: Vec<Linear>,
}

impl Rine {
    /// As published.
    pub const PUBLISHED: Self = Self { head_width: transformer::HEAD_WIDTH };

    /// The network with the weights of a checkpoint; see [`super::Architecture::build`]. Its authors test on the middle of the
    /// image (`CenterCrop(224)`).
    pub fn build(&self, checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
        let backbone = Backbone::open(options)?;
        let mut tower = Tower::new(checkpoint, backbone.as_ref(), self.head_width)?;
        tower.check_side(options.side)?;
        let (mut graph, image) = Graph::new(Some(tower.side()));
        let mut weights = tower.others(checkpoint, "alpha", options.head);
        let (encoder, cells, stride) = (tower.encoder(), tower.cells, tower.side() / tower.cells as u32);
        let width = match *weights.shape("alpha").unwrap_or_default() {
            [1, blocks, width] if blocks == tower.blocks && width > 0 => width,
            _ => {
                let expected = format!("[1, {}, width], a row for each block of the tower", tower.blocks);
                return Err(weights.unlike("alpha", expected));
            }
        };
        let trained = Trained::take(&mut graph, &mut weights, [tower.blocks, encoder.width, width]);
        let head = weights.linear_head("head.6", width);
        let mut notes = weights.finish()?;

        let preprocessing = clip::preprocessing();
        let normalised = graph.normalise(image, &preprocessing);
        let mut x = tower.tokens(&mut graph, normalised);
        let mut said = Vec::new();
        for block in 0..tower.blocks {
            let attention = tower.attention(&mut graph, block);
            x = encoder.attention(&mut graph, x, attention);
            let normed = tower.norm_2(&mut graph, block).apply(&mut graph, x);
            said.push(normed);
            if block + 1 < tower.blocks {
                let mlp = tower.mlp(&mut graph, block);
                x = encoder.mlp(&mut graph, x, normed, mlp);
            }
        }
        tower.ignore_above_the_last_norm();
        let (backbone, of_tower) = tower.finish()?;
        notes.extend(of_tower);
        let patches: Vec<_> =
            said.iter().map(|&tokens| transformer::patch_tokens(&mut graph, tokens, 1)).collect();
        let patches = trained.write(&mut graph, &patches);
        let features = transformer::map(&mut graph, patches, width, cells);
        let classes: Vec<_> =
            said.iter().map(|&tokens| transformer::class_token(&mut graph, tokens)).collect();
        let class = trained.write(&mut graph, &classes);
        let pooled = transformer::vector(&mut graph, class, width);
        let pooled = (options.head != HeadChoice::PatchMean).then_some(pooled);
        let (stride, view) = (Some(stride), View::middle(graph.side()));
        Ok(Network {
            pooled,
            backbone,
            stride,
            view,
            notes,
            ..Network::pooled(graph, features, head, preprocessing)
        })
    }
}

impl Trained {
    fn take(graph: &mut Graph, weights: &mut Weights<'_>, [blocks, inputs, width]: [usize; 3]) -> Self {
        let mut layer = |weights: &mut Weights<'_>, name: &str, inputs: usize| {
            let [weight, bias] = transformer::take_linear(weights, name, width, inputs);
            Linear::new(graph, name, &weight, Some(bias))
        };
        // Dropout, then linear, ReLU and dropout again and again.
        let mut stack = |weights: &mut Weights<'_>, name: &str, inputs: usize| {
            // The first is always asked for: without it the stack would be no layer at all.
            let names = (0..).map(|index| format!("{name}.{}", 1 + 3 * index)).enumerate();
            let there = |name: &str| weights.shape(&format!("{name}.weight")).is_some();
            let names = names.take_while(|(index, name)| *index == 0 || there(name));
            let names: Vec<_> = names.map(|(_, name)| name).collect();
            let first = |index: usize| if index == 0 { inputs } else { width };
            let layers = names.iter().enumerate().map(|(index, name)| layer(weights, name, first(index)));
            layers.collect::<Vec<_>>()
        };
        let (projection_1, projection_2) = (stack(weights, "proj1", inputs), stack(weights, "proj2", width));
        let hidden = ["head.0", "head.3"].map(|name| layer(weights, name, width)).to_vec();
        let alpha = weights.take("alpha", &[1, blocks, width]).data;
        let importance = softmax_over_rows(&alpha, width).into_iter().enumerate().map(|(block, row)| {
            graph.constant(format!("importance.{block}"), Tensor { shape: vec![1, 1, width], data: row })
        });
        Self { importance: importance.collect(), projection_1, projection_2, hidden }
    }

    /// `hidden(projection_2(sum of importance x projection_1(token)))` of one token of each block, `[N, T, width]`.
    fn write(&self, graph: &mut Graph, tokens: &[Value]) -> Value {
        let mut sum = None;
        for (&token, &importance) in tokens.iter().zip(&self.importance) {
            let projected = layers(graph, token, &self.projection_1);
            let weighted = graph.node("Mul", &[projected, importance], &[]);
            sum = Some(match sum {
                Some(sum) => graph.node("Add", &[sum, weighted], &[]),
                None => weighted,
            });
        }
        let sum = sum.expect("a tower has a block");
        let projected = layers(graph, sum, &self.projection_2);
        layers(graph, projected, &self.hidden)
    }
}

/// Linear, ReLU, again and again.
fn layers(graph: &mut Graph, x: Value, layers: &[Linear]) -> Value {
    layers.iter().fold(x, |x, layer| {
        let x = layer.apply(graph, x);
        graph.relu(x)
    })
}

/// Each column of rows of this width, as shares that sum to one, in f64.
fn softmax_over_rows(numbers: &[f32], width: usize) -> Vec<Vec<f32>> {
    let mut shares: Vec<Vec<f32>> = numbers.chunks_exact(width).map(<[f32]>::to_vec).collect();
    for column in 0..width {
        let most = shares.iter().map(|row| row[column]).fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = shares.iter().map(|row| f64::from(row[column] - most).exp()).sum();
        shares.iter_mut().for_each(|row| row[column] = (f64::from(row[column] - most).exp() / sum) as f32);
    }
    shares
}
