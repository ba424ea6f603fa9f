//! A checkpoint to a detector file: read, taken by name and shape, written as ONNX, and tried once.

mod alternatives;
mod check;
pub mod declared;
mod foreign;
mod inside;
mod wrap;

use std::path::Path;

use serde_json::json;

use crate::architecture::{ARCHITECTURES, Architecture, HeadChoice, NetworkOptions, named, several_networks};
use crate::backbone::metadata::{Metadata, Source};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::view::View;

pub use foreign::{FeatureOptions, ForeignOptions, GivenAnswer, ImportedForeign, import_foreign};

/// How a checkpoint is imported.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// A name of [`ARCHITECTURES`]. `None`: the one that the names of the tensors decide, if they decide.
    pub architecture: Option<String>,
    /// What the checkpoint does not say of the network.
    pub network: NetworkOptions,
    /// Under which key of the checkpoint the weights are. Default: where they usually are.
    pub key: Option<String>,
    /// How an image of any size becomes what the network sees. Default: its authors' way.
    pub view: Option<View>,
    /// What the detector is called. Default: the architecture's name and the checkpoint's.
    pub name: Option<String>,
    /// The licence of the weights, as an SPDX expression where one exists. Default: `unknown`.
    pub licence: Option<String>,
}

/// A detector file, and what was found on the way to it.
#[derive(Debug)]
pub struct Imported {
    /// The file.
    pub file: Vec<u8>,
    /// What it is.
    pub architecture: &'static Architecture,
    /// Sentences about what was chosen among what the checkpoint holds.
    pub notes: Vec<String>,
}

/// Imports a checkpoint file.
///
/// # Errors
/// If it is no checkpoint, if the names decide no architecture, or if they are not those of the one that was named.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Imported, Error> {
    let checkpoint = match &options.key {
        Some(key) => Checkpoint::open_at(path, key)?,
        None => Checkpoint::open(path)?,
    };
    let architecture = match &options.architecture {
        Some(name) => Architecture::named(name).ok_or_else(|| unknown(name))?,
        None => decide(&checkpoint, path)?,
    };
    let mut network =
        architecture.build(&checkpoint, &options.network).map_err(|error| named(error, path))?;
    let given = [
        ("--backbone", options.network.backbone.is_some() && network.backbone.is_none()),
        ("--side", options.network.side.is_some() && network.graph.side().is_none()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, unread)| *unread) {
        return Err(Error::Import {
            message: format!("{option} is given, and {} has none", architecture.name),
            hint: format!("leave {option} out"),
        });
    }
    if let Some(view) = &options.view {
        network.view = view.clone();
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = options.name.clone().unwrap_or_else(|| format!("{}-{stem}", architecture.name));
    let metadata = Metadata {
        architecture: architecture.title.to_owned(),
        licence: options.licence.clone().unwrap_or_else(|| "unknown".to_owned()),
        source: Source {
            checkpoint: path.file_name().map(|name| name.to_string_lossy().into_owned()),
            sha256: Some(checkpoint.sha256().to_owned()),
            ..Source::default()
        },
        head: json!({"training": "none by dear", "imported": options.network.head}),
        ..Metadata::new(name)
    };
    let mut notes = notes(&checkpoint, architecture, options.network.head);
    if options.architecture.is_none() && architecture.name == "c2p-clip" {
        notes.push(
            "a linear layer \"fc\" within \"model\" is C2P-CLIP's way; of another network with these names say --arch ufd"
                .to_owned(),
        );
    }
    notes.extend(network.notes.iter().cloned());
    let file = network.into_detector(metadata).map_err(|error| error.named(path.display()))?;
    Ok(Imported { file, architecture, notes })
}

fn unknown(name: &str) -> Error {
    let names: Vec<_> = ARCHITECTURES.iter().map(|architecture| architecture.name).collect();
    Error::Import {
        message: format!("no architecture \"{name}\", expected one of: {}, onnx", names.join(", ")),
        hint: "docs/import.md describes them".to_owned(),
    }
}

/// The one architecture whose names of tensors these are.
///
/// # Errors
/// If there is none, or if several have them.
pub fn decide(checkpoint: &Checkpoint, path: &Path) -> Result<&'static Architecture, Error> {
    let fits = |architecture: &'static Architecture| Some((architecture.fits(checkpoint)?, architecture));
    let fitting: Vec<_> = ARCHITECTURES.iter().filter_map(fits).collect();
    // Of two that fit, the one that asks for more: a gate, a second stem convolution.
    let most = fitting.iter().map(|(specific, _)| *specific).max();
    let best = fitting.iter().filter(|(specific, _)| Some(*specific) == most);
    let best: Vec<_> = best.map(|(_, architecture)| *architecture).collect();
    let names = || best.iter().map(|architecture| architecture.name).collect::<Vec<_>>().join(", ");
    match best.as_slice() {
        [architecture] => Ok(architecture),
        [] => {
            let shown: Vec<_> = checkpoint.names().take(4).collect();
            Err(Error::Import {
                message: format!(
                    "{}: the tensors ({}, ... {} in all) are those of no architecture that dear knows",
                    path.display(),
                    shown.join(", "),
                    checkpoint.names().count()
                ),
                hint: several_networks(checkpoint).unwrap_or_else(|| {
                    "name one with --arch to see what differs, or export the network to ONNX".to_owned()
                }),
            })
        }
        _ => Err(Error::Import {
            message: format!("{}: the tensors do not decide between {}", path.display(), names()),
            hint: "say which with --arch: they differ in what no checkpoint holds".to_owned(),
        }),
    }
}

/// What was chosen among several things in the file.
fn notes(checkpoint: &Checkpoint, architecture: &Architecture, head: HeadChoice) -> Vec<String> {
    let mut notes = Vec::new();
    if matches!(head, HeadChoice::Replace | HeadChoice::PatchMean) {
        notes.push(
            "its head is zeros, so every logit is 0 until dear fit --backbone FILE has trained one"
                .to_owned(),
        );
    }
    if let Some(key) = checkpoint.nesting() {
        notes.push(format!("the weights stand under \"{key}\""));
    }
    if let Some(prefix) = architecture.prefix(checkpoint).filter(|prefix| !prefix.is_empty()) {
        notes.push(format!("\"{prefix}\" before the names of tensors is left out"));
    }
    if !checkpoint.passed_over().is_empty() {
        let others: Vec<_> = checkpoint.passed_over().iter().map(|key| format!("\"{key}\"")).collect();
        notes.push(format!("not used, though it holds weights too: {}", others.join(", ")));
    }
    notes
}
