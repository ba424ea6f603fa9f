//! Fit: a linear head on any frozen backbone, from folders of images. This is how a backbone becomes a detector.

use std::path::Path;

use crate::detector::{Detector, DetectorError};
use crate::error::Error;
use crate::gate::Gate;
use crate::harden::{Counts, Reading, TrainingRecord, read_logits};
use crate::head::{self, Report};
use crate::observe::{Event, Observer};
use crate::probe::Refused;
use crate::recipe::Recipe;
use crate::store::Store;
use crate::training_data::TrainingData;
use crate::training_set::{TrainingImages, split_images};

/// A backbone with its new head.
#[derive(Debug)]
pub struct Fitted {
    /// Bytes of the detector file.
    pub model: Vec<u8>,
    /// How the head was trained.
    pub report: Report,
    /// How its logits are read.
    pub reading: Reading,
    /// What took part.
    pub counts: Counts,
    /// Images that could not be used.
    pub refused: Vec<Refused>,
}

/// Train a head on all channels of `backbone`, whose own head is not looked at, and calibrate it on the whole validation
/// images. Of the recipe, what concerns views, head and calibration counts; there are no probes and no gate.
///
/// # Errors
/// The first step that fails; features stay in `work`, so that a rerun goes on.
pub fn fit(
    backbone: &Detector,
    images: &TrainingImages,
    work: &Path,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Fitted, Error> {
    recipe.check()?;
    let store = Store::new(&work.join("features"));
    let split = split_images(images, recipe)?;
    let data = TrainingData::gather(backbone, &store, &split, None, &[&recipe.head], recipe, observer)?;
    let gate = Gate::none(backbone.channels());
    observer.event(Event::Started { step: "training the head", total: 1 });
    let trained = head::train(&data.training(&gate, &data.operating()), &recipe.head)?;
    observer.event(Event::Finished);
    let reading = read_logits(backbone, &store, &split, &trained.head, recipe, observer)?;
    let (counts, refused) = Counts::of(&data.main_rows, &data.val_rows, &[], None, recipe);
    let record = TrainingRecord::new(&trained.report, &counts, recipe)?;
    let model = backbone.with_head(&trained.head, |metadata| {
        metadata.name = format!("{}-fit", metadata.name);
        metadata.gate = None;
        metadata.rad = None;
        metadata.heads = Vec::new();
        record.write(metadata, &reading);
        let source = backbone.sha256().to_owned().into();
        metadata.source.extra.insert("fitted_on_sha256".to_owned(), source);
    });
    let model = model.map_err(DetectorError::from)?;
    Ok(Fitted { model, report: trained.report, reading, counts, refused })
}
