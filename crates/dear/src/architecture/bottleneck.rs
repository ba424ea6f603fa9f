//! The bottleneck block of ResNet-50 (arXiv 1512.03385, fig. 5), which half of the detectors of this field are made of.

use super::Weights;
use crate::backbone::Graph;
use crate::backbone::graph::Value;

/// PyTorch's default.
const EPSILON: f64 = 1e-5;

/// One block: 1x1 to `planes` channels, `side` x `side` that moves by `stride`, 1x1 to four times as many, each with its batch
/// norm, and the input added.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bottleneck {
    /// Channels within.
    pub(super) planes: usize,
    /// Side of the kernel in the middle: 1 or 3.
    pub(super) side: usize,
    /// Of the kernel in the middle, as torchvision has it.
    pub(super) stride: u32,
    /// Whether the kernel in the middle pads its input. Without padding the result is smaller, and the last rows and columns
    /// of what is added are left out (LaDeDa).
    pub(super) padded: bool,
}

impl Bottleneck {
    /// The block called `name` with torchvision's names of tensors; the input goes through a convolution of its own if the
    /// checkpoint has one.
    pub(super) fn write(self, graph: &mut Graph, weights: &mut Weights<'_>, x: Value, name: &str) -> Value {
        let Self { planes, side, stride, .. } = self;
        let inputs = graph.channels(x).unwrap_or(0);
        let outputs = 4 * planes;
        let mut layer = |conv: &str, norm: &str, shape| {
            weights.conv_bn(&format!("{name}.{conv}"), &format!("{name}.{norm}"), shape, EPSILON)
        };
        let reduce = layer("conv1", "bn1", [planes, inputs, 1, 1]);
        let mut spatial = layer("conv2", "bn2", [planes, planes, side, side]).stride(stride);
        if !self.padded {
            spatial = spatial.padding([0, 0]);
        }
        let expand = layer("conv3", "bn3", [outputs, planes, 1, 1]);
        let shortcut = (stride != 1 || inputs != outputs)
            .then(|| layer("downsample.0", "downsample.1", [outputs, inputs, 1, 1]).stride(stride));

        let y = graph.conv(x, reduce);
        let y = graph.relu(y);
        let y = graph.conv(y, spatial);
        let y = graph.relu(y);
        let y = graph.conv(y, expand);
        let mut x = match shortcut {
            Some(shortcut) => graph.conv(x, shortcut),
            None => x,
        };
        if !self.padded && side > 1 {
            x = graph.crop_like(x, y);
        }
        let sum = graph.add(y, x);
        graph.relu(sum)
    }

    /// `blocks` of them, of which only the first moves by `stride`.
    pub(super) fn stage(
        self,
        graph: &mut Graph,
        weights: &mut Weights<'_>,
        x: Value,
        name: &str,
        blocks: usize,
    ) -> Value {
        (0..blocks).fold(x, |x, block| {
            let stride = if block == 0 { self.stride } else { 1 };
            Self { stride, ..self }.write(graph, weights, x, &format!("{name}.{block}"))
        })
    }
}
