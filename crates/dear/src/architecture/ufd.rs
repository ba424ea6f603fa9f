//! UniversalFakeDetect (Ojha et al., CVPR 2023): a linear layer on the embedding of a frozen CLIP, ViT-L/14 as published.

use super::{Network, NetworkOptions, clip};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::view::View;

/// The sizes that no checkpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ufd {
    /// Numbers per token in an attention head.
    pub head_width: usize,
}

impl Ufd {
    /// As published, and CLIP ViT-B/16 as well.
    pub const PUBLISHED: Self = Self { head_width: super::transformer::HEAD_WIDTH };

    /// The network with the weights of a checkpoint; see [`super::Architecture::build`]. Its authors test on the middle of the
    /// image, without any resizing (`CenterCrop(224)`); their zeros around smaller images are not taken over.
    pub fn build(&self, checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
        let network = clip::linear_probe(checkpoint, options, self.head_width, |_, embedding| embedding)?;
        Ok(Network { view: View::middle(network.graph.side()), ..network })
    }
}
