//! ResNet-50 as a detector: torchvision's (CNNDetection, CVPR 2020), and without down-sampling in its stem (Corvi, ICASSP 2023;
//! Rajan; DEAR, with a gate before the pool), which keeps the traces of single pixels for 4 x the cost.

use super::bottleneck::Bottleneck;
use super::{Network, NetworkOptions, Weights, imagenet};
use crate::backbone::Graph;
use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// The sizes of a ResNet of bottlenecks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNet {
    /// The stride of the first convolution and of the max pool behind it: 2, or 1 without down-sampling.
    pub stem_stride: u32,
    /// Channels of the stem; each stage has twice as many within its blocks as the one before.
    pub width: usize,
    /// Blocks of the four stages.
    pub blocks: [usize; 4],
}

impl ResNet {
    /// Wang et al. 2020: torchvision's ResNet-50.
    pub const CNNDETECTION: Self = Self { stem_stride: 2, width: 64, blocks: [3, 4, 6, 3] };
    /// Corvi et al. 2023; method.md section 7.
    pub const CORVI: Self = Self { stem_stride: 1, ..Self::CNNDETECTION };

    /// The network with the weights of a checkpoint; see [`super::Architecture::build`].
    pub fn build(&self, checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
        let mut weights = Weights::new(checkpoint, "conv1.weight", options.head);
        let network = self.network(&mut weights);
        weights.finish()?;
        Ok(network)
    }

    /// Channels of the features.
    fn channels(&self) -> usize {
        32 * self.width
    }

    /// The network in the names of torchvision. A checkpoint of the DEAR reference has them behind `backbone.`, and a buffer
    /// `gate.gate` by which the features are multiplied: it goes into the head, the features stay those of the backbone.
    fn network(&self, weights: &mut Weights<'_>) -> Network {
        let (mut graph, image) = Graph::new(None);
        let preprocessing = imagenet();
        let x = graph.normalise(image, &preprocessing);
        let stem = weights.conv_bn("conv1", "bn1", [self.width, 3, 7, 7], 1e-5).stride(self.stem_stride);
        let x = graph.conv(x, stem);
        let x = graph.relu(x);
        let mut x = graph.max_pool(x, 3, self.stem_stride, [1, 1]);
        for (stage, &blocks) in self.blocks.iter().enumerate() {
            let block = Bottleneck {
                planes: self.width << stage,
                side: 3,
                stride: if stage == 0 { 1 } else { 2 },
                padded: true,
            };
            x = block.stage(&mut graph, weights, x, &format!("layer{}", stage + 1), blocks);
        }
        let channels = self.channels();
        let gate = weights.prefix().strip_suffix("backbone.").map(|before| format!("{before}gate.gate"));
        let gate = gate.map(|name| weights.take_full(&name, &[channels]).data);
        let head = weights.linear_head("fc", channels);
        Network { gate, ..Network::pooled(graph, x, head, preprocessing) }
    }
}
