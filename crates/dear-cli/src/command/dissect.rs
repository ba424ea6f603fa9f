//! `dear dissect`: RAD scores of all channels.

use std::path::PathBuf;

use dear::error::Error;
use dear::harden::{dissect, probe_views};
use dear::probe::{InpainterKind, list};
use dear::rad::Rad;
use dear::store::Store;
use serde::{Deserialize, Serialize};

use super::harden::{recipe_path, work_folder};
use crate::arguments::{DetectorArgs, RecipeArgs};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    detector: DetectorArgs,
    /// Probes, as `dear probe` makes them or as the authors published theirs
    #[arg(long, value_name = "DIR")]
    probes: PathBuf,
    /// Masks of the probes, where they lie in another folder
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,
    /// Null probes; scored and subtracted if the recipe says `subtract_null`
    #[arg(long, value_name = "DIR")]
    null_probes: Option<PathBuf>,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// The scores
    #[arg(long, value_name = "FILE.json")]
    out: PathBuf,
    /// Folder for features, so that a rerun goes on [default: OUT with `.work`]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// What `dear dissect` writes and `dear prune` reads.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RadFile {
    pub(crate) schema: u32,
    pub(crate) detector: String,
    pub(crate) backbone_sha256: String,
    pub(crate) rad: Rad,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let recipe = args.recipe.resolve()?;
    if args.recipe.printed(&recipe)? {
        return Ok(Outcome::Done);
    }
    output::check_writable(&args.out)?;
    let pairs = list(&args.probes, args.masks.as_deref(), Some(InpainterKind::Resynthesis))?;
    let null_pairs = args
        .null_probes
        .as_deref()
        .map(|folder| list(folder, None, Some(InpainterKind::Null)))
        .transpose()?;
    let detector = args.detector.open()?;
    let store = Store::new(&args.work.unwrap_or_else(|| work_folder(&args.out)).join("features"));
    let progress = Progress::default();
    let rows = probe_views(&detector, &store, &pairs, &recipe, "dissecting probes", &progress)?;
    let null_rows = match &null_pairs {
        Some(pairs) => {
            Some(probe_views(&detector, &store, pairs, &recipe, "dissecting null probes", &progress)?)
        }
        None => None,
    };
    let rad = dissect(&rows, null_rows.as_deref(), &recipe)?;
    let mut refused = 0;
    for row in rows.iter().chain(null_rows.iter().flatten()) {
        if let Some((kind, message)) = &row.error {
            output::warning(format_args!("probe {}: refused ({kind}): {message}", row.path));
            refused += 1;
        }
    }
    let file = RadFile {
        schema: 1,
        detector: detector.metadata().name.clone(),
        backbone_sha256: detector.backbone_sha256().to_owned(),
        rad,
    };
    output::write(&recipe_path(&args.out), recipe.to_toml()?.as_bytes())?;
    output::write_json(&args.out, &file)?;
    output::line(format_args!(
        "{} channels scored over {} probe views ({} degenerate {}): {:+.4} to {:+.4}",
        file.rad.scores.len(),
        file.rad.probes,
        file.rad.degenerate,
        file.rad.options.degenerate.done(),
        file.rad.scores.iter().copied().fold(f64::INFINITY, f64::min),
        file.rad.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    ))?;
    Ok(if refused == 0 { Outcome::Done } else { Outcome::DoneWithFailedItems })
}
