//! C2P-CLIP (Tan et al., AAAI 2025; arXiv 2408.09647): a linear layer on the embedding of a CLIP that was tuned to tell
//! generated images, at unit length. The prompts that tuned it are not needed afterwards.

use super::{Network, NetworkOptions, clip};
use crate::backbone::Graph;
use crate::backbone::graph::{Attribute, Value};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::view::View;

/// The sizes that no checkpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct C2pClip {
    /// Numbers per token in an attention head.
    pub head_width: usize,
}

impl C2pClip {
    /// As published.
    pub const PUBLISHED: Self = Self { head_width: super::transformer::HEAD_WIDTH };

    /// The network with the weights of a checkpoint; see [`super::Architecture::build`]. Its authors test on the middle of the
    /// image after the shorter side was brought to 224 (`Resize(224)`, `CenterCrop(224)`).
    pub fn build(&self, checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
        let network = clip::linear_probe(checkpoint, options, self.head_width, unit_length)?;
        let side = network.graph.side().unwrap_or(224);
        Ok(Network { view: View::shorter_side(side, "bilinear", side), ..network })
    }
}

/// `x / |x|` over the last axis.
fn unit_length(graph: &mut Graph, x: Value) -> Value {
    let axes = [("axes", Attribute::Ints(vec![-1])), ("keepdims", Attribute::Int(1))];
    let length = graph.node("ReduceL2", &[x], &axes);
    graph.node("Div", &[x, length], &[])
}
