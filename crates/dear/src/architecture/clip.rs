//! CLIP's image tower (arXiv 2103.00020), in OpenAI's names and in Hugging Face's.
//!
//! Detectors read it and train little above it, so their authors publish that little; the tower is then in a file of its own
//! (`--backbone`). Its side is the one that its positions are for: an image of another size is brought to it by the view.

use std::path::Path;

use super::transformer::{self, Activation, Attention, Encoder, Linear, Mlp, Norm};
use super::{BackboneFile, HeadChoice, Network, NetworkOptions, Weights, weights};
use crate::backbone::Graph;
use crate::backbone::graph::{Conv, Value};
use crate::backbone::metadata::Preprocessing;
use crate::checkpoint::{Checkpoint, Tensor};
use crate::detector::DetectorError;
use crate::error::Error;
use crate::head::Head;

/// Mean of the colours that CLIP was trained on, in 0..1.
const MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
/// Their standard deviation.
const STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

/// What has a tower.
const TOWERS: &str = "--backbone takes OpenAI's ViT-L-14.pt or the same weights from Hugging Face";

/// Pixels along a side at most: more than any tower has, and fewer than images may have.
const MOST_SIDE: usize = 16_384;

/// The names of one library.
#[derive(Debug)]
struct Names {
    patches: &'static str,
    class: &'static str,
    positions: &'static str,
    norm_pre: &'static str,
    norm_post: &'static str,
    /// Before the number of a block.
    blocks: &'static str,
    norm_1: &'static str,
    norm_2: &'static str,
    /// Before `weight` and `bias`: all three parts in one, or each.
    qkv: &'static [&'static str],
    out: &'static str,
    up: &'static str,
    down: &'static str,
    projection: &'static str,
    /// Whether the projection is stored as `[inputs, outputs]`.
    projection_turned: bool,
    /// What the names of the tower begin with.
    tower: &'static [&'static str],
    /// What is in the file for texts or for the loader.
    others: &'static [&'static str],
}

const OPENAI: Names = Names {
    patches: "visual.conv1.weight",
    class: "visual.class_embedding",
    positions: "visual.positional_embedding",
    norm_pre: "visual.ln_pre",
    norm_post: "visual.ln_post",
    blocks: "visual.transformer.resblocks",
    norm_1: "ln_1",
    norm_2: "ln_2",
    qkv: &["attn.in_proj_"],
    out: "attn.out_proj",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
    projection: "visual.proj",
    projection_turned: true,
    tower: &["visual."],
    others: &[
        "transformer.",
        "token_embedding.",
        "positional_embedding",
        "ln_final.",
        "text_projection",
        "logit_scale",
        "input_resolution",
        "context_length",
        "vocab_size",
    ],
};

const HUGGING_FACE: Names = Names {
    patches: "vision_model.embeddings.patch_embedding.weight",
    class: "vision_model.embeddings.class_embedding",
    positions: "vision_model.embeddings.position_embedding.weight",
    // So in the files.
    norm_pre: "vision_model.pre_layrnorm",
    norm_post: "vision_model.post_layernorm",
    blocks: "vision_model.encoder.layers",
    norm_1: "layer_norm1",
    norm_2: "layer_norm2",
    qkv: &["self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."],
    out: "self_attn.out_proj",
    up: "mlp.fc1",
    down: "mlp.fc2",
    projection: "visual_projection.weight",
    projection_turned: false,
    tower: &["vision_model.", "visual_projection."],
    others: &["text_model.", "text_projection.", "logit_scale", "vision_model.embeddings.position_ids"],
};

/// The file of the tower, where it is not the checkpoint's own.
pub(super) struct Backbone<'o> {
    checkpoint: Checkpoint,
    path: &'o Path,
}

impl<'o> Backbone<'o> {
    /// Opens the file that `--backbone` names, if it does.
    pub(super) fn open(options: &'o NetworkOptions) -> Result<Option<Self>, Error> {
        let Some(path) = &options.backbone else { return Ok(None) };
        Ok(Some(Self { checkpoint: Checkpoint::open(path)?, path }))
    }

    fn record(&self) -> BackboneFile {
        let file = self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        BackboneFile { file: file.unwrap_or_default(), sha256: self.checkpoint.sha256().to_owned() }
    }
}

/// The tower of a checkpoint, or of the file beside it.
pub(super) struct Tower<'c> {
    weights: Weights<'c>,
    backbone: Option<&'c Backbone<'c>>,
    names: &'static Names,
    encoder: Encoder,
    patch: usize,
    /// Patches along a side.
    pub(super) cells: usize,
    /// How many blocks there are.
    pub(super) blocks: usize,
    /// Numbers of the embedding.
    pub(super) channels: usize,
}

/// What brings a token to the space that images and texts share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Projection {
    norm: Norm,
    linear: Linear,
}

impl Projection {
    pub(super) fn apply(self, graph: &mut Graph, token: Value) -> Value {
        let normed = self.norm.apply(graph, token);
        self.linear.apply(graph, normed)
    }
}

impl<'c> Tower<'c> {
    /// The tower's sizes, which its shapes say.
    pub(super) fn new(
        checkpoint: &'c Checkpoint,
        backbone: Option<&'c Backbone<'c>>,
        head_width: usize,
    ) -> Result<Self, Error> {
        let own = names_in(checkpoint);
        let names = match (own, backbone) {
            (Some(names), None) => names,
            (None, Some(backbone)) => names_in(&backbone.checkpoint).ok_or_else(|| Error::Import {
                message: format!(
                    "{}: no image tower of CLIP in it, expected a tensor \"{}\" or \"{}\"",
                    backbone.path.display(),
                    OPENAI.patches,
                    HUGGING_FACE.patches
                ),
                hint: TOWERS.to_owned(),
            })?,
            (None, None) => {
                return Err(Error::Import {
                    message: format!(
                        "the checkpoint has no image tower, found no tensor \"{}\" or \"{}\"",
                        OPENAI.patches, HUGGING_FACE.patches
                    ),
                    hint: "its authors publish what they trained; name the file of its CLIP: --backbone ViT-L-14.pt"
                        .to_owned(),
                });
            }
            (Some(_), Some(_)) => {
                return Err(Error::Import {
                    message: "the checkpoint has an image tower of its own, and --backbone names another"
                        .to_owned(),
                    hint: "leave --backbone out".to_owned(),
                });
            }
        };
        let holder = backbone.map_or(checkpoint, |backbone| &backbone.checkpoint);
        let weights = Weights::new(holder, names.patches, HeadChoice::Checkpoint);
        let shape = |name: &str| weights.shape(name).unwrap_or_default();
        let unlike = |name: &str, expected: &str| of_backbone(weights.unlike(name, expected), backbone);
        let (width, patch) = match *shape(names.patches) {
            [width, 3, patch, other] if patch == other && patch * width > 0 => (width, patch),
            _ => return Err(unlike(names.patches, "[width, 3, patch, patch]")),
        };
        let cells = match *shape(names.positions) {
            [tokens, found] if found == width && tokens > 1 && (tokens - 1).isqrt().pow(2) == tokens - 1 => {
                (tokens - 1).isqrt()
            }
            _ => return Err(unlike(names.positions, "[a square number and 1, width]")),
        };
        if cells * patch > MOST_SIDE {
            let expected = format!("patches along at most {MOST_SIDE} pixels");
            let error = weights.unlike_sizes(names.patches, &[cells, patch], expected);
            return Err(of_backbone(error, backbone));
        }
        let channels = match (shape(names.projection), names.projection_turned) {
            (&[inputs, outputs], true) | (&[outputs, inputs], false) if inputs == width => outputs,
            _ => return Err(unlike(names.projection, "from the width of the tokens")),
        };
        let rows = 3 * width / names.qkv.len();
        // Counted by its largest tensors, so that no small file asks for a large network.
        let there = |block: &usize| {
            shape(&format!("{}.{block}.{}weight", names.blocks, names.qkv[0])) == [rows, width]
        };
        let blocks = (0..).take_while(there).count();
        if blocks == 0 {
            let name = format!("{}.0.{}weight", names.blocks, names.qkv[0]);
            return Err(unlike(&name, &format!("[{rows}, {width}]")));
        }
        let encoder = Encoder { width, head_width, epsilon: 1e-5, activation: Activation::QuickGelu };
        encoder.check()?;
        Ok(Self { weights, backbone, names, encoder, patch, cells, blocks, channels })
    }

    /// The side of the image that the positions are for.
    pub(super) fn side(&self) -> u32 {
        (self.cells * self.patch) as u32
    }

    /// Refuses a side that is not the tower's: its positions are not interpolated, as its readers never do.
    pub(super) fn check_side(&self, side: Option<u32>) -> Result<(), Error> {
        match side {
            Some(side) if side != self.side() => Err(Error::Import {
                message: format!(
                    "--side is {side}, expected {}, which this CLIP was trained at",
                    self.side()
                ),
                hint: "leave --side out; --view says how an image comes to this side".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// What the encoder's blocks compute with.
    pub(super) fn encoder(&self) -> Encoder {
        self.encoder
    }

    /// The tokens before the first block, `[N, 1 + cells^2, width]`.
    pub(super) fn tokens(&mut self, graph: &mut Graph, image: Value) -> Value {
        let (width, names) = (self.encoder.width, self.names);
        let weight = self.weights.take(names.patches, &[width, 3, self.patch, self.patch]);
        let squares = Conv::same("patches", weight, None).stride(self.patch as u32).padding([0, 0]);
        let class = self.weights.take(names.class, &[width]);
        let mut positions = self.weights.take(names.positions, &[1 + self.cells * self.cells, width]);
        positions.data.iter_mut().zip(&class.data).for_each(|(position, class)| *position += class);
        let tokens = transformer::tokens(graph, image, squares, positions);
        self.encoder.norm(graph, &mut self.weights, names.norm_pre).apply(graph, tokens)
    }

    /// The upper half of a block.
    pub(super) fn attention(&mut self, graph: &mut Graph, block: usize) -> Attention {
        let (width, names) = (self.encoder.width, self.names);
        let norm = self.norm(graph, block, names.norm_1);
        let rows = 3 * width / names.qkv.len();
        let mut parts = |part: &str, shape: &[usize]| {
            let of =
                |stem: &&str| self.weights.take(&format!("{}.{block}.{stem}{part}", names.blocks), shape);
            stacked(names.qkv.iter().map(of))
        };
        let (weight, bias) = (parts("weight", &[rows, width]), parts("bias", &[rows]));
        let qkv = self.encoder.qkv(graph, &format!("block.{block}.qkv"), weight, bias);
        let out = self.linear(graph, block, names.out, [width, width]);
        Attention { norm, qkv, out }
    }

    /// The norm before the lower half of a block.
    pub(super) fn norm_2(&mut self, graph: &mut Graph, block: usize) -> Norm {
        self.norm(graph, block, self.names.norm_2)
    }

    /// The lower half of a block.
    pub(super) fn mlp(&mut self, graph: &mut Graph, block: usize) -> Mlp {
        let (width, names) = (self.encoder.width, self.names);
        let up = self.linear(graph, block, names.up, [4 * width, width]);
        Mlp { up, down: self.linear(graph, block, names.down, [width, 4 * width]) }
    }

    /// The whole block, on its tokens.
    fn block(&mut self, graph: &mut Graph, x: Value, block: usize) -> Value {
        let encoder = self.encoder;
        let attention = self.attention(graph, block);
        let x = encoder.attention(graph, x, attention);
        let normed = self.norm_2(graph, block).apply(graph, x);
        let mlp = self.mlp(graph, block);
        encoder.mlp(graph, x, normed, mlp)
    }

    fn projection(&mut self, graph: &mut Graph) -> Projection {
        let (names, channels, width) = (self.names, self.channels, self.encoder.width);
        let norm = self.encoder.norm(graph, &mut self.weights, names.norm_post);
        let linear = if names.projection_turned {
            let weight = self.weights.take(names.projection, &[width, channels]);
            Linear::turned(graph, "projection", weight, None)
        } else {
            let weight = self.weights.take(names.projection, &[channels, width]);
            Linear::new(graph, "projection", &weight, None)
        };
        Projection { norm, linear }
    }

    /// A detector that reads the norms within the blocks has no use for what stands above the last of them.
    pub(super) fn ignore_above_the_last_norm(&mut self) {
        let (names, last) = (self.names, self.blocks - 1);
        let of_block = |name: &str| format!("{}.{last}.{name}.", names.blocks);
        for name in [&of_block(names.up), &of_block(names.down), names.norm_post, names.projection] {
            let start = format!("{}{name}", self.weights.prefix());
            self.weights.ignore_all(&start);
        }
    }

    /// The tensors of the checkpoint that are not the tower's.
    pub(super) fn others<'h>(
        &self,
        checkpoint: &'h Checkpoint,
        anchor: &str,
        head: HeadChoice,
    ) -> Weights<'h> {
        let mut weights = Weights::new(checkpoint, anchor, head);
        if self.backbone.is_none() {
            for start in self.names.tower.iter().chain(self.names.others) {
                weights.ignore_all(&format!("{}{start}", self.weights.prefix()));
            }
        }
        weights
    }

    /// Whether the tower was complete; which file it is from, and sentences about what was passed over.
    pub(super) fn finish(mut self) -> Result<(Option<BackboneFile>, Vec<String>), Error> {
        let prefix = self.weights.prefix().to_owned();
        for start in self.names.others {
            self.weights.ignore_all(&format!("{prefix}{start}"));
        }
        match self.backbone {
            Some(backbone) => {
                let notes = self.weights.finish().map_err(|error| of_backbone(error, Some(backbone)))?;
                Ok((Some(backbone.record()), notes))
            }
            None => {
                let tower: Vec<_> = self.names.tower.iter().map(|start| format!("{prefix}{start}")).collect();
                self.weights.keep(|name| tower.iter().any(|start| name.starts_with(start)));
                Ok((None, self.weights.finish()?))
            }
        }
    }

    fn norm(&mut self, graph: &mut Graph, block: usize, name: &str) -> Norm {
        self.encoder.norm(graph, &mut self.weights, &format!("{}.{block}.{name}", self.names.blocks))
    }

    fn linear(
        &mut self,
        graph: &mut Graph,
        block: usize,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Linear {
        let full = format!("{}.{block}.{name}", self.names.blocks);
        let [weight, bias] = transformer::take_linear(&mut self.weights, &full, outputs, inputs);
        Linear::new(graph, &format!("block.{block}.{name}"), &weight, Some(bias))
    }
}

/// What an image is normalised by.
pub(super) fn preprocessing() -> Preprocessing {
    Preprocessing { mean: Some(MEAN), std: Some(STD), ..Preprocessing::default() }
}

/// A linear head on what `read` makes of an embedding: on the class token's, or on the mean of the patches'.
pub(super) fn linear_probe(
    checkpoint: &Checkpoint,
    options: &NetworkOptions,
    head_width: usize,
    read: impl Fn(&mut Graph, Value) -> Value,
) -> Result<Network, Error> {
    let backbone = Backbone::open(options)?;
    let mut tower = Tower::new(checkpoint, backbone.as_ref(), head_width)?;
    tower.check_side(options.side)?;
    let (mut graph, image) = Graph::new(Some(tower.side()));
    let preprocessing = preprocessing();
    let normalised = graph.normalise(image, &preprocessing);
    let mut x = tower.tokens(&mut graph, normalised);
    for block in 0..tower.blocks {
        x = tower.block(&mut graph, x, block);
    }
    let (channels, cells, stride) = (tower.channels, tower.cells, tower.patch as u32);
    let projection = tower.projection(&mut graph);
    let embedding = |graph: &mut Graph, token| {
        let embedding = projection.apply(graph, token);
        read(graph, embedding)
    };
    let patches = transformer::patch_tokens(&mut graph, x, 1);
    let patches = embedding(&mut graph, patches);
    let features = transformer::map(&mut graph, patches, channels, cells);
    let class = transformer::class_token(&mut graph, x);
    let class = embedding(&mut graph, class);
    let pooled = transformer::vector(&mut graph, class, channels);
    let (head, mut notes) = linear_head(&tower, checkpoint, options.head, channels)?;
    let (backbone, of_tower) = tower.finish()?;
    notes.extend(of_tower);
    let pooled = (options.head != HeadChoice::PatchMean).then_some(pooled);
    Ok(Network {
        pooled,
        backbone,
        stride: Some(stride),
        notes,
        ..Network::pooled(graph, features, head, preprocessing)
    })
}

/// `fc` of a checkpoint that holds everything, or the bare `weight` and `bias` of one that holds nothing else.
fn linear_head(
    tower: &Tower<'_>,
    checkpoint: &Checkpoint,
    choice: HeadChoice,
    channels: usize,
) -> Result<(Head, Vec<String>), Error> {
    let bare = checkpoint.shape("weight").is_some();
    let (anchor, name) = if bare { ("weight", "") } else { ("fc.weight", "fc") };
    let mut weights = tower.others(checkpoint, anchor, choice);
    let head = weights.linear_head(name, channels);
    Ok((head, weights.finish()?))
}

fn names_in(checkpoint: &Checkpoint) -> Option<&'static Names> {
    let has = |names: &&Names| weights::prefix_of(checkpoint.names(), names.patches).is_some();
    [&OPENAI, &HUGGING_FACE].into_iter().find(has)
}

/// An error about the tower's tensors, with its file and what that has to be, where it is one of its own.
fn of_backbone(error: Error, backbone: Option<&Backbone<'_>>) -> Error {
    match (error, backbone) {
        (Error::Detector(DetectorError::Import(error)), Some(backbone)) => {
            error.or_hint(|| TOWERS.to_owned()).named(backbone.path.display()).into()
        }
        (error, _) => error,
    }
}

/// Tensors, one below the other.
fn stacked(parts: impl IntoIterator<Item = Tensor>) -> Tensor {
    let joined = parts.into_iter().reduce(|mut all, part| {
        all.shape[0] += part.shape[0];
        all.data.extend_from_slice(&part.data);
        all
    });
    joined.unwrap_or(Tensor { shape: vec![0], data: vec![] })
}
