//! Prints what is drawn for each view of images, for `oracle/harden.py`, which applies it with other libraries:
//!
//!     plans ROLE SEED VIEWS IMAGE...
//!
//! ROLE is `main` or `probe`. One JSON array: for each image and view the draws of the paper's augmentation, steps that are
//! not taken left out.

use std::path::PathBuf;
use std::process::ExitCode;

use dear::dataset::Label;
use dear::rad::MaskWeights;
use dear::views::{Source, ViewOptions, shown};
use dear_image::{
    AugmentOptions, AugmentPlan, AugmentRole, DecodeOptions, Jitter, Padding, gaussian_weights,
};
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(plans) => {
            println!("{plans}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("plans: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<Value, Box<dyn std::error::Error>> {
    let [role, seed, views, images @ ..] = arguments else {
        return Err(format!("{} arguments, expected ROLE SEED VIEWS IMAGE...", arguments.len()).into());
    };
    let role = match role.as_str() {
        "main" => AugmentRole::Main,
        "probe" => AugmentRole::Probe,
        other => return Err(format!("role {other:?}, expected main or probe").into()),
    };
    let source = |image: &String| Source {
        path: PathBuf::from(image),
        key: image.clone(),
        label: Label::Real,
        subset: String::new(),
        mask: None,
    };
    let sources: Vec<Source> = images.iter().map(source).collect();
    let augment = AugmentOptions::default();
    let options = ViewOptions {
        seed: seed.parse()?,
        views: views.parse()?,
        augment: &augment,
        decode: DecodeOptions::default(),
        mask: MaskWeights::Hard,
        step: "",
    };
    let (shown, refused) = shown(&sources, role, &options);
    if let Some(refused) = refused.first() {
        return Err(refused.message.clone().into());
    }
    Ok(shown.iter().flat_map(|image| &image.views).map(|(_, _, plan)| as_json(plan)).collect())
}

fn as_json(plan: &AugmentPlan) -> Value {
    let mut steps = Map::new();
    let mut put = |name: &str, value: Value| steps.insert(name.to_owned(), value);
    if let Some(part) = plan.resized_crop {
        put("resized_crop", json!([part.left, part.top, part.width, part.height, part.to.0, part.to.1]));
    }
    let change = |jitter: &Jitter| match jitter {
        Jitter::Brightness(factor) => json!(["brightness", factor]),
        Jitter::Contrast(factor) => json!(["contrast", factor]),
        Jitter::Saturation(factor) => json!(["saturation", factor]),
        Jitter::Hue(turn) => json!(["hue", turn]),
    };
    if !plan.jitter.is_empty() {
        put("jitter", plan.jitter.iter().map(change).collect());
    }
    if plan.grayscale {
        put("grayscale", json!(true));
    }
    if let Some(hole) = plan.cutout {
        put("cutout", json!([hole.left, hole.top, hole.width, hole.height]));
    }
    if let Some(noise) = plan.noise {
        put("noise", json!({"key": noise.key, "variance": noise.variance}));
    }
    if let Some(sigma) = plan.blur {
        put("blur", json!({"sigma": sigma, "half": gaussian_weights(sigma)}));
    }
    if let Some((quality, _)) = plan.jpeg {
        put("jpeg", json!(quality));
    }
    if plan.quarters > 0 {
        put("quarters", json!(plan.quarters));
    }
    if plan.flip {
        put("flip", json!(true));
    }
    let Padding { left, top, right, bottom } = plan.padding;
    if left + top + right + bottom > 0 {
        put("padding", json!([left, top, right, bottom]));
    }
    put("crop_at", json!([plan.crop_at.0, plan.crop_at.1]));
    Value::Object(steps)
}
