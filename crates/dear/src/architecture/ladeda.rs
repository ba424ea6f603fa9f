//! LaDeDa and Tiny-LaDeDa (arXiv 2406.09398): small receptive fields without padding, so that the score of an image is the mean
//! over its patches.

use serde::{Deserialize, Serialize};

use super::bottleneck::Bottleneck;
use super::{Network, NetworkOptions, Weights, imagenet};
use crate::backbone::Graph;
use crate::backbone::graph::{Conv, Value};
use crate::backbone::metadata::Preprocessing;
use crate::checkpoint::{Checkpoint, Tensor};
use crate::error::Error;
use crate::view::View;

/// What the network looks at instead of normalised pixels. No checkpoint says which: it is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Residual {
    /// The pixels themselves.
    Raw,
    /// Neighbouring pixel relations.
    Npr,
    /// Sobel's derivative along a row.
    XGrad,
    /// Sobel's derivative along a column.
    YGrad,
    /// The derivative along one diagonal.
    LeftDiag,
    /// The derivative along the other.
    RightDiag,
}

impl Residual {
    /// Its name on the command line and in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Npr => "npr",
            Self::XGrad => "x-grad",
            Self::YGrad => "y-grad",
            Self::LeftDiag => "left-diag",
            Self::RightDiag => "right-diag",
        }
    }

    /// A 3 x 3 kernel per colour, as a correlation, with zeros around the image.
    fn kernel(self) -> Option<[i8; 9]> {
        match self {
            Self::Raw | Self::Npr => None,
            Self::XGrad => Some([-1, 0, 1, -2, 0, 2, -1, 0, 1]),
            Self::YGrad => Some([-1, -2, -1, 0, 0, 0, 1, 2, 1]),
            Self::LeftDiag => Some([0, 1, 2, -1, 0, 1, -2, -1, 0]),
            Self::RightDiag => Some([-2, -1, 0, -1, 0, 1, 0, 1, 2]),
        }
    }

    fn write(self, graph: &mut Graph, x: Value) -> Value {
        let Some(kernel) = self.kernel() else {
            return if self == Self::Npr { graph.neighbouring_pixel_relations(x) } else { x };
        };
        let data = kernel.repeat(3).into_iter().map(f32::from).collect();
        let weight = Tensor { shape: vec![3, 1, 3, 3], data };
        graph.conv(x, Conv::same("residual", weight, None).groups(3))
    }
}

/// LaDeDa. Which of its stages sees more than single cells (5, 9, 17 or 33 pixels in all) is in the checkpoint.
pub(super) fn ladeda(checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
    let mut weights = Weights::new(checkpoint, "conv1.weight", options.head);
    let residual = declared(options)?;
    let (mut graph, mut x, preprocessing) = stem(&mut weights, 64, residual);
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let name = format!("layer{}", stage + 1);
        let (planes, stride) = (64 << stage, if stage < 3 { 2 } else { 1 });
        let found = weights.shape(&format!("{name}.0.conv2.weight")).and_then(|shape| shape.last());
        let side = if found == Some(&3) { 3 } else { 1 };
        let first = Bottleneck { planes, side, stride, padded: false };
        x = first.write(&mut graph, &mut weights, x, &format!("{name}.0"));
        for block in 1..blocks {
            let next = Bottleneck { side: 1, stride: 1, ..first };
            x = next.write(&mut graph, &mut weights, x, &format!("{name}.{block}"));
        }
    }
    let head = weights.linear_head("fc", 2048);
    let notes = weights.finish()?;
    Ok(Network { view: authors_view(), notes, ..Network::pooled(graph, x, head, preprocessing) })
}

/// Tiny-LaDeDa: four convolutions of eight channels.
pub(super) fn tiny(checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
    const WIDTH: usize = 8;
    let mut weights = Weights::new(checkpoint, "conv1.weight", options.head);
    let residual = declared(options)?;
    let (mut graph, x, preprocessing) = stem(&mut weights, WIDTH, residual);
    let reduce = weights.conv_bn("layer1.0.conv1", "layer1.0.bn1", [WIDTH, WIDTH, 1, 1], 1e-5);
    let spatial = weights.conv_bn("layer1.0.conv2", "layer1.0.bn2", [WIDTH, WIDTH, 3, 3], 1e-5);
    let x = graph.conv(x, reduce);
    let x = graph.relu(x);
    let x = graph.conv(x, spatial.stride(2).padding([0, 0]));
    let x = graph.relu(x);
    let head = weights.linear_head("fc", WIDTH);
    let notes = weights.finish()?;
    Ok(Network { view: authors_view(), notes, ..Network::pooled(graph, x, head, preprocessing) })
}

/// How the authors train and test: every image in this size, whatever its shape.
fn authors_view() -> View {
    View::whole([256, 256], "bilinear")
}

/// A detector with another residual than its own is a different one, with scores that look like scores.
fn declared(options: &NetworkOptions) -> Result<Residual, Error> {
    options.residual.ok_or_else(|| Error::Import {
        message: "the residual is not said, and no checkpoint of LaDeDa says it".to_owned(),
        hint: "pass --residual: the authors' programs have npr for LaDeDa and right-diag for Tiny-LaDeDa by default; the \
               one whose logits on photographs are of a few units is the right one"
            .to_owned(),
    })
}

/// Residual, 1 x 1 and 3 x 3 convolution, batch norm.
fn stem(weights: &mut Weights<'_>, width: usize, residual: Residual) -> (Graph, Value, Preprocessing) {
    let (mut graph, image) = Graph::new(None);
    let mut preprocessing = imagenet();
    let x = graph.normalise(image, &preprocessing);
    let x = residual.write(&mut graph, x);
    preprocessing.extra.insert("residual".to_owned(), residual.name().into());
    let colours = Conv::same("conv1", weights.take("conv1.weight", &[width, 3, 1, 1]), None);
    let spatial = weights.conv_bn("conv2", "bn1", [width, width, 3, 3], 1e-5);
    let x = graph.conv(x, colours);
    let x = graph.conv(x, spatial.padding([0, 0]));
    let x = graph.relu(x);
    (graph, x, preprocessing)
}
