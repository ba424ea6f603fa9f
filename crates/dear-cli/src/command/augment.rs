//! `dear augment`: a look at the views that a head is trained on.

use std::path::PathBuf;

use dear::dataset::{Label, list_images, path_text};
use dear::error::Error;
use dear::evaluate::counted;
use dear::preview;
use dear::probe;
use dear::views::{Source, ViewOptions, shown};
use dear_image::AugmentRole;

use crate::arguments::RecipeArgs;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of images, or of probes with --probes
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// Contact sheet to write: a page with what was drawn for each view (.html), or the pictures alone (.png)
    #[arg(long, value_name = "FILE")]
    preview: PathBuf,
    /// DIR holds `{stem}_inpaint.png` and `{stem}_mask.png`: views as probes are augmented, masks outlined
    #[arg(long)]
    probes: bool,
    /// Folder of the masks, where they do not lie beside the probes
    #[arg(long, value_name = "DIR", requires = "probes")]
    masks: Option<PathBuf>,
    /// Images that are shown, spread over the folder
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=200))]
    images: u32,
    #[command(flatten)]
    recipe: RecipeArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let recipe = args.recipe.resolve()?;
    if args.recipe.printed(&recipe)? {
        return Ok(Outcome::Done);
    }
    let kind =
        args.preview.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
    if !matches!(kind.as_str(), "html" | "png") {
        return Err(Error::Images {
            message: format!(
                "--preview {}: expected a name that ends in .html or .png",
                args.preview.display()
            ),
            hint: "a page shows what was drawn for each view, a picture the views alone".to_owned(),
        });
    }
    output::check_writable(&args.preview)?;
    let (sources, role) =
        if args.probes { (probes(&args)?, AugmentRole::Probe) } else { (images(&args)?, AugmentRole::Main) };
    output::check_other(&args.preview, sources.iter().map(|source| &source.path))?;
    let found = sources.len();
    let sources = spread(sources, args.images as usize);
    let options = ViewOptions::of(&recipe, "augmenting");
    let (sheet, refused) = shown(&sources, role, &options);
    output::refused(&refused);
    if sheet.is_empty() {
        return Err(Error::Images {
            message: format!(
                "{}: none of {} could be shown",
                args.source.display(),
                counted(sources.len() as u64, "image")
            ),
            hint: "each is named above with its problem".to_owned(),
        });
    }
    let (what, outline) = if args.probes { ("probe", " The outline is the mask.") } else { ("image", "") };
    let lead = format!(
        "{} of {} in {}, {} of each, as training draws them with seed {}. Views are enlarged two times.{outline}",
        sheet.len(),
        counted(found as u64, what),
        args.source.display(),
        counted(u64::from(recipe.views), "view"),
        recipe.seed
    );
    match kind.as_str() {
        "html" => output::write(&args.preview, preview::page(&sheet, &lead)?.as_bytes())?,
        _ => output::write(&args.preview, &preview::picture(&sheet)?)?,
    }
    for shown in &sheet {
        for (view, (_, _, plan)) in shown.views.iter().enumerate() {
            output::line(format_args!("{} view {view}: {plan}", output::one_line(&shown.key)))?;
        }
    }
    output::note(format_args!("wrote {}", args.preview.display()));
    Ok(if refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

fn images(args: &Args) -> Result<Vec<Source>, Error> {
    let paths = list_images(&args.source)?.paths;
    let source = |path: PathBuf| Source {
        key: path_text(path.strip_prefix(&args.source).unwrap_or(&path)),
        path,
        label: Label::Real,
        subset: String::new(),
        mask: None,
    };
    Ok(paths.into_iter().map(source).collect())
}

fn probes(args: &Args) -> Result<Vec<Source>, Error> {
    let pairs = probe::list(&args.source, args.masks.as_deref(), None)?;
    let source = |pair: probe::ProbePair| Source {
        key: pair.stem,
        path: pair.image,
        label: Label::Generated,
        subset: String::new(),
        mask: Some(pair.mask),
    };
    Ok(pairs.into_iter().map(source).collect())
}

/// At most `most` of the sources, at equal distances: both classes and all subsets of a dataset have their turn.
fn spread(sources: Vec<Source>, most: usize) -> Vec<Source> {
    let found = sources.len();
    if found <= most {
        return sources;
    }
    (0..most).map(|index| sources[index * found / most].clone()).collect()
}
