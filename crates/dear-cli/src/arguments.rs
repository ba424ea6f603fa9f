//! Arguments that several commands share.

use std::path::PathBuf;

use clap::Args;
use dear::detector::Detector;
use dear::engine::{EngineChoice, EngineOptions};
use dear::error::Error;
use dear::recipe::Recipe;

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
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum EngineName {
    Auto,
    Builtin,
    Onnxruntime,
}

impl EngineArgs {
    pub(crate) fn options(&self) -> EngineOptions {
        EngineOptions {
            engine: match self.engine {
                EngineName::Auto => EngineChoice::Auto,
                EngineName::Builtin => EngineChoice::Builtin,
                EngineName::Onnxruntime => EngineChoice::OnnxRuntime,
            },
            threads: self.threads.map(usize::from),
            library: self.onnxruntime.clone(),
        }
    }
}

/// Which detector, for commands that take one.
#[derive(Debug, Clone, Args)]
pub(crate) struct DetectorArgs {
    /// Detector file [default: the embedded `mini`, for demonstration only]
    #[arg(long, value_name = "FILE.onnx")]
    detector: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

impl DetectorArgs {
    pub(crate) fn open(&self) -> Result<Detector, Error> {
        open_detector(self.detector.as_deref(), &self.engine)
    }
}

/// Open a detector file, or the embedded one, saying so.
pub(crate) fn open_detector(path: Option<&std::path::Path>, engine: &EngineArgs) -> Result<Detector, Error> {
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

/// The recipe: a file, and flags over it.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecipeArgs {
    /// Options from a TOML file; flags win over it
    #[arg(long, value_name = "FILE.toml", help_heading = "Recipe")]
    recipe: Option<PathBuf>,
    /// Seed of every random draw
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
