//! Arguments that several commands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use dear::backbone::Metadata;
use dear::detector::Detector;
use dear::engine::{EngineChoice, EngineOptions, Precision, Provider};
use dear::error::Error;
use dear::files::place;
use dear::recipe::Recipe;
use dear_image::{Alpha, DecodeOptions, Gray16, Icc, Orientation};
use serde::de::DeserializeOwned;

use crate::output;

/// Which engine runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArgs {
    /// Engine: `auto` takes ONNX Runtime where its library is found, else the built-in one
    #[arg(long, value_enum, default_value = "auto", help_heading = "Engine")]
    engine: EngineName,
    /// The library of ONNX Runtime (libonnxruntime.so), where it is not found by itself
    #[arg(long, env = "DEAR_ONNXRUNTIME", value_name = "FILE", help_heading = "Engine")]
    onnxruntime: Option<PathBuf>,
    /// Threads of the engine [default: all cores]
    #[arg(long, env = "DEAR_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Engine")]
    threads: Option<u16>,
    /// What computes inside ONNX Runtime; one that its library lacks is an error
    #[arg(long, value_enum, default_value = "cpu", help_heading = "Engine")]
    provider: ProviderName,
    /// Arithmetic: `bf16` is faster and moves the scores, `dear parity` measures how far
    #[arg(long, value_enum, default_value = "f32", help_heading = "Engine")]
    precision: PrecisionName,
    /// Bytes that the network may hold of images while it computes; larger images go in tiles
    #[arg(long, value_name = "BYTES", default_value_t = EngineOptions::default().memory, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Engine")]
    memory: u64,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum EngineName {
    Auto,
    Builtin,
    Onnxruntime,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum ProviderName {
    Cpu,
    Openvino,
    Cuda,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PrecisionName {
    F32,
    Bf16,
}

impl From<EngineName> for EngineChoice {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Auto => Self::Auto,
            EngineName::Builtin => Self::Builtin,
            EngineName::Onnxruntime => Self::OnnxRuntime,
        }
    }
}

impl From<ProviderName> for Provider {
    fn from(name: ProviderName) -> Self {
        match name {
            ProviderName::Cpu => Self::Cpu,
            ProviderName::Openvino => Self::OpenVino,
            ProviderName::Cuda => Self::Cuda,
        }
    }
}

impl EngineArgs {
    pub(crate) fn options(&self) -> EngineOptions {
        EngineOptions {
            engine: self.engine.into(),
            threads: self.threads.map(usize::from),
            library: self.onnxruntime.clone(),
            provider: self.provider.into(),
            precision: match self.precision {
                PrecisionName::F32 => Precision::F32,
                PrecisionName::Bf16 => Precision::Bf16,
            },
            memory: self.memory,
        }
    }
}

/// How image files become pixels; without any of these as in the training pipeline.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Decoding")]
pub(crate) struct DecodeArgs {
    /// Refuse images of more pixels
    #[arg(long, value_name = "N", default_value_t = DecodeOptions::default().max_pixels)]
    max_pixels: u64,
    /// Refuse files of more bytes
    #[arg(long, value_name = "BYTES", default_value_t = DecodeOptions::default().max_bytes)]
    max_bytes: u64,
    /// Refuse images whose decoding takes more memory, each
    #[arg(long, value_name = "BYTES", default_value_t = DecodeOptions::default().max_memory)]
    max_memory: u64,
    /// Take what truncated images still hold, with a warning
    #[arg(long)]
    allow_truncated: bool,
    /// EXIF orientation: `pillow` turns TIFF only, as detectors were trained
    #[arg(long, value_enum, default_value = "pillow")]
    orientation: OrientationName,
    /// 16-bit grey: scaled to 8 bits, or cut off at 255 as Pillow does
    #[arg(long, value_enum, default_value = "scale")]
    gray16: Gray16Name,
    /// Alpha: dropped as in training, or the picture laid on a colour
    #[arg(long, value_enum, default_value = "drop")]
    alpha: AlphaName,
    /// Colour profiles: ignored as in training, or converted to sRGB
    #[arg(long, value_enum, default_value = "ignore")]
    icc: IccName,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OrientationName {
    Pillow,
    Apply,
    Ignore,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Gray16Name {
    Scale,
    Pillow,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AlphaName {
    Drop,
    White,
    Black,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum IccName {
    Ignore,
    Srgb,
}

impl DecodeArgs {
    pub(crate) fn options(&self) -> DecodeOptions {
        DecodeOptions {
            max_pixels: self.max_pixels,
            max_bytes: self.max_bytes,
            max_memory: self.max_memory,
            allow_truncated: self.allow_truncated,
            orientation: match self.orientation {
                OrientationName::Pillow => Orientation::Pillow,
                OrientationName::Apply => Orientation::Apply,
                OrientationName::Ignore => Orientation::Ignore,
            },
            gray16: match self.gray16 {
                Gray16Name::Scale => Gray16::Scale,
                Gray16Name::Pillow => Gray16::Pillow,
            },
            alpha: match self.alpha {
                AlphaName::Drop => Alpha::Drop,
                AlphaName::White => Alpha::White,
                AlphaName::Black => Alpha::Black,
            },
            icc: match self.icc {
                IccName::Ignore => Icc::Ignore,
                IccName::Srgb => Icc::Srgb,
            },
        }
    }
}

/// Which detector, for commands that take one.
#[derive(Debug, Clone, Args)]
pub(crate) struct DetectorArgs {
    /// Detector file [default: the embedded `mini`, for demonstration only]
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) detector: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

impl DetectorArgs {
    pub(crate) fn open(&self) -> Result<Detector, Error> {
        open_detector(self.detector.as_deref(), &self.engine)
    }

    /// Open it to measure what others are told that nobody measured.
    pub(crate) fn open_to_measure(&self) -> Result<Detector, Error> {
        open_unwarned(self.detector.as_deref(), &self.engine)
    }
}

/// Open a detector file, or the embedded one, saying so; and that a reduced precision moves its scores.
pub(crate) fn open_detector(path: Option<&std::path::Path>, engine: &EngineArgs) -> Result<Detector, Error> {
    let detector = open_unwarned(path, engine)?;
    let info = detector.info();
    if info.precision != Precision::F32.word() {
        let Metadata { name, .. } = detector.metadata();
        output::note(format_args!(
            "{}: how far {} moves the logits of {} is not measured here; dear parity with the same options measures it on your images",
            info.provider,
            info.precision,
            output::one_line(name)
        ));
    }
    Ok(detector)
}

fn open_unwarned(path: Option<&std::path::Path>, engine: &EngineArgs) -> Result<Detector, Error> {
    match path {
        Some(path) => Ok(Detector::open(path, &engine.options())?),
        None => {
            output::note(
                "no --detector given: using the embedded `mini`, for demonstration and tests, never to judge anyone's picture",
            );
            Ok(Detector::mini(&engine.options())?)
        }
    }
}

/// Form of a result on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// A word for one of a few values, as documents and recipes have it.
pub(crate) fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

/// The recipe: a file, and flags over it.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecipeArgs {
    /// Options from a TOML file; flags win over it
    #[arg(long, value_name = "FILE.toml", help_heading = "Recipe")]
    recipe: Option<PathBuf>,
    /// Seed of every random draw but those of `head.seed`, for Adam and Stay-Positive
    #[arg(long, value_name = "N", help_heading = "Recipe")]
    seed: Option<u64>,
    /// Augmented views of each image and probe
    #[arg(long, value_name = "N", help_heading = "Recipe")]
    views: Option<u32>,
    /// Print the resolved recipe and end
    #[arg(long, help_heading = "Recipe")]
    print_recipe: bool,
}

impl RecipeArgs {
    /// Whether the resolved recipe was asked for, and so printed; the command then ends.
    pub(crate) fn printed(&self, recipe: &Recipe) -> Result<bool, Error> {
        if self.print_recipe {
            output::line(recipe.to_toml()?.trim_end())?;
        }
        Ok(self.print_recipe)
    }

    /// The file that was given.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.recipe.as_ref()
    }

    fn is_at(&self, path: &Path) -> bool {
        self.file().is_some_and(|given| place(given) == place(path))
    }

    /// Refuse where the recipe in force would replace the given one, and say something else.
    pub(crate) fn check_beside(&self, path: &Path, recipe: &Recipe) -> Result<(), Error> {
        if !self.is_at(path) || Recipe::from_toml(&fs_err::read_to_string(path)?)? == *recipe {
            return Ok(());
        }
        Err(Error::Images {
            message: format!(
                "{}: is the given recipe and would be replaced, for other options were given too",
                path.display()
            ),
            hint: "name another file with --out".to_owned(),
        })
    }

    /// Write the recipe in force beside a result. A given one that says the same stays as its author wrote it.
    pub(crate) fn write_beside(&self, path: &Path, recipe: &Recipe) -> Result<(), Error> {
        if self.is_at(path) { Ok(()) } else { output::write(path, recipe.to_toml()?.as_bytes()) }
    }

    pub(crate) fn resolve(&self) -> Result<Recipe, Error> {
        let mut recipe = match &self.recipe {
            Some(path) => {
                let text = fs_err::read_to_string(path)?;
                Recipe::from_toml(&text).map_err(|error| match error {
                    Error::Recipe(message) => Error::Recipe(format!("{}: {message}", path.display())),
                    other => other,
                })?
            }
            None => Recipe::default(),
        };
        if let Some(seed) = self.seed {
            recipe.seed = seed;
            recipe.probe.seed = seed;
        }
        if let Some(views) = self.views {
            recipe.views = views;
        }
        recipe.check()?;
        Ok(recipe)
    }
}
