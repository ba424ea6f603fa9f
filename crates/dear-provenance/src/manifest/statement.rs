//! What a manifest states: who made it, what was done to the picture, and of what.

use crate::finding::Declares;
use crate::line::Details;
use crate::source_type::Term;
use c2pa::{Manifest, Reader, Relationship};
use serde_json::Value;
use std::cell::Cell;

/// Most actions and ingredients that are told.
const MAX_TOLD: usize = 16;

/// Most manifests of ingredients that are looked at: ingredients may share theirs, so there are more ways to them than files.
const MAX_MANIFESTS: usize = 200;

pub(super) fn claim_generator(manifest: &Manifest) -> Option<String> {
    let named = manifest.claim_generator_info.iter().flatten().next().map(|info| match &info.version {
        Some(version) => format!("{} {version}", info.name),
        None => info.name.clone(),
    });
    named.or_else(|| manifest.claim_generator.clone())
}

pub(super) fn actions(manifest: &Manifest, details: &mut Details) {
    let actions: Vec<&Value> = all_actions(manifest).collect();
    for action in actions.iter().take(MAX_TOLD) {
        let mut text = action["action"].as_str().unwrap_or("not named").to_owned();
        if let Some(source) = action["digitalSourceType"].as_str() {
            let known = Term::of(source).map(|term| format!("{} ({})", term.meaning, term.name));
            text.push_str(&format!(": {}", known.as_deref().unwrap_or(source)));
        }
        let agent = &action["softwareAgent"];
        if let Some(agent) = agent.as_str().or_else(|| agent["name"].as_str()) {
            text.push_str(&format!(", by {agent}"));
        }
        if let Some(when) = action["when"].as_str() {
            text.push_str(&format!(", at {when}"));
        }
        details.add("action", text);
    }
    more(actions.len(), "actions", details);
}

pub(super) fn ingredients(reader: &Reader, manifest: &Manifest, details: &mut Details) {
    for ingredient in manifest.ingredients().iter().take(MAX_TOLD) {
        let part = match ingredient.relationship() {
            Relationship::ParentOf => "what the picture was made from",
            Relationship::ComponentOf => "a part of the picture",
            Relationship::InputTo => "given to a program",
        };
        let mut text = format!("{} ({part})", ingredient.title().unwrap_or("without a title"));
        if let Some(of) = ingredient.active_manifest().and_then(|label| reader.get_manifest(label)) {
            let by = claim_generator(of).map(|generator| format!(" of {generator}")).unwrap_or_default();
            text.push_str(&format!(", with a manifest{by}"));
        }
        details.add("ingredient", text);
    }
    more(manifest.ingredients().len(), "ingredients", details);
}

fn more(count: usize, what: &str, details: &mut Details) {
    if count > MAX_TOLD {
        details.add(what, format!("{count}, of which {MAX_TOLD} are shown"));
    }
}

/// What a valid manifest declares of its picture, along the chain of what it was made from.
pub(super) fn declares(reader: &Reader, manifest: &Manifest) -> Option<Declares> {
    declared(reader, manifest, &Cell::new(MAX_MANIFESTS))
}

fn declared(reader: &Reader, manifest: &Manifest, left: &Cell<usize>) -> Option<Declares> {
    left.set(left.get().checked_sub(1)?);
    let mut origin = None;
    let mut by_a_model = false;
    for action in all_actions(manifest) {
        let declares = action["digitalSourceType"].as_str().and_then(Term::of).and_then(|term| term.declares);
        if action["action"] == "c2pa.created" {
            origin = origin.or(declares);
        } else {
            by_a_model |= matches!(declares, Some(Declares::Generated | Declares::PartlyGenerated));
        }
    }
    let of_ingredient = |relationship: Relationship| {
        let ingredients =
            manifest.ingredients().iter().filter(move |one| *one.relationship() == relationship);
        ingredients
            .filter_map(|one| reader.get_manifest(one.active_manifest()?))
            .filter_map(move |manifest| declared(reader, manifest, left))
    };
    let origin =
        origin.or_else(|| in_metadata(manifest)).or_else(|| of_ingredient(Relationship::ParentOf).next());
    by_a_model |= of_ingredient(Relationship::ComponentOf).any(|part| part != Declares::Captured);
    match origin {
        Some(Declares::Captured) | None if by_a_model => Some(Declares::PartlyGenerated),
        origin => origin,
    }
}

/// IPTC metadata that was signed along, as the first versions of the standard have it.
fn in_metadata(manifest: &Manifest) -> Option<Declares> {
    let assertions = manifest.assertions().iter().filter(|one| one.label().starts_with("stds.iptc"));
    let values = assertions.filter_map(|one| one.value().ok()?["Iptc4xmpExt:DigitalSourceType"].as_str());
    values.filter_map(Term::of).find_map(|term| term.declares)
}

fn all_actions(manifest: &Manifest) -> impl Iterator<Item = &Value> {
    let assertions = manifest.assertions().iter().filter(|one| one.label().starts_with("c2pa.actions"));
    assertions.filter_map(|one| one.value().ok()?["actions"].as_array()).flatten()
}
