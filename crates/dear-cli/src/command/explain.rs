//! `dear explain`: the heat map of one image.

use std::path::PathBuf;

use dear::error::Error;
use dear::explain::{Scale, overlay};
use dear::files::read_image;
use dear::scan::Verdict;
use dear::view::View;
use dear_image::{DecodeErrorKind, decode, encode_png};

use crate::arguments::{DecodeArgs, DetectorArgs};
use crate::{Outcome, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image
    image: PathBuf,
    #[command(flatten)]
    detector: DetectorArgs,
    /// Where the heat map goes: the image in grey, red where it speaks for generated, blue for real
    #[arg(long, value_name = "MAP.png")]
    out: PathBuf,
    #[command(flatten)]
    decode: DecodeArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    if args.out.extension().is_some_and(|extension| !extension.eq_ignore_ascii_case("png")) {
        return Err(Error::Images {
            message: format!("{}: the map is a PNG, expected a name that ends in .png", args.out.display()),
            hint: format!("give --out {}", args.out.with_extension("png").display()),
        });
    }
    output::check_writable(&args.out)?;
    output::check_other(&args.out, args.detector.detector.iter().chain([&args.image]))?;
    let options = args.decode.options();
    let bytes = read_image(&args.image, &options).map_err(|error| Error::Images {
        message: format!("{}: {error}", args.image.display()),
        hint: error.hint.unwrap_or_else(|| "check the path".to_owned()),
    })?;
    let decoded = decode(&bytes, &options).map_err(|error| Error::Images {
        message: format!("{}: {error}", args.image.display()),
        hint: match error.kind() {
            DecodeErrorKind::Truncated => {
                "get the whole file, or pass --allow-truncated to see what is left of this one".to_owned()
            }
            _ => error.hint().unwrap_or_else(|| "give an image that other programs can open".to_owned()),
        },
    })?;
    for warning in &decoded.warnings {
        output::warning(format_args!("{}: {warning}", args.image.display()));
    }
    // What is missing is filled in, and has its evidence too.
    let outcome = if decoded.truncated { Outcome::DoneWithFailedItems } else { Outcome::Done };
    let detector = args.detector.open()?;
    let evidence = detector.evidence(&decoded.image)?;
    let scale = Scale::of([&evidence]);
    // The map lies over what was scored. Evidence of several windows is an error, so there is one.
    let seen = detector.seen(&decoded.image)?;
    let metadata = detector.metadata();
    if metadata.view != View::Native {
        output::note(format_args!("the map shows what the network sees of the image: {}", metadata.view));
    }
    let map = overlay(&seen[0], &evidence, metadata, &scale);
    let png = encode_png(&map).map_err(|error| Error::Options(error.to_string()))?;
    output::write(&args.out, &png)?;
    output::line(format_args!(
        "logit {:+.4} ({}), the mean of {} x {} cells from {:+.2} to {:+.2}; full colour at ±{:.2}",
        evidence.logit,
        Verdict::of(evidence.logit, &metadata.threshold).word(),
        evidence.w,
        evidence.h,
        scale.min,
        scale.max,
        scale.full
    ))?;
    output::note(format_args!("wrote {}", args.out.display()));
    Ok(outcome)
}
