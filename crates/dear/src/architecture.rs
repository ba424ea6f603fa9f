//! The networks that checkpoints are imported for: one file each, from names of tensors to an ONNX graph.
//!
//! ```text
//! Checkpoint -> Weights (by name and shape, none missing, none left over) -> Network (graph, head) -> detector file
//! ```
//! To add one, write a file beside these and a line in [`ARCHITECTURES`].

mod bottleneck;
pub mod c2p_clip;
mod clip;
pub mod dinov2;
mod efficientnet_lite;
mod keys;
pub mod ladeda;
mod npr;
mod positions;
mod resnet;
pub mod rine;
mod transformer;
pub mod ufd;
mod weights;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

pub use keys::{KeyProblems, Reshaped};
pub use weights::Weights;

use crate::backbone::graph::{Attribute, OPSET, Value};
use crate::backbone::metadata::{GateRecord, Memory, Metadata, Preprocessing};
use crate::backbone::{Graph, ImportError, OnnxModel};
use crate::checkpoint::{Checkpoint, Tensor};
use crate::detector::{DetectorError, HEAD_BIAS, HEAD_WEIGHT, Quantity};
use crate::error::Error;
use crate::head::Head;
use crate::view::View;

/// Mean of ImageNet's colours, in 0..1.
pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// Their standard deviation.
pub const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

/// A network that checkpoints are imported for.
#[derive(Debug)]
pub struct Architecture {
    /// Its name on the command line, in lower case with hyphens.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Where it is described.
    pub paper: &'static str,
    /// A tensor that its checkpoints surely have; what stands before it is a prefix of all names.
    pub anchor: &'static str,
    /// Tensors that tell it from the others, after the prefix.
    pub signature: &'static [&'static str],
    /// The same in names of another library, or with parts in other places: an anchor and a signature each.
    pub others: &'static [(&'static str, &'static [&'static str])],
    build: fn(&Checkpoint, &NetworkOptions) -> Result<Network, Error>,
}

/// The first weights of CLIP's image tower in Hugging Face's names.
const HUGGING_FACE: &str = "vision_model.embeddings.patch_embedding.weight";

/// All of them.
pub const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "corvi",
        title: "ResNet-50 without down-sampling in the stem",
        paper: "Corvi et al., ICASSP 2023 (arXiv 2211.00680)",
        anchor: "conv1.weight",
        signature: &["layer4.2.conv3.weight"],
        others: &[],
        build: |checkpoint, options| resnet::ResNet50::CORVI.build(checkpoint, options),
    },
    Architecture {
        name: "rajan",
        title: "ResNet-50 without down-sampling in the stem",
        paper: "Rajan et al., ICLR 2025 (arXiv 2410.11835)",
        anchor: "conv1.weight",
        signature: &["layer4.2.conv3.weight"],
        others: &[],
        build: |checkpoint, options| resnet::ResNet50::CORVI.build(checkpoint, options),
    },
    Architecture {
        name: "dear",
        title: "ResNet-50 without down-sampling in the stem, with a gate before the pool",
        paper: "Dissect and Prune, ICML 2026",
        anchor: "backbone.conv1.weight",
        signature: &["gate.gate", "backbone.layer4.2.conv3.weight"],
        others: &[],
        build: |checkpoint, options| resnet::ResNet50::DEAR.build(checkpoint, options),
    },
    Architecture {
        name: "cnndetection",
        title: "torchvision's ResNet-50",
        paper: "Wang et al., CVPR 2020 (arXiv 1912.11035)",
        anchor: "conv1.weight",
        signature: &["layer4.2.conv3.weight"],
        others: &[],
        build: |checkpoint, options| resnet::ResNet50::CNNDETECTION.build(checkpoint, options),
    },
    Architecture {
        name: "npr",
        title: "neighbouring pixel relations and half of a ResNet-50",
        paper: "Tan et al., CVPR 2024 (arXiv 2312.10461)",
        anchor: "conv1.weight",
        signature: &["layer2.3.conv3.weight", "fc1.weight"],
        others: &[],
        build: npr::build,
    },
    Architecture {
        name: "ladeda",
        title: "LaDeDa: a ResNet-50 that sees patches of 5 to 33 pixels",
        paper: "Cavia et al. 2024 (arXiv 2406.09398)",
        anchor: "conv1.weight",
        signature: &["conv2.weight", "layer2.0.conv1.weight", "layer4.2.conv3.weight", "fc.weight"],
        others: &[],
        build: ladeda::ladeda,
    },
    Architecture {
        name: "tiny-ladeda",
        title: "Tiny-LaDeDa: four convolutions of eight channels",
        paper: "Cavia et al. 2024 (arXiv 2406.09398)",
        anchor: "conv1.weight",
        signature: &["conv2.weight", "layer1.0.conv2.weight", "fc.weight"],
        others: &[],
        build: ladeda::tiny,
    },
    Architecture {
        name: "efficientnet-lite0",
        title: "EfficientNet-Lite0",
        paper: "Tan and Le, ICML 2019 (arXiv 1905.11946); the variant for phones",
        anchor: "_conv_stem.weight",
        signature: &["_conv_head.weight", "_blocks.15._project_conv.weight"],
        others: &[],
        build: efficientnet_lite::lite0,
    },
    Architecture {
        name: "ufd",
        title: "UniversalFakeDetect: a linear head on CLIP",
        paper: "Ojha et al., CVPR 2023 (arXiv 2302.10174)",
        anchor: "visual.conv1.weight",
        signature: &["visual.ln_pre.weight", "visual.proj"],
        others: &[(HUGGING_FACE, &["vision_model.pre_layrnorm.weight", "visual_projection.weight"])],
        build: |checkpoint, options| ufd::Ufd::PUBLISHED.build(checkpoint, options),
    },
    Architecture {
        name: "c2p-clip",
        title: "C2P-CLIP: a linear head on the direction of CLIP's embedding",
        paper: "Tan et al., AAAI 2025 (arXiv 2408.09647)",
        anchor: HUGGING_FACE,
        signature: &["visual_projection.weight", "fc.weight"],
        others: &[
            // As published: the linear layer within the `model` that is CLIP.
            (
                "model.vision_model.embeddings.patch_embedding.weight",
                &[
                    "model.vision_model.pre_layrnorm.weight",
                    "model.visual_projection.weight",
                    "model.fc.weight",
                ],
            ),
            // Anything else on these names may as well be UniversalFakeDetect's.
            (HUGGING_FACE, &["vision_model.pre_layrnorm.weight", "visual_projection.weight"]),
        ],
        build: |checkpoint, options| c2p_clip::C2pClip::PUBLISHED.build(checkpoint, options),
    },
    Architecture {
        name: "rine",
        title: "RINE: a small network on all blocks of CLIP",
        paper: "Koutlis and Papadopoulos, ECCV 2024 (arXiv 2402.19091)",
        anchor: "alpha",
        signature: &["alpha", "proj1.1.weight", "proj2.1.weight", "head.6.weight"],
        others: &[],
        build: |checkpoint, options| rine::Rine::PUBLISHED.build(checkpoint, options),
    },
    Architecture {
        name: "dinov2",
        title: "DINOv2: a linear head on the class token",
        paper: "Oquab et al., TMLR 2024 (arXiv 2304.07193)",
        anchor: "patch_embed.proj.weight",
        signature: &["cls_token", "pos_embed", "blocks.0.ls1.gamma", "norm.weight"],
        others: &[],
        build: |checkpoint, options| dinov2::Dinov2::PUBLISHED.build(checkpoint, options),
    },
];

impl Architecture {
    /// The architecture of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ARCHITECTURES.iter().find(|architecture| architecture.name == name)
    }

    /// Whether a checkpoint has the names of tensors that this one has, and in how many of them that shows.
    pub fn fits(&self, checkpoint: &Checkpoint) -> Option<usize> {
        let names = self.names().filter(|(anchor, signature)| {
            let prefix = weights::prefix_of(checkpoint.names(), anchor);
            prefix.is_some_and(|prefix| has_all(checkpoint, prefix, signature))
        });
        names.map(|(_, signature)| signature.len()).max()
    }

    /// What stands before the names of tensors in a checkpoint (`module.`, often nothing), if it has the anchor.
    pub fn prefix<'c>(&self, checkpoint: &'c Checkpoint) -> Option<&'c str> {
        self.names().find_map(|(anchor, _)| weights::prefix_of(checkpoint.names(), anchor))
    }

    /// Anchors and signatures.
    fn names(&self) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
        [(self.anchor, self.signature)].into_iter().chain(self.others.iter().copied())
    }

    /// What to do about a checkpoint with other names than this one has.
    fn advice(&self, checkpoint: &Checkpoint) -> String {
        if let Some(hint) = several_networks(checkpoint) {
            return hint;
        }
        let own = self.fits(checkpoint);
        let likes = |other: &Self| (other.anchor, other.signature) == (self.anchor, self.signature);
        let others = ARCHITECTURES.iter().filter(|other| !likes(other));
        let fitting: Vec<_> =
            others.filter_map(|other| Some((other.fits(checkpoint)?, other.name))).collect();
        let most = fitting.iter().map(|(specific, _)| *specific).max();
        if most > own {
            let best = fitting.iter().filter(|(specific, _)| Some(*specific) == most).map(|(_, name)| *name);
            return format!("the names fit --arch {}", best.collect::<Vec<_>>().join(" or "));
        } else if own.is_some() {
            return "the other names are this network's: a part of its file, or another variant; get the whole file, or \
                    export the network to ONNX and import that (--arch onnx)"
                .to_owned();
        }
        KeyProblems::UNLIKE.to_owned()
    }

    /// The network with the weights of a checkpoint.
    ///
    /// # Errors
    /// If tensors are missing, left over, of another shape or not finite, or if an option does not fit.
    pub fn build(&self, checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
        if let (Some(residual), false) = (options.residual, self.name.ends_with("ladeda")) {
            return Err(Error::Import {
                message: format!("{} takes no residual, found {}", self.name, residual.name()),
                hint: "leave --residual out: what the network looks at is part of the architecture"
                    .to_owned(),
            });
        }
        let network = (self.build)(checkpoint, options).map_err(|error| match error {
            Error::Detector(DetectorError::Import(error)) => error.or_hint(|| self.advice(checkpoint)).into(),
            other => other,
        })?;
        if options.head == HeadChoice::PatchMean && network.graph.side().is_none() {
            return Err(Error::Import {
                message: format!("patch-mean is for transformers, found {}", self.name),
                hint: "its head reads the mean of the map already: --head replace leaves zeros there"
                    .to_owned(),
            });
        }
        Ok(network)
    }
}

fn has_all(checkpoint: &Checkpoint, prefix: &str, names: &[&str]) -> bool {
    names.iter().all(|name| checkpoint.shape(&format!("{prefix}{name}")).is_some())
}

/// What to do where a file has one network several times beside each other (its weights and their moving average), under
/// prefixes of which none stands before all names.
pub(crate) fn several_networks(checkpoint: &Checkpoint) -> Option<String> {
    let names = ARCHITECTURES.iter().flat_map(Architecture::names);
    let mut several = names.filter_map(|(anchor, signature)| {
        let prefixes = checkpoint.names().filter_map(|name| name.strip_suffix(anchor));
        let prefixes = prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
        let whole: Vec<_> = prefixes.filter(|prefix| has_all(checkpoint, prefix, signature)).collect();
        (whole.len() > 1).then_some(whole)
    });
    let prefixes: Vec<_> = several.next()?.iter().map(|prefix| format!("\"{prefix}\"")).collect();
    Some(format!(
        "the file holds the network several times, under {}: save the one that is wanted alone in PyTorch",
        keys::some(prefixes.into_iter())
    ))
}

/// What becomes of the head of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadChoice {
    /// It is taken: a linear layer with one output, above 0 for *generated*.
    #[default]
    Checkpoint,
    /// Of two outputs, the second less the first: classes *real*, *generated* behind a softmax.
    SecondMinusFirst,
    /// Of two outputs, the first less the second: classes *generated*, *real* behind a softmax.
    FirstMinusSecond,
    /// Zeros in its place, to be trained (`dear fit`).
    Replace,
    /// Zeros over the mean of all patch tokens, to be trained: for networks whose own head does not read the feature map.
    PatchMean,
}

/// What a checkpoint does not say of its network.
#[derive(Debug, Clone, Default)]
pub struct NetworkOptions {
    /// What becomes of the head. Default: it is taken.
    pub head: HeadChoice,
    /// What LaDeDa looks at instead of pixels. Required there, refused elsewhere.
    pub residual: Option<ladeda::Residual>,
    /// The file of the frozen network, where the checkpoint holds only what was trained above it.
    pub backbone: Option<PathBuf>,
    /// The side of the image in pixels, for transformers. Default: the one of their positions.
    pub side: Option<u32>,
}

/// The file of a frozen network, as the document names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackboneFile {
    /// Its name, without folders.
    pub file: String,
    /// Its hash, in hexadecimal.
    pub sha256: String,
}

/// An error about a file's tensors, with the file's name unless it has one.
pub(crate) fn named(error: Error, path: &Path) -> Error {
    match error {
        Error::Detector(DetectorError::Import(error)) if error.file() == ImportError::UNNAMED => {
            error.named(path.display()).into()
        }
        other => other,
    }
}

/// ImageNet's normalisation of RGB in 0..1.
fn imagenet() -> Preprocessing {
    Preprocessing { mean: Some(IMAGENET_MEAN), std: Some(IMAGENET_STD), ..Preprocessing::default() }
}

/// A network as a graph, ready to become a detector file.
#[derive(Debug)]
pub struct Network {
    /// All layers up to the features.
    pub graph: Graph,
    /// `[N, C, h, w]`.
    pub features: Value,
    /// `[N, C]`: what the head reads. `None`: the mean of the features.
    pub pooled: Option<Value>,
    /// `C` weights and a bias.
    pub head: Head,
    /// Factors of the channels, if the checkpoint has a gate.
    pub gate: Option<Vec<f32>>,
    /// What the graph does with its input.
    pub preprocessing: Preprocessing,
    /// Pixels from a feature to the next, where the graph does not know it.
    pub stride: Option<u32>,
    /// How its authors bring an image to what it sees.
    pub view: View,
    /// The second file that it was built from.
    pub backbone: Option<BackboneFile>,
    /// Sentences about what of the checkpoint was taken otherwise than by its name, or passed over.
    pub notes: Vec<String>,
}

impl Network {
    /// A network whose head reads the mean of its features.
    pub fn pooled(graph: Graph, features: Value, head: Head, preprocessing: Preprocessing) -> Self {
        Self {
            graph,
            features,
            pooled: None,
            head,
            gate: None,
            preprocessing,
            stride: None,
            view: View::Native,
            backbone: None,
            notes: Vec::new(),
        }
    }

    /// The detector file. `metadata`: name, architecture, licence and source; the rest is filled in here.
    ///
    /// # Errors
    /// If the file would be too large for ONNX.
    pub fn into_detector(self, metadata: Metadata) -> Result<Vec<u8>, ImportError> {
        self.finish(metadata, OPSET, |graph, name, document| graph.to_onnx(name, document))
    }

    /// The detector file of a graph that stands around another file's ([`Graph::around`]).
    ///
    /// # Errors
    /// As [`Graph::to_onnx_around`].
    pub fn into_detector_around(
        self,
        inner: &OnnxModel<'_>,
        metadata: Metadata,
    ) -> Result<Vec<u8>, ImportError> {
        let operators = inner.operators()?.unwrap_or(OPSET);
        self.finish(metadata, operators, |graph, _, document| graph.to_onnx_around(inner, document))
    }

    fn finish(
        mut self,
        mut metadata: Metadata,
        operators: i64,
        write: impl FnOnce(&Graph, &str, &str) -> Result<Vec<u8>, ImportError>,
    ) -> Result<Vec<u8>, ImportError> {
        let channels = self.head.weight.len();
        let bytes_per_pixel = self.graph.bytes_per_pixel().ceil() as u32;
        // A transformer's tokens are no maps: what it takes is not counted.
        let counted = bytes_per_pixel > 0 && self.graph.side().is_none();
        metadata.memory = counted.then(|| Memory { bytes_per_pixel, extra: Map::new() });
        let graph = &mut self.graph;
        let grid = graph.grid(self.features);
        let mut head = self.head;
        if let Some(gate) = &self.gate {
            head.weight.iter_mut().zip(gate).for_each(|(weight, factor)| *weight *= factor);
            metadata.gate = gate_record(gate);
        }
        let any = [None, Some(channels), None, None];
        graph.output(Quantity::Features.name(), self.features, &any);
        let weight = Tensor { shape: vec![1, channels, 1, 1], data: head.weight };
        let weight = graph.constant(HEAD_WEIGHT, weight);
        let bias = graph.constant(HEAD_BIAS, Tensor { shape: vec![1], data: vec![head.bias] });
        let mean = match self.pooled {
            Some(pooled) => {
                graph.output(Quantity::Pooled.name(), pooled, &[None, Some(channels)]);
                let shape = graph.integers("pooled.shape", &[-1, channels as i64, 1, 1]);
                graph.node("Reshape", &[pooled, shape], &[])
            }
            None => {
                // Rows first: ONNX Runtime's GlobalAveragePool adds all places up in one f32, which of a flat picture of
                // 512 x 512 is wrong by 4e-4.
                let along = |graph: &mut Graph, x, axis, name| match operators {
                    ..18 => graph.node("ReduceMean", &[x], &[("axes", Attribute::Ints(vec![axis]))]),
                    _ => {
                        let axes = graph.integers(name, &[axis]);
                        graph.node("ReduceMean", &[x, axes], &[])
                    }
                };
                let rows = along(graph, self.features, 3, "mean.columns");
                let mean = along(graph, rows, 2, "mean.rows");
                let pooled = graph.node("Flatten", &[mean], &[]);
                graph.output(Quantity::Pooled.name(), pooled, &[None, Some(channels)]);
                let evidence = graph.linear(self.features, weight, bias);
                graph.output(Quantity::Evidence.name(), evidence, &[None, Some(1), None, None]);
                mean
            }
        };
        let logit = graph.linear(mean, weight, bias);
        let shape = graph.integers("logit.shape", &[-1]);
        let logit = graph.node("Reshape", &[logit, shape], &[]);
        graph.output(Quantity::Logit.name(), logit, &[None]);

        if let Some(backbone) = self.backbone {
            metadata.source.extra.insert("backbone".to_owned(), json!(backbone));
        }
        if !self.notes.is_empty() {
            metadata.source.extra.insert("notes".to_owned(), json!(self.notes));
        }
        metadata.view = self.view;
        metadata.channels = channels as u32;
        metadata.preprocessing = self.preprocessing;
        metadata.stride = grid.map(|grid| grid.stride).or(self.stride);
        metadata.halo = grid.map(|grid| grid.halo());
        metadata.span = grid.map(|grid| grid.span);
        metadata.receptive_field = grid.map(|grid| grid.receptive_field());
        if let Some(grid) = grid {
            metadata.valid_input.min_side = metadata.valid_input.min_side.max(grid.span).max(grid.stride);
        }
        metadata.valid_input.min_side = metadata.valid_input.min_side.max(graph.side().unwrap_or(1));
        write(graph, &metadata.name, &metadata.to_json()?)
    }
}

/// The record of a gate of zeros and ones; `None` for one that weights its channels.
fn gate_record(gate: &[f32]) -> Option<GateRecord> {
    let whole = gate.iter().all(|&factor| factor == 0.0 || factor == 1.0);
    let pruned: Vec<u32> =
        (0u32..).zip(gate).filter(|(_, factor)| **factor == 0.0).map(|(channel, _)| channel).collect();
    whole.then(|| GateRecord {
        // What a checkpoint holds is the result; the shares at either end are not in it.
        prune_top: None,
        prune_bottom: None,
        criterion: "of the checkpoint".to_owned(),
        kept: (gate.len() - pruned.len()) as u32,
        pruned,
        extra: Map::new(),
    })
}
