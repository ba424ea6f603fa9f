//! DINOv2 (Oquab et al., TMLR 2024; arXiv 2304.07193), with or without registers (arXiv 2309.16588): a frozen vision transformer whose
//! class token a linear head reads. In the names of its authors and of timm.

use super::positions::{self, Interpolation};
use super::transformer::{self, Activation, Attention, Encoder, Linear, Mlp};
use super::{HeadChoice, Network, NetworkOptions, Weights, imagenet};
use crate::backbone::Graph;
use crate::backbone::graph::{Conv, Value};
use crate::checkpoint::{Checkpoint, Tensor};
use crate::error::Error;
use crate::view::View;

/// Patches along a side beyond which attention takes more memory than machines have.
const MOST_CELLS: usize = 128;
/// Pixels along a patch at most: beyond it a side is longer than those of images.
const MOST_PATCH: usize = 256;

/// The sizes that no checkpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dinov2 {
    /// Numbers per token in an attention head.
    pub head_width: usize,
}

/// The sizes that its shapes say.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    width: usize,
    patch: usize,
    /// Stored positions, and the patches along a side that they are for.
    positions: usize,
    stored: usize,
    registers: usize,
    blocks: usize,
}

impl Dinov2 {
    /// ViT-S/14, B/14 and L/14.
    pub const PUBLISHED: Self = Self { head_width: transformer::HEAD_WIDTH };

    /// The network with the weights of a checkpoint; see [`super::Architecture::build`]. Its side is that of the stored
    /// positions (518 as published), or `--side`, to which they are interpolated as its authors do. The view is the one
    /// of its authors' evaluations: the shorter side to 8/7 of the side (bicubic), and the middle.
    pub fn build(&self, checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
        let mut weights = Weights::new(checkpoint, "patch_embed.proj.weight", options.head);
        let sizes = Sizes::of(&weights)?;
        let cells = sizes.cells(options.side)?;
        let side = (cells * sizes.patch) as u32;
        let encoder = Encoder {
            width: sizes.width,
            head_width: self.head_width,
            epsilon: 1e-6,
            activation: Activation::Gelu,
        };
        encoder.check()?;
        let (mut graph, image) = Graph::new(Some(side));
        let preprocessing = imagenet();
        let normalised = graph.normalise(image, &preprocessing);
        let mut x = sizes.tokens(&mut graph, &mut weights, normalised, cells);
        for block in 0..sizes.blocks {
            x = write_block(&mut graph, &mut weights, encoder, x, &format!("blocks.{block}"));
        }
        let normed = encoder.norm(&mut graph, &mut weights, "norm").apply(&mut graph, x);
        let class = transformer::class_token(&mut graph, normed);
        let patches = transformer::patch_tokens(&mut graph, normed, 1 + sizes.registers);
        let features = transformer::map(&mut graph, patches, sizes.width, cells);
        let pooled = transformer::vector(&mut graph, class, sizes.width);
        // Only its training hides patches.
        weights.ignore("mask_token");
        let head = weights.linear_head("head", sizes.width);
        let notes = weights.finish()?;
        let pooled = (options.head != HeadChoice::PatchMean).then_some(pooled);
        let (stride, view) = (Some(sizes.patch as u32), View::shorter_side(side * 8 / 7, "bicubic", side));
        Ok(Network { pooled, stride, view, notes, ..Network::pooled(graph, features, head, preprocessing) })
    }
}

impl Sizes {
    fn of(weights: &Weights<'_>) -> Result<Self, Error> {
        let shape = |name: &str| weights.shape(name).unwrap_or_default();
        let (width, patch) = match *shape("patch_embed.proj.weight") {
            [width, 3, patch, other] if patch == other && patch * width > 0 => (width, patch),
            _ => return Err(weights.unlike("patch_embed.proj.weight", "[width, 3, patch, patch]")),
        };
        let (positions, stored) = match *shape("pos_embed") {
            // timm's networks with registers keep the position of the class token in the class token.
            [1, tokens, found] if found == width && tokens > 0 => {
                let squares = [tokens, tokens - 1].into_iter().find(|count| count.isqrt().pow(2) == *count);
                (tokens, squares.map_or(0, usize::isqrt))
            }
            _ => return Err(weights.unlike("pos_embed", "[1, positions, width]")),
        };
        if stored == 0 {
            return Err(weights.unlike("pos_embed", "those of a square of patches"));
        }
        let registers = ["register_tokens", "reg_token"].map(|name| shape(name).get(1).copied().unwrap_or(0));
        if !shape("blocks.0.mlp.w12.weight").is_empty() {
            return Err(Error::Import {
                message:
                    "this is DINOv2 ViT-g/14, which has 4.5 GB, expected at most 2 GiB, as ONNX files have"
                        .to_owned(),
                hint: "take ViT-L/14, ViT-B/14 or ViT-S/14".to_owned(),
            });
        }
        // Counted by large tensors, so that no small file asks for a large network.
        let there = |block: &usize| shape(&format!("blocks.{block}.attn.qkv.weight")) == [3 * width, width];
        let blocks = (0..).take_while(there).count();
        if blocks == 0 {
            return Err(weights.unlike("blocks.0.attn.qkv.weight", format!("[{}, {width}]", 3 * width)));
        }
        if stored > MOST_CELLS || patch > MOST_PATCH {
            let found = [stored, stored, patch];
            let expected = format!("at most {MOST_CELLS} patches of {MOST_PATCH} pixels along a side");
            return Err(weights.unlike_sizes("pos_embed", &found, expected));
        }
        Ok(Self { width, patch, positions, stored, registers: registers.into_iter().sum(), blocks })
    }

    /// Patches along this side.
    fn cells(&self, side: Option<u32>) -> Result<usize, Error> {
        let Some(side) = side.map(|side| side as usize) else { return Ok(self.stored) };
        let (cells, most) = (side / self.patch, MOST_CELLS * self.patch);
        if side % self.patch == 0 && (1..=MOST_CELLS).contains(&cells) {
            return Ok(cells);
        }
        Err(Error::Import {
            message: format!("--side is {side}, expected a multiple of {} up to {most}", self.patch),
            hint: format!("the nearest is {}", cells.clamp(1, MOST_CELLS) * self.patch),
        })
    }

    /// Class token, registers and patches before the first block.
    fn tokens(&self, graph: &mut Graph, weights: &mut Weights<'_>, image: Value, cells: usize) -> Value {
        let (width, patch) = (self.width, self.patch);
        let weight = weights.take("patch_embed.proj.weight", &[width, 3, patch, patch]);
        let bias = weights.take("patch_embed.proj.bias", &[width]);
        let squares = Conv::same("patches", weight, Some(bias)).stride(patch as u32).padding([0, 0]);
        let mut first = weights.take("cls_token", &[1, 1, width]).data;
        let stored = weights.take("pos_embed", &[1, self.positions, width]).data;
        let (class, stored) = stored.split_at((self.positions - self.stored * self.stored) * width);
        first.iter_mut().zip(class).for_each(|(value, position)| *value += position);
        let mut interpolation = Interpolation::Offset;
        if self.registers > 0 {
            let timm = weights.shape("reg_token").is_some();
            let name = if timm { "reg_token" } else { "register_tokens" };
            first.extend(weights.take(name, &[1, self.registers, width]).data);
            interpolation = Interpolation::Antialias;
        }
        first.extend(positions::resized(stored, [self.stored, cells], width, interpolation));
        let tokens = Tensor { shape: vec![1 + self.registers + cells * cells, width], data: first };
        transformer::tokens(graph, image, squares, tokens)
    }
}

/// A block, whose two sums are scaled channel by channel (layer scale): the factors go into the layers before them.
fn write_block(
    graph: &mut Graph,
    weights: &mut Weights<'_>,
    encoder: Encoder,
    x: Value,
    name: &str,
) -> Value {
    let width = encoder.width;
    let norm = encoder.norm(graph, weights, &format!("{name}.norm1"));
    let [weight, bias] = transformer::take_linear(weights, &format!("{name}.attn.qkv"), 3 * width, width);
    let qkv = encoder.qkv(graph, &format!("{name}.attn.qkv"), weight, bias);
    let out = scaled(graph, weights, &format!("{name}.attn.proj"), &format!("{name}.ls1.gamma"), [width; 2]);
    let x = encoder.attention(graph, x, Attention { norm, qkv, out });
    let normed = encoder.norm(graph, weights, &format!("{name}.norm2")).apply(graph, x);
    let up = format!("{name}.mlp.fc1");
    let [weight, bias] = transformer::take_linear(weights, &up, 4 * width, width);
    let up = Linear::new(graph, &up, &weight, Some(bias));
    let sizes = [width, 4 * width];
    let down = scaled(graph, weights, &format!("{name}.mlp.fc2"), &format!("{name}.ls2.gamma"), sizes);
    encoder.mlp(graph, x, normed, Mlp { up, down })
}

fn scaled(
    graph: &mut Graph,
    weights: &mut Weights<'_>,
    name: &str,
    factors: &str,
    [outputs, inputs]: [usize; 2],
) -> Linear {
    let factors = weights.take(factors, &[outputs]).data;
    let [mut weight, mut bias] = transformer::take_linear(weights, name, outputs, inputs);
    for tensor in [&mut weight, &mut bias] {
        let rows = tensor.data.chunks_exact_mut(tensor.shape[1..].iter().product());
        rows.zip(&factors).for_each(|(row, factor)| row.iter_mut().for_each(|value| *value *= factor));
    }
    Linear::new(graph, name, &weight, Some(bias))
}
