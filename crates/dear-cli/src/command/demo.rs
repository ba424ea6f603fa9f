//! `dear demo`: the whole method on embedded photographs.

use std::path::{Path, PathBuf};

use dear::dataset::{self, Dataset, Label};
use dear::detector::Detector;
use dear::error::Error;
use dear::evaluate::{Conditions, EvaluateOptions, ImageRecord, evaluate, records};
use dear::files::sha256_hex;
use dear::generator::Generator;
use dear::harden::{Inputs, harden};
use dear::observe::{Event, Observer};
use dear::recipe::Recipe;
use dear::report::{Extras, examples};
use dear::store::Store;
use dear::training_set::TrainingImages;
use dear_image::{Chain, DecodeOptions, Kernel, Subsampling, decode, encode_jpeg, encode_png, resize};

use super::evaluate::{command_line, parse_chain, print, write_results};
use crate::arguments::EngineArgs;
use crate::progress::{Progress, cancelled};
use crate::samples::{self, Sample};
use crate::{Outcome, output};

/// What the detector is judged under, besides the images as they are.
const CHAINS: [&str; 3] = ["paper", "jpeg(60)", "resize(0.5) | jpeg(85)"];
/// Generated images are saved in this subset.
const GENERATOR: &str = "resynth-x4";
const CAUTION: &str = "A demonstration on a few photographs, with a small detector and one small generator. It shows how the method \
    and its judgement work; it says nothing about any picture of yours.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for everything that is made
    #[arg(long, value_name = "DIR", default_value = "dear-demo")]
    out: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    output::check_folder_writable(&args.out)?;
    let progress = Progress::default();
    let generator = Generator::embedded_x4(&args.engine.options())?;
    let data = make_dataset(&args.out, &generator, &progress)?;

    let base = Detector::mini(&args.engine.options())?;
    let recipe = Recipe::default();
    let inputs = Inputs {
        images: TrainingImages {
            real: data.join("train/real"),
            fake: data.join("train/fake"),
            // The root and not its split: its manifest says which crops share a scene.
            val: Some(data.clone()),
        },
        probes: None,
        null_probes: None,
        work: args.out.join("work"),
        engine: args.engine.options(),
    };
    let hardened = harden(&base, &inputs, &recipe, &progress)?;
    output::write(&args.out.join("hardened.recipe.toml"), recipe.to_toml()?.as_bytes())?;
    let model = args.out.join("hardened.onnx");
    output::write(&model, &hardened.model)?;

    let after = Detector::open(&model, &args.engine.options())?;
    let dataset = dataset::open(&data, Some("test"))?;
    let chains = CHAINS.iter().map(|text| parse_chain(text)).collect::<Result<Vec<Chain>, Error>>()?;
    let store = Store::new(&args.out.join("work/features"));
    let options = EvaluateOptions::default();
    let conditions = Conditions::new(&chains, &[])?;
    let (evaluation, scores) =
        evaluate(std::slice::from_ref(&after), &dataset, &conditions, &store, &options, &progress)?;

    let records = records(&scores);
    let shown = shown(&dataset, &records, CHAINS[0]);
    let examples =
        examples(&[("before", &base), ("after", &after)], &dataset, &shown, options.seed, &options.decode)?;
    let command = command_line();
    let extras = Extras {
        title: "dear demo: a detector diagnosed, pruned, refitted and judged",
        command: &command,
        examples: &examples,
        caution: Some(CAUTION),
    };
    write_results(&args.out, &evaluation, &extras, &records)?;
    print(&evaluation)?;
    output::note(CAUTION);
    output::note(format_args!("open {}", args.out.join("report.html").display()));
    Ok(Outcome::Done)
}

/// Unpack the photographs and make a generated counterpart of each: reduced by four and made again by the network, saved
/// in the same format and quality, so that neither gives the label away. The folder is named by what it is made of, so a
/// copy made by another version is never taken for this one.
fn make_dataset(out: &Path, generator: &Generator, observer: &dyn Observer) -> Result<PathBuf, Error> {
    let samples = samples::all();
    let made_of = sha256_hex(format!("1 {} {}", samples::digest(), generator.sha256()).as_bytes());
    let root = out.join(format!("data-{}", &made_of[..12]));
    observer.event(Event::Started { step: "making generated images", total: samples.len() as u64 });
    let mut manifest = String::from("path,scene\n");
    for sample in &samples {
        if cancelled() {
            return Err(Error::Interrupted);
        }
        let fake = sample.path.replacen("/real/kodak/", &format!("/fake/{GENERATOR}/"), 1);
        for path in [&sample.path, &fake] {
            manifest.push_str(&format!("{path},{}\n", sample.scene));
        }
        if !root.join(&sample.path).is_file() {
            output::write(&root.join(&sample.path), sample.bytes)?;
        }
        if !root.join(&fake).is_file() {
            output::write(&root.join(&fake), &counterpart(sample, generator)?)?;
        }
        observer.event(Event::Advanced { by: 1 });
    }
    observer.event(Event::Finished);
    output::write(&root.join("manifest.csv"), manifest.as_bytes())?;
    Ok(root)
}

fn counterpart(sample: &Sample, generator: &Generator) -> Result<Vec<u8>, Error> {
    let unusable =
        |error: &dyn std::fmt::Display| Error::Options(format!("embedded {}: {error}", sample.path));
    let real = decode(sample.bytes, &DecodeOptions::default()).map_err(|error| unusable(&error))?.image;
    let scale = generator.scale();
    let small = resize(&real, real.width() / scale, real.height() / scale, Kernel::Bicubic);
    let fake = generator.upscale(&small)?;
    match sample.jpeg_quality {
        Some(quality) => encode_jpeg(&fake, quality, Subsampling::S420).map_err(|error| unusable(&error)),
        None => encode_png(&fake).map_err(|error| unusable(&error)),
    }
}

/// Six test images of six scenes, half of them generated, as scored under `chain`.
fn shown<'a>(dataset: &Dataset, records: &'a [ImageRecord], chain: &str) -> Vec<&'a ImageRecord> {
    let mut scenes: Vec<&str> = dataset.samples.iter().map(|sample| sample.group.as_str()).collect();
    scenes.sort_unstable();
    scenes.dedup();
    let of_scene = |(i, scene): (usize, &&str)| {
        let label = if i % 2 == 0 { Label::Generated } else { Label::Real };
        let sample =
            dataset.samples.iter().find(|sample| sample.group == **scene && sample.label == label)?;
        records.iter().find(|record| record.chain == chain && record.path == sample.key)
    };
    scenes.iter().take(6).enumerate().filter_map(of_scene).collect()
}
