//! `dear dissect`: RAD scores of all channels.

use std::path::PathBuf;

use dear::dissect::dissect;
use dear::error::Error;
use dear::probe::{InpainterKind, list};
use dear::report::dissection;
use dear::store::Store;

use super::evaluate::parse_chain;
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
    /// Also measure how much each channel moves under this perturbation chain, and plot it against the ranking by RAD
    #[arg(long, value_name = "CHAIN")]
    fragility: Option<String>,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// The scores; a page with the same name and `.html` shows them
    #[arg(long, value_name = "FILE.json")]
    out: PathBuf,
    /// Folder for features, so that a rerun goes on [default: OUT with `.work`]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let recipe = args.recipe.resolve()?;
    if args.recipe.printed(&recipe)? {
        return Ok(Outcome::Done);
    }
    let chain = args.fragility.as_deref().map(parse_chain).transpose()?;
    let page = args.out.with_extension("html");
    if args.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html")) {
        return Err(Error::Images {
            message: format!("{}: the name of the page, expected one for the scores", args.out.display()),
            hint: format!(
                "give --out {}: the page is written beside it",
                args.out.with_extension("json").display()
            ),
        });
    }
    output::check_writable(&args.out)?;
    output::check_other(&args.out, &args.detector.detector)?;
    args.recipe.check_beside(&recipe_path(&args.out), &recipe)?;
    let pairs = list(&args.probes, args.masks.as_deref(), Some(InpainterKind::Resynthesis))?;
    let null_pairs = args
        .null_probes
        .as_deref()
        .map(|folder| list(folder, None, Some(InpainterKind::Null)))
        .transpose()?;
    let detector = args.detector.open()?;
    let store = Store::new(&args.work.unwrap_or_else(|| work_folder(&args.out)).join("features"));
    let progress = Progress::default();
    let pairs = (pairs.as_slice(), null_pairs.as_deref());
    let found = dissect(&detector, &store, pairs, chain.as_ref(), &recipe, &progress)?;
    let mut refused = 0;
    for row in found.probes.iter().chain(found.null.iter().flatten()) {
        if let Some((kind, message)) = &row.error {
            output::warning(format_args!("probe {}: refused ({kind}): {message}", row.path));
            refused += 1;
        }
    }
    let file = found.record(&detector, &recipe);
    args.recipe.write_beside(&recipe_path(&args.out), &recipe)?;
    output::write(&page, dissection::page(&file).as_bytes())?;
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
    for sentence in dissection::sentences(&file) {
        output::paragraph(&sentence)?;
    }
    Ok(if refused == 0 { Outcome::Done } else { Outcome::DoneWithFailedItems })
}
