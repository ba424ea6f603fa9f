//! The text of AUTOMATIC1111's Stable Diffusion web UI, which many programs write: prompt, negative prompt, and a line of
//! settings, `Steps: 20, Sampler: Euler a, ...`.

use super::Trace;
use crate::finding::Declares;

/// Fewest settings by which a line is known. The web UI itself asks for three (`parse_generation_parameters`).
const MIN_SETTINGS: usize = 3;

const NEGATIVE: &str = "Negative prompt:";

/// What settings are called here; the others are not told.
const NAMES: [(&str, &str); 10] = [
    ("Model", "model"),
    ("Model hash", "model hash"),
    ("Sampler", "sampler"),
    ("Schedule type", "scheduler"),
    ("Steps", "steps"),
    ("CFG scale", "guidance"),
    ("Seed", "seed"),
    ("Size", "size"),
    ("Denoising strength", "denoising strength"),
    ("Version", "version"),
];

pub(super) fn read(text: &str) -> Option<Trace> {
    // Programs add lines of their own behind the settings, and a prompt may have a line that looks like them.
    let (mut at, mut found) = (0, None);
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("Steps: ") {
            let settings = split(line.trim());
            found = (settings.len() >= MIN_SETTINGS).then_some((at, settings)).or(found);
        }
        at += line.len();
    }
    let (start, settings) = found?;
    let value = |name: &str| settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let words = &text[..start];
    let (prompt, negative) = match (words.strip_prefix(NEGATIVE), words.split_once(&format!("\n{NEGATIVE}")))
    {
        (Some(negative), _) => ("", Some(negative)),
        (None, Some((prompt, negative))) => (prompt, Some(negative)),
        (None, None) => (words, None),
    };

    let mut trace = Trace::new(program(value("Version"), value("App"), value("Civitai resources").is_some()));
    // Only a mask tells that a part of the picture is another's.
    if settings.iter().any(|(key, _)| key == "Mask blur" || key.starts_with("Inpaint")) {
        trace.declares = Some(Declares::PartlyGenerated);
    }
    for (name, shown) in NAMES {
        trace.details.add_some(shown, value(name));
    }
    trace.details.add("prompt", prompt);
    trace.details.add_some("negative prompt", negative);
    Some(trace)
}

/// Which of the programs that write so.
fn program(version: Option<&str>, app: Option<&str>, civitai: bool) -> String {
    let version = version.unwrap_or_default();
    let forge = version.strip_prefix('f').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    match app {
        Some(app) => app.to_owned(),
        None if forge => "Stable Diffusion WebUI Forge".to_owned(),
        None if version.starts_with("ComfyUI") => "ComfyUI".to_owned(),
        None if version.starts_with("Fooocus") => "Fooocus".to_owned(),
        None if civitai => "Civitai".to_owned(),
        None => "Stable Diffusion web UI, or a program that writes like it".to_owned(),
    }
}

/// `key: value, key: "value, with commas", ...`
fn split(line: &str) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once(':') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, next) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), next)
            }
        };
        settings.push((key.trim_matches([' ', ',']).to_owned(), value));
        rest = next;
    }
    settings
}

/// The text up to the closing mark, and what follows; a backslash takes the meaning from the next character.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| if c == 'n' { '\n' } else { c })),
            c => value.push(c),
        }
    }
    (value, "")
}
