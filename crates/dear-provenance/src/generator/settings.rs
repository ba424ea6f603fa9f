//! Programs that write their settings as named values: NovelAI, InvokeAI, Fooocus, SwarmUI, Easy Diffusion.

use super::comfyui::scalar;
use super::{Trace, json};
use serde_json::Value;

/// A name that is shown, and where the value stands: names of members, joined by dots.
type Table = [(&'static str, &'static [&'static str])];

const NOVELAI: &Table = &[
    ("sampler", &["sampler"]),
    ("scheduler", &["noise_schedule"]),
    ("steps", &["steps"]),
    ("guidance", &["scale"]),
    ("seed", &["seed"]),
    ("negative prompt", &["uc", "v4_negative_prompt.caption.base_caption"]),
];

const INVOKE: &Table = &[
    ("version", &["app_version"]),
    ("model", &["model.name", "model.model_name"]),
    ("sampler", &["scheduler"]),
    ("steps", &["steps"]),
    ("guidance", &["cfg_scale"]),
    ("seed", &["seed"]),
    ("prompt", &["positive_prompt"]),
    ("negative prompt", &["negative_prompt"]),
];

const INVOKE_2: &Table = &[
    ("version", &["app_version"]),
    ("model", &["model_weights", "model"]),
    ("sampler", &["image.sampler"]),
    ("steps", &["image.steps"]),
    ("guidance", &["image.cfg_scale"]),
    ("seed", &["image.seed"]),
];

const FOOOCUS: &Table = &[
    ("version", &["version"]),
    ("model", &["base_model"]),
    ("model hash", &["base_model_hash"]),
    ("sampler", &["sampler"]),
    ("scheduler", &["scheduler"]),
    ("steps", &["steps"]),
    ("guidance", &["guidance_scale"]),
    ("seed", &["seed"]),
    ("prompt", &["prompt"]),
    ("negative prompt", &["negative_prompt"]),
];

const SWARM: &Table = &[
    ("version", &["swarm_version"]),
    ("model", &["model"]),
    ("sampler", &["sampler"]),
    ("scheduler", &["scheduler"]),
    ("steps", &["steps"]),
    ("guidance", &["cfgscale"]),
    ("seed", &["seed"]),
    ("prompt", &["prompt"]),
    ("negative prompt", &["negativeprompt"]),
];

/// Keywords of a PNG's texts.
const EASY_DIFFUSION: [(&str, &str); 6] = [
    ("model", "use_stable_diffusion_model"),
    ("sampler", "sampler_name"),
    ("steps", "num_inference_steps"),
    ("guidance", "guidance_scale"),
    ("seed", "seed"),
    ("negative prompt", "negative_prompt"),
];

/// NovelAI's `Comment`, known by its members; its model stands in `Source`, its prompt in `Description`.
pub(super) fn novelai(comment: &str, source: Option<&str>, description: Option<&str>) -> Option<Trace> {
    let settings = json(comment)?;
    let is = ["uc", "sampler", "scale", "seed"].iter().all(|name| !settings[*name].is_null());
    let mut trace = is.then(|| Trace::new("NovelAI"))?;
    trace.details.add_some("model", source);
    add(&settings, NOVELAI, &mut trace);
    add_size(&settings["width"], &settings["height"], &mut trace);
    trace.details.add_some("prompt", description.or_else(|| settings["prompt"].as_str()));
    Some(trace)
}

/// The three forms of InvokeAI: since version 3 (`invokeai_metadata`), version 2 (`sd-metadata`), and a command (`Dream`).
pub(super) fn invoke(keyword: &str, value: &str) -> Option<Trace> {
    if keyword == "Dream" {
        return dream(value);
    }
    let settings = json(value)?;
    let mut trace = settings.is_object().then(|| Trace::new("InvokeAI"))?;
    if keyword == "sd-metadata" {
        add(&settings, INVOKE_2, &mut trace);
        let image = &settings["image"];
        add_size(&image["width"], &image["height"], &mut trace);
        trace.details.add_some("prompt", image["prompt"][0]["prompt"].as_str().or(image["prompt"].as_str()));
    } else {
        add(&settings, INVOKE, &mut trace);
        add_size(&settings["width"], &settings["height"], &mut trace);
    }
    Some(trace)
}

/// `"a cat" -s50 -S42 -W512 -H512 -C7.5 -Ak_lms`
fn dream(command: &str) -> Option<Trace> {
    let (prompt, options) = command.trim().strip_prefix('"')?.rsplit_once('"')?;
    let mut trace = Trace::new("InvokeAI");
    // The value may stand apart from its letter.
    let mut words = options.split_whitespace().peekable();
    let mut values = Vec::new();
    while let Some(word) = words.next() {
        let Some(option) =
            word.strip_prefix('-').filter(|option| option.is_char_boundary(1) && !option.is_empty())
        else {
            continue;
        };
        let (letter, joined) = option.split_at(1);
        let apart = joined.is_empty().then(|| words.next_if(|next| !next.starts_with('-'))).flatten();
        values.push((letter, apart.unwrap_or(joined)));
    }
    let value = |letter: &str| values.iter().find(|(of, _)| *of == letter).map(|(_, value)| *value);
    for (name, letter) in [("sampler", "A"), ("steps", "s"), ("guidance", "C"), ("seed", "S")] {
        trace.details.add_some(name, value(letter));
    }
    trace
        .details
        .add_some("size", value("W").zip(value("H")).map(|(width, height)| format!("{width}x{height}")));
    trace.details.add("prompt", prompt);
    Some(trace)
}

/// JSON under the keyword `parameters`, or in EXIF's comment.
pub(super) fn parameters(text: &str) -> Option<Trace> {
    let settings = json(text)?;
    let swarm = &settings["sui_image_params"];
    if swarm.is_object() {
        let mut trace = Trace::new("SwarmUI");
        add(swarm, SWARM, &mut trace);
        add_size(&swarm["width"], &swarm["height"], &mut trace);
        return Some(trace);
    }
    let is_fooocus = !settings["base_model"].is_null() && !settings["sampler"].is_null();
    let mut trace = is_fooocus.then(|| Trace::new("Fooocus"))?;
    add(&settings, FOOOCUS, &mut trace);
    // "(1024, 1024)"
    let size = settings["resolution"].as_str().map(|size| size.replace(", ", "x").replace(['(', ')'], ""));
    trace.details.add_some("size", size);
    Some(trace)
}

/// Easy Diffusion keeps each value as a text of its own, `text` by its keyword.
pub(super) fn easy_diffusion<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Trace {
    let mut trace = Trace::new("Easy Diffusion");
    for (name, keyword) in EASY_DIFFUSION {
        trace.details.add_some(name, text(keyword));
    }
    trace.details.add_some(
        "size",
        text("width").zip(text("height")).map(|(width, height)| format!("{width}x{height}")),
    );
    trace.details.add_some("prompt", text("prompt"));
    trace
}

fn add(settings: &Value, table: &Table, trace: &mut Trace) {
    for (name, places) in table {
        let value = places
            .iter()
            .find_map(|place| scalar(place.split('.').fold(settings, |value, member| &value[member])));
        trace.details.add_some(name, value);
    }
}

fn add_size(width: &Value, height: &Value, trace: &mut Trace) {
    trace.details.add_some(
        "size",
        width.as_u64().zip(height.as_u64()).map(|(width, height)| format!("{width}x{height}")),
    );
}
