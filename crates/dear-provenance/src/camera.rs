//! What a camera wrote into EXIF. Anybody can write the same.

use crate::finding::{Declares, Finding};
use crate::generator::{comfyui, names};
use crate::line::Details;
use crate::tags::Tags;
use exif::Tag;

/// Camera, lens, software and time; of a position only that there is one.
pub(crate) fn find(tags: &Tags) -> Finding {
    // Some generators keep what they were asked where a camera has its name.
    let named = |tag| tags.text(tag).filter(|text| names::of(text).is_none() && !comfyui::is_labelled(text));
    let (make, model) = (named(Tag::Make), named(Tag::Model));
    let software = tags.text(Tag::Software);
    let taken = tags.text(Tag::DateTimeOriginal).filter(|time| time.contains(|c: char| c.is_ascii_digit()));

    let mut details = Details::default();
    details.add_some("make", make.as_ref());
    details.add_some("model", model.as_ref());
    details.add_some("lens", tags.text(Tag::LensModel));
    details.add_some("software", software.as_ref());
    details.add_some(
        "taken",
        taken.as_ref().map(|time| match tags.text(Tag::OffsetTimeOriginal) {
            Some(offset) => format!("{time} {offset}"),
            None => time.clone(),
        }),
    );
    if tags.has_position() {
        details.add("position", "stored in the file, not shown here");
    }
    if details.is_empty() {
        return Finding::absent(tags.damage.as_deref());
    }
    details.add_some("damage", tags.damage.as_deref());

    let camera = match (&make, &model) {
        // Many models begin with the name of their maker.
        (Some(make), Some(model)) if model.to_lowercase().starts_with(&make.to_lowercase()) => {
            Some(model.clone())
        }
        (Some(make), Some(model)) => Some(format!("{make} {model}")),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    };
    let summary = match (camera, software) {
        (Some(camera), _) => camera,
        (None, Some(software)) => format!("no camera; written by {software}"),
        (None, None) => "no camera, but other data of one".to_owned(),
    };
    let declares = (make.is_some() && model.is_some()).then_some(Declares::Captured);
    Finding::found(&summary, declares, details)
}
