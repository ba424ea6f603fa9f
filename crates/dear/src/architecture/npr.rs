//! NPR (CVPR 2024): half of a ResNet-50 over neighbouring pixel relations, which up-sampling layers leave their traces in.

use super::bottleneck::Bottleneck;
use super::{Network, NetworkOptions, Weights, imagenet};
use crate::backbone::Graph;
use crate::backbone::graph::Conv;
use crate::checkpoint::{Checkpoint, Tensor};
use crate::error::Error;

/// The network with the weights of a checkpoint; see [`super::Architecture::build`]. Sides are taken as even: the
/// reference fails on odd ones, here the last row or column is left out.
pub(super) fn build(checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
    let mut weights = Weights::new(checkpoint, "conv1.weight", options.head);
    let (mut graph, image) = Graph::new(None);
    let mut preprocessing = imagenet();
    let x = graph.normalise(image, &preprocessing);
    let x = graph.neighbouring_pixel_relations(x);
    preprocessing.extra.insert("residual".to_owned(), "npr".into());
    // The reference scales what it sees by 2/3; so do the weights, by which it is multiplied next.
    let stem = scaled(weights.conv_bn("conv1", "bn1", [64, 3, 3, 3], 1e-5), 2.0 / 3.0).stride(2);
    let x = graph.conv(x, stem);
    let x = graph.relu(x);
    let mut x = graph.max_pool(x, 3, 2, [1, 1]);
    for (stage, blocks) in [3, 4].into_iter().enumerate() {
        let (planes, stride) = (64 << stage, 1 + u32::from(stage > 0));
        let block = Bottleneck { planes, side: 3, stride, padded: true };
        x = block.stage(&mut graph, &mut weights, x, &format!("layer{}", stage + 1), blocks);
    }
    let head = weights.linear_head("fc1", 512);
    let notes = weights.finish()?;
    Ok(Network { notes, ..Network::pooled(graph, x, head, preprocessing) })
}

fn scaled(conv: Conv, factor: f64) -> Conv {
    let data = conv.weight.data.iter().map(|&value| (f64::from(value) * factor) as f32).collect();
    Conv { weight: Tensor { data, ..conv.weight }, ..conv }
}
