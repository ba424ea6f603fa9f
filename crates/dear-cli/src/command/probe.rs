//! `dear probe`: make diagnostic probes.

use std::path::PathBuf;

use clap::ValueEnum;
use dear::error::Error;
use dear::evaluate::counted;
use dear::probe::{
    Composite, GivenMasks, InpainterKind, Made, Making, MaskOptions, MaskShape, ProbeOptions, ProgramOptions,
    Shard, make, open_inpainter, photographs,
};

use crate::arguments::{DecodeArgs, EngineArgs};
use crate::progress::Progress;
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of real images
    #[arg(value_name = "REAL_DIR")]
    real: PathBuf,
    /// What fills the mask: `resynthesis` (a network makes the pixels again), `null` (the same resampling, no network) or
    /// `command` (a program of yours)
    #[arg(long, value_enum)]
    inpainter: Inpainter,
    /// Folder for `{stem}_inpaint.png`, `{stem}_mask.png` and `probes.jsonl`; below REAL_DIR, its probes are no photographs
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// By what resynthesis and null reduce the image before they enlarge it: 2 or 4; null also 1, not at all
    #[arg(long, value_name = "N", default_value_t = ProbeOptions::default().scale)]
    scale: u32,
    /// How generated pixels are joined with real ones: `sharp` changes nothing outside of the mask, `reference` is the
    /// paper's blend at 512 x 512
    #[arg(long, value_enum, default_value = "sharp")]
    composite: CompositeName,
    /// Seed of the masks; probes and null probes of one seed share theirs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Make only every N-th probe, beginning with the I-th: divides the work among processes that share a folder
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    #[command(flatten)]
    mask: MaskArgs,
    #[command(flatten)]
    program: ProgramArgs,
    #[command(flatten)]
    decode: DecodeArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Masks")]
struct MaskArgs {
    /// What is drawn on each image
    #[arg(long, value_enum, default_value = "rectangle")]
    mask: Shape,
    /// Folder of your own masks, `{stem}_mask.png` or `{stem}.png`, instead of drawn ones
    #[arg(long, value_name = "DIR", conflicts_with_all = ["mask", "min_area", "max_area", "min_aspect", "max_aspect"])]
    masks: Option<PathBuf>,
    /// Least share of the image inside of the mask
    #[arg(long, value_name = "SHARE", default_value_t = MaskOptions::default().min_area)]
    min_area: f64,
    /// Greatest share of the image inside of the mask
    #[arg(long, value_name = "SHARE", default_value_t = MaskOptions::default().max_area)]
    max_area: f64,
    /// Least width / height of the mask
    #[arg(long, value_name = "RATIO", default_value_t = MaskOptions::default().min_aspect)]
    min_aspect: f64,
    /// Greatest width / height of the mask
    #[arg(long, value_name = "RATIO", default_value_t = MaskOptions::default().max_aspect)]
    max_aspect: f64,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Inpainter `command`")]
struct ProgramArgs {
    /// Program and arguments, run without a shell; {input}, {masks} and {output} stand for three folders of PNG files, and
    /// are the last arguments if none is named
    #[arg(long, value_name = "COMMAND", default_value = "", hide_default_value = true)]
    command: String,
    /// Images that it is given at a time
    #[arg(long, value_name = "N", default_value_t = ProgramOptions::default().batch)]
    batch: u32,
    /// Seconds after which it is stopped; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = ProgramOptions::default().timeout)]
    timeout: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Inpainter {
    Resynthesis,
    Null,
    Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CompositeName {
    Sharp,
    Reference,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    Rectangle,
    Ellipse,
    Strokes,
}

impl Args {
    fn options(&self) -> ProbeOptions {
        ProbeOptions {
            seed: self.seed,
            inpainter: match self.inpainter {
                Inpainter::Resynthesis => InpainterKind::Resynthesis,
                Inpainter::Null => InpainterKind::Null,
                Inpainter::Command => InpainterKind::Command,
            },
            scale: self.scale,
            composite: match self.composite {
                CompositeName::Sharp => Composite::Sharp,
                CompositeName::Reference => Composite::Reference,
            },
            mask: MaskOptions {
                shape: match self.mask.mask {
                    Shape::Rectangle => MaskShape::Rectangle,
                    Shape::Ellipse => MaskShape::Ellipse,
                    Shape::Strokes => MaskShape::Strokes,
                },
                min_area: self.mask.min_area,
                max_area: self.mask.max_area,
                min_aspect: self.mask.min_aspect,
                max_aspect: self.mask.max_aspect,
            },
            program: ProgramOptions {
                command: self.program.command.clone(),
                batch: self.program.batch,
                timeout: self.program.timeout,
            },
        }
    }
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let options = args.options();
    // The key is a recipe's.
    options.check().map_err(|message| match message.starts_with("probe.program.command") {
        true => Error::Probes {
            message,
            hint: "--inpainter command and --command 'PROGRAM {input} {masks} {output}' go together"
                .to_owned(),
        },
        false => Error::Options(message),
    })?;
    let images = photographs(&args.real, &args.out)?;
    let masks = args.mask.masks.as_deref().map(GivenMasks::open).transpose()?;
    output::check_folder_writable(&args.out)?;
    let inpainter = open_inpainter(&options, &args.engine.options(), &args.out)?;
    let making = Making {
        inpainter: inpainter.as_ref(),
        options: &options,
        masks: masks.as_ref(),
        decoding: &args.decode.options(),
        shard: args.shard,
        out: &args.out,
    };
    let (made, refused) = make(&images, &making, &Progress::default())?;
    output::refused(&refused);
    let untouched: Vec<&Made> = made.iter().filter(|row| row.regenerated_share == Some(0.0)).collect();
    output::warnings(
        &untouched,
        |row| format!("probe {}: nothing in its mask is regenerated", row.stem),
        |more| format!("nothing is regenerated in the masks of {}", counted(more as u64, "more probe")),
    );
    output::line(format_args!(
        "{} in {}{}; {} refused",
        counted(made.len() as u64, &format!("{} probe", options.inpainter.as_str())),
        args.out.display(),
        describe(&made, options.composite),
        counted(refused.len() as u64, "image")
    ))?;
    Ok(if refused.is_empty() { Outcome::Done } else { Outcome::DoneWithFailedItems })
}

/// What the masks and the generated pixels come to, on average.
fn describe(made: &[Made], composite: Composite) -> String {
    if made.is_empty() {
        return String::new();
    }
    let mean = |of: fn(&Made) -> f64| 100.0 * made.iter().map(of).sum::<f64>() / made.len() as f64;
    let mask = mean(|row| row.mask_share);
    match composite {
        Composite::Sharp => format!(
            ": mask {mask:.1} % of the image on average, {:.1} % of the masked pixels changed",
            mean(|row| row.changed_share)
        ),
        Composite::Reference => format!(
            ": mask {mask:.1} % of the image on average, {:.1} % of it regenerated, {:.1} % of the blend's weight outside",
            mean(|row| row.regenerated_share.unwrap_or_default()),
            mean(|row| row.weight_outside.unwrap_or_default())
        ),
    }
}
