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
use serde_json::Value;

/// What one text gives away.
#[derive(Debug)]
struct Trace {
    program: String,
    /// None where the program is only spoken of.
    declares: Option<Declares>,
    /// Model, sampler, seed, size, prompt, as far as they are known.
    details: Details,
}

impl Trace {
    fn new(program: impl Into<String>) -> Trace {
        Trace { program: program.into(), declares: Some(Declares::Generated), details: Details::default() }
    }

    fn of(known: &names::Known) -> Trace {
        Trace { declares: known.declares, ..Trace::new(known.name) }
    }

    /// A program of which `text` speaks.
    fn spoken_of(known: &names::Known, text: &str) -> Trace {
        let mut trace = Trace { declares: None, ..Trace::new(known.name) };
        trace.details.add("text", text);
        trace
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

    let declares = |(_, trace): &&(&str, Trace)| trace.declares.is_some();
    if traces.iter().filter(declares).any(|(_, trace)| trace.program != names::UNNAMED) {
        traces.retain(|(_, trace)| trace.program != names::UNNAMED);
    }
    let mut details = Details::default();
    for (place, trace) in &traces {
        let fact = if trace.declares.is_some() { "program" } else { "spoken of" };
        details.add(fact, format!("{} ({place})", trace.program));
        details.append(trace.details.clone());
    }
    let said: Vec<_> = traces.iter().filter(declares).collect();
    if said.is_empty() {
        let summary = format!("it speaks of {}, and does not clearly say more", programs(&traces));
        return Finding::found(&summary, None, details);
    }
    // Whoever edits leaves a mark beside the generator's.
    let all_partly = said.iter().all(|(_, trace)| trace.declares == Some(Declares::PartlyGenerated));
    let declares = if all_partly { Declares::PartlyGenerated } else { Declares::Generated };
    Finding::found(&programs(said), Some(declares), details)
}

/// Each name once.
fn programs<'a>(traces: impl IntoIterator<Item = &'a (&'a str, Trace)>) -> String {
    let mut programs: Vec<&str> = Vec::new();
    for (_, trace) in traces {
        if !programs.contains(&trace.program.as_str()) {
            programs.push(&trace.program);
        }
    }
    programs.join(", ")
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
            "Software" | "generator" => named(value),
            "Title" | "Source" | "Author" | "Creator" | "Description" => described(value),
            _ => None,
        };
        if let Some(trace) = trace {
            // NovelAI signs three of its texts.
            let said =
                traces.iter().any(|(_, other)| other.program == trace.program && other.declares.is_some());
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
    if let Some(system) = xmp.all(Property::AiSystem).find(|system| !names::is_no_system(system)) {
        let program = names::program(system).filter(|known| known.declares.is_some());
        let mut trace = Trace::new(program.map_or(system, |known| known.name));
        trace.details.add("model", system);
        trace.details.add_some("version", xmp.first(Property::AiSystemVersion));
        trace.details.add_some("prompt", xmp.first(Property::AiPrompt));
        traces.push(("IPTC AI System Used", trace));
    }
    let fields = [
        (Property::CreatorTool, "XMP CreatorTool"),
        (Property::Credit, "XMP Credit"),
        (Property::Description, "XMP description"),
    ];
    for (property, place) in fields {
        let read = if property == Property::CreatorTool { named } else { described };
        traces.extend(xmp.all(property).filter_map(read).take(1).map(|trace| (place, trace)));
    }
}

/// JSON, also as Python writes it: there `NaN` and infinity, which JSON does not have, may stand among the values.
fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&without_infinities(text))).ok()
}

/// `null` for each of these words that stands outside of a text.
fn without_infinities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut rest) = (false, text);
    while let Some(c) = rest.chars().next() {
        let word =
            ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| !quoted && rest.starts_with(word));
        // What is escaped in a text ends none.
        let length = match (word, c) {
            (Some(word), _) => word.len(),
            (None, '\\') if quoted => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, c) => c.len_utf8(),
        };
        quoted ^= c == '"';
        out.push_str(if word.is_some() { "null" } else { &rest[..length] });
        rest = &rest[length..];
    }
    out
}

/// Settings as the web UI writes them in words, or as Fooocus and SwarmUI do in JSON.
fn parameters(text: &str) -> Option<Trace> {
    webui::read(text).or_else(|| settings::parameters(text))
}

/// A field that holds the name of the program that wrote the file. A company's name there is no clear statement.
fn named(text: &str) -> Option<Trace> {
    names::program(text).map(|known| match known.declares {
        Some(_) => Trace::of(known),
        None => Trace::spoken_of(known, text),
    })
}

/// A field in which people write what they like. It declares something where it is a known statement and nothing else, or
/// has Midjourney's number of the job. A program's name alone, and the words "generated with" among others, are a fact; a
/// name among other words is none.
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
    let spoken_of = || names::exactly(text).or_else(|| names::said_to_be(text));
    names::statement(text).map(Trace::of).or_else(|| spoken_of().map(|known| Trace::spoken_of(known, text)))
}

#[cfg(test)]
mod tests;
