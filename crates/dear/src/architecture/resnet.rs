//! ResNet-50 as a detector: torchvision's (CNNDetection, CVPR 2020), and without down-sampling in its stem (Corvi, ICASSP 2023;
//! Rajan; DEAR, with a gate before the pool), which keeps the traces of single pixels for 4 x the cost.

use super::bottleneck::Bottleneck;
use super::{Network, NetworkOptions, Weights, imagenet};
use crate::backbone::Graph;
use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// Blocks of the four stages.
const BLOCKS: [usize; 4] = [3, 4, 6, 3];
const CHANNELS: usize = 2048;

/// ResNet-50.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResNet50 {
    /// The stride of the first convolution and of the max pool behind it.
    stem_stride: u32,
    /// Whether the checkpoint holds a gate beside the backbone.
    gated: bool,
}

impl ResNet50 {
    /// Wang et al. 2020: torchvision's.
    pub(super) const CNNDETECTION: Self = Self { stem_stride: 2, gated: false };
    /// Corvi et al. 2023; method.md section 7.
    pub(super) const CORVI: Self = Self { stem_stride: 1, gated: false };
    /// DEAR: Corvi's with a gate; method.md section 7.
    pub(super) const DEAR: Self = Self { gated: true, ..Self::CORVI };

    /// The network with the weights of a checkpoint; see [`super::Architecture::build`].
    pub(super) fn build(self, checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
        let mut weights = Weights::new(checkpoint, "conv1.weight", options.head);
        let network = self.network(&mut weights);
        let notes = weights.finish()?;
        Ok(Network { notes, ..network })
    }

    /// The network in the names of torchvision. A checkpoint of the DEAR reference has them behind `backbone.`, and a buffer
    /// `gate.gate` by which the features are multiplied: it goes into the head, the features stay those of the backbone.
    fn network(self, weights: &mut Weights<'_>) -> Network {
        let (mut graph, image) = Graph::new(None);
        let preprocessing = imagenet();
        let x = graph.normalise(image, &preprocessing);
        let stem = weights.conv_bn("conv1", "bn1", [64, 3, 7, 7], 1e-5).stride(self.stem_stride);
        let x = graph.conv(x, stem);
        let x = graph.relu(x);
        let mut x = graph.max_pool(x, 3, self.stem_stride, [1, 1]);
        for (stage, blocks) in BLOCKS.into_iter().enumerate() {
            let block = Bottleneck {
                planes: 64 << stage,
                side: 3,
                stride: if stage == 0 { 1 } else { 2 },
                padded: true,
            };
            x = block.stage(&mut graph, weights, x, &format!("layer{}", stage + 1), blocks);
        }
        let before = weights.prefix().strip_suffix("backbone.").unwrap_or_default();
        let gate = self.gated.then(|| format!("{before}gate.gate"));
        let gate = gate.map(|name| weights.take_full(&name, &[CHANNELS]).data);
        let head = weights.linear_head("fc", CHANNELS);
        Network { gate, ..Network::pooled(graph, x, head, preprocessing) }
    }
}
