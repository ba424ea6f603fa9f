//! EfficientNet-Lite (arXiv 1905.11946, the variant for phones: no squeeze and excitation, ReLU6, stem and head not scaled).

use super::{Network, NetworkOptions, Weights};
use crate::backbone::Graph;
use crate::backbone::graph::{Conv, Value};
use crate::backbone::metadata::Preprocessing;
use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// TensorFlow's batch norm, as these weights were trained with.
const EPSILON: f64 = 1e-3;

/// A row of the paper's table 1: blocks of one shape.
#[derive(Debug, Clone, Copy)]
struct Stage {
    /// How many blocks.
    blocks: usize,
    /// Side of the depthwise kernel.
    side: u32,
    /// How the first block moves.
    stride: u32,
    /// How many times as many channels within.
    expansion: usize,
    /// Channels behind.
    channels: usize,
}

const fn stage(blocks: usize, side: u32, stride: u32, expansion: usize, channels: usize) -> Stage {
    Stage { blocks, side, stride, expansion, channels }
}

/// Lite0: the paper's table 1 as it is.
const LITE0: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];
const STEM: usize = 32;
const CHANNELS: usize = 1280;

/// Lite0 in the names of `efficientnet_lite_pytorch`.
pub(super) fn lite0(checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
    let mut weights = Weights::new(checkpoint, "_conv_stem.weight", options.head);
    let (mut graph, image) = Graph::new(None);
    // (byte - 127) / 128, as in its training.
    let preprocessing = Preprocessing {
        mean: Some([127.0 / 255.0; 3]),
        std: Some([128.0 / 255.0; 3]),
        ..Preprocessing::default()
    };
    let x = graph.normalise(image, &preprocessing);
    let stem = weights.conv_bn("_conv_stem", "_bn0", [STEM, 3, 3, 3], EPSILON);
    let x = graph.conv(x, moving(stem, 3, 2));
    let mut x = graph.relu6(x);
    let mut number = 0;
    for stage in LITE0 {
        for block in 0..stage.blocks {
            let stride = if block == 0 { stage.stride } else { 1 };
            let name = format!("_blocks.{number}");
            x = inverted_residual(&mut graph, &mut weights, x, &name, &Stage { stride, ..stage });
            number += 1;
        }
    }
    let inputs = graph.channels(x).unwrap_or(0);
    let last = weights.conv_bn("_conv_head", "_bn1", [CHANNELS, inputs, 1, 1], EPSILON);
    let x = graph.conv(x, last);
    let x = graph.relu6(x);
    let head = weights.linear_head("_fc", CHANNELS);
    let notes = weights.finish()?;
    Ok(Network { notes, ..Network::pooled(graph, x, head, preprocessing) })
}

/// 1 x 1 to more channels, a kernel for each channel, 1 x 1 to few; the input is added where sizes allow.
fn inverted_residual(
    graph: &mut Graph,
    weights: &mut Weights<'_>,
    x: Value,
    name: &str,
    stage: &Stage,
) -> Value {
    let inputs = graph.channels(x).unwrap_or(0);
    let within = inputs * stage.expansion;
    let mut layer = |conv: &str, norm: &str, shape| {
        weights.conv_bn(&format!("{name}.{conv}"), &format!("{name}.{norm}"), shape, EPSILON)
    };
    let mut y = x;
    if stage.expansion != 1 {
        y = graph.conv(y, layer("_expand_conv", "_bn0", [within, inputs, 1, 1]));
        y = graph.relu6(y);
    }
    let side = stage.side as usize;
    let spatial = layer("_depthwise_conv", "_bn1", [within, 1, side, side]).groups(within as u32);
    y = graph.conv(y, moving(spatial, stage.side, stage.stride));
    y = graph.relu6(y);
    y = graph.conv(y, layer("_project_conv", "_bn2", [stage.channels, within, 1, 1]));
    if stage.stride == 1 && inputs == stage.channels { graph.add(y, x) } else { y }
}

/// TensorFlow's padding depends on the image's size; the peer pads every image as one of 224 x 224, and so does this.
fn moving(conv: Conv, side: u32, stride: u32) -> Conv {
    if stride == 1 {
        return conv;
    }
    let all = side - stride;
    let before = all / 2;
    conv.stride(stride).padding([before, all - before])
}
