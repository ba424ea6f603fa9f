//! Text that generators leave in the files that they write.

pub(crate) mod comfyui;
pub(crate) mod names;
mod settings;
mod webui;

use crate::container::Parts;
use crate::finding::{Declares, Finding};
use crate::line::Details;
use crate::tags::Tags;
use crate::xmp::{Property, Xmp};
use exif::Tag;

/// What one text gives away.
#[derive(Debug)]
struct Trace {
    program: String,
    declares: Declares,
    /// Model, sampler, seed, size, prompt, as far as they are known.
    details: Details,
}

impl Trace {
    fn new(program: impl Into<String>) -> Trace {
        Trace { program: program.into(), declares: Declares::Generated, details: Details::default() }
    }
}

/// All texts of the file, looked at for the marks of known programs. Hidden marks in pixels are not looked for.
pub(crate) fn find(parts: &Parts, tags: &Tags, xmp: &Xmp) -> Finding {
    let mut traces: Vec<(&str, Trace)> = Vec::new();
    in_texts(parts, &mut traces);
    in_exif(tags, &mut traces);
    in_xmp(xmp, &mut traces);
    if traces.is_empty() {
        return Finding::absent(parts.damage.of_texts().or(tags.damage.as_deref()).or(xmp.damage.as_deref()));
    }

    if traces.iter().any(|(_, trace)| trace.program != names::UNNAMED) {
        traces.retain(|(_, trace)| trace.program != names::UNNAMED);
    }
    let mut details = Details::default();
    let mut programs: Vec<String> = Vec::new();
    for (place, trace) in &traces {
        if !programs.contains(&trace.program) {
            programs.push(trace.program.clone());
        }
        details.add("program", format!("{} ({place})", trace.program));
        details.append(trace.details.clone());
    }
    // Whoever edits leaves a mark beside the generator's.
    let all_partly = traces.iter().all(|(_, trace)| trace.declares == Declares::PartlyGenerated);
    let declares = if all_partly { Declares::PartlyGenerated } else { Declares::Generated };
    Finding::found(&programs.join(", "), Some(declares), details)
}

fn in_texts<'a>(parts: &'a Parts, traces: &mut Vec<(&'a str, Trace)>) {
    for text in &parts.texts {
        let (keyword, value) = (text.keyword.as_str(), text.value.as_str());
        let trace = match keyword {
            "parameters" | "comment" | "UserComment" => parameters(value),
            "prompt" => comfyui::prompt(value),
            "workflow" => comfyui::workflow(value),
            "invokeai_metadata" | "sd-metadata" | "Dream" => settings::invoke(keyword, value),
            "use_stable_diffusion_model" => Some(settings::easy_diffusion(|keyword| parts.text(keyword))),
            "Comment" => settings::novelai(value, parts.text("Source"), parts.text("Description"))
                .or_else(|| parameters(value)),
            "Software" | "Title" | "Source" | "Author" | "Creator" | "generator" => named(value),
            "Description" => described(value),
            _ => None,
        };
        if let Some(trace) = trace {
            // NovelAI signs three of its texts.
            let said = traces.iter().any(|(_, other)| other.program == trace.program);
            if !said || !trace.details.is_empty() {
                traces.push((keyword, trace));
            }
        }
    }
}

fn in_exif(tags: &Tags, traces: &mut Vec<(&str, Trace)>) {
    if let Some(trace) = tags.user_comment().and_then(|comment| parameters(&comment)) {
        traces.push(("EXIF UserComment", trace));
    }
    let fields = [
        (Tag::Software, "EXIF Software"),
        (Tag::Make, "EXIF Make"),
        (Tag::Model, "EXIF Model"),
        (Tag::ImageDescription, "EXIF ImageDescription"),
    ];
    for (tag, place) in fields {
        let Some(text) = tags.text(tag) else { continue };
        let trace = match tag {
            Tag::ImageDescription => described(&text).or_else(|| parameters(&text)),
            _ => named(&text),
        };
        traces.extend(trace.or_else(|| comfyui::labelled(&text)).map(|trace| (place, trace)));
    }
}

fn in_xmp(xmp: &Xmp, traces: &mut Vec<(&str, Trace)>) {
    if let Some(system) = xmp.first(Property::AiSystem) {
        let mut trace = Trace::new(names::of(system).map_or(system, |known| known.name));
        trace.details.add("model", system);
        trace.details.add_some("version", xmp.first(Property::AiSystemVersion));
        trace.details.add_some("prompt", xmp.first(Property::AiPrompt));
        traces.push(("IPTC AI System Used", trace));
    }
    for (property, place) in [(Property::CreatorTool, "XMP CreatorTool"), (Property::Credit, "XMP Credit")] {
        traces.extend(xmp.all(property).filter_map(named).take(1).map(|trace| (place, trace)));
    }
    traces.extend(
        xmp.all(Property::Description).filter_map(described).take(1).map(|trace| ("XMP description", trace)),
    );
}

/// Settings as the web UI writes them in words, or as Fooocus and SwarmUI do in JSON.
fn parameters(text: &str) -> Option<Trace> {
    webui::read(text).or_else(|| settings::parameters(text))
}

/// A field that holds a program's name.
fn named(text: &str) -> Option<Trace> {
    let known = names::of(text)?;
    let mut trace = Trace::new(known.name);
    trace.declares = known.declares;
    Some(trace)
}

/// A field that describes the picture: a name alone says nothing there, but Midjourney's number of the job does, and the
/// words "generated with".
fn described(text: &str) -> Option<Trace> {
    if let Some((prompt, job)) = text.rsplit_once("Job ID: ") {
        let job = job.split_whitespace().next().unwrap_or_default();
        if job.len() == 36 && job.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) {
            let mut trace = Trace::new("Midjourney");
            trace.details.add("job", job);
            trace.details.add("prompt", prompt);
            return Some(trace);
        }
    }
    names::said_to_be(text).map(|known| Trace::new(known.name))
}

#[cfg(test)]
mod tests;
