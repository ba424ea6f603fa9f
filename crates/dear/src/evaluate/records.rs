//! One record an image and chain, and one row an image, chain and system.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::results::{Evaluation, ImageRecord};
use crate::engine::EngineInfo;
use crate::error::Error;
use crate::scores::Scores;

/// A record for each chain and image, in that order.
pub fn records(scores: &Scores) -> Vec<ImageRecord> {
    let mut records = Vec::with_capacity(scores.chains.len() * scores.images.len());
    for (c, chain) in scores.chains.iter().enumerate() {
        for (i, image) in scores.images.iter().enumerate() {
            let error = (0..scores.systems.len()).find_map(|s| scores.refusals.get(&(c, s, i)));
            let warning = scores.warnings.get(&i);
            let logits = scores.systems.iter().enumerate().map(|(s, system)| {
                (system.name.clone(), Some(scores.logits[c][s][i]).filter(|logit| logit.is_finite()))
            });
            records.push(ImageRecord {
                path: image.key.clone(),
                path_base64: image.key_base64.clone(),
                sha256: image.sha256.clone(),
                label: image.label,
                subset: image.subset.clone(),
                split: image.split.clone(),
                scene: scores.scenes_known.then(|| image.group.clone()),
                chain: chain.clone(),
                status: status(error.is_none(), warning).to_owned(),
                warning: warning.filter(|_| error.is_none()).cloned(),
                error: error.map(|(kind, _)| kind.clone()),
                message: error.map(|(_, message)| message.clone()),
                logits: logits.collect(),
            });
        }
    }
    records
}

fn status(scored: bool, warning: Option<&String>) -> &'static str {
    match (scored, warning) {
        (true, None) => "scored",
        (true, Some(_)) => "scored_with_warning",
        (false, _) => "refused",
    }
}

/// One row for each chain, image and system, as Parquet: `records.parquet`.
///
/// # Errors
/// None in practice: rows are made here.
pub fn records_parquet(evaluation: &Evaluation, scores: &Scores) -> Result<Vec<u8>, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Options(format!("records.parquet: {error}"));
    let places: Vec<(usize, usize, usize)> = (0..scores.chains.len())
        .flat_map(|c| {
            (0..scores.images.len()).flat_map(move |i| (0..scores.systems.len()).map(move |s| (c, i, s)))
        })
        .collect();
    let detector = |s: usize| scores.systems[s].detector.and_then(|index| evaluation.detectors.get(index));
    let text = |get: &dyn Fn(usize, usize, usize) -> Option<String>| -> ArrayRef {
        Arc::new(places.iter().map(|&(c, i, s)| get(c, i, s)).collect::<StringArray>())
    };
    let size = |axis: usize| -> ArrayRef {
        let of = |i: usize| Some(scores.images[i].format.as_ref()?.1?[axis]);
        Arc::new(places.iter().map(|&(_, i, _)| of(i)).collect::<UInt32Array>())
    };
    let logit =
        |&(c, i, s): &(usize, usize, usize)| Some(scores.logits[c][s][i]).filter(|logit| logit.is_finite());
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let engine = |get: fn(&EngineInfo) -> String| evaluation.engine.as_ref().map(get);
    let image = |i: usize| &scores.images[i];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("path", text(&|_, i, _| Some(image(i).key.clone()))),
        ("path_base64", text(&|_, i, _| image(i).key_base64.clone())),
        ("sha256", text(&|_, i, _| known(&image(i).sha256))),
        ("label", text(&|_, i, _| Some(image(i).label.as_str().to_owned()))),
        ("subset", text(&|_, i, _| Some(image(i).subset.clone()))),
        ("split", text(&|_, i, _| image(i).split.clone())),
        ("scene", text(&|_, i, _| scores.scenes_known.then(|| image(i).group.clone()))),
        ("format", text(&|_, i, _| Some(image(i).format.as_ref()?.0.clone()))),
        ("width", size(0)),
        ("height", size(1)),
        ("chain", text(&|c, _, _| Some(scores.chains[c].clone()))),
        ("system", text(&|_, _, s| Some(scores.systems[s].name.clone()))),
        (
            "status",
            text(&|c, i, s| {
                Some(status(scores.logits[c][s][i].is_finite(), scores.warnings.get(&i)).to_owned())
            }),
        ),
        (
            "warning",
            text(&|c, i, s| scores.warnings.get(&i).filter(|_| scores.logits[c][s][i].is_finite()).cloned()),
        ),
        ("error", text(&|c, i, s| Some(scores.refusals.get(&(c, s, i))?.0.clone()))),
        ("message", text(&|c, i, s| Some(scores.refusals.get(&(c, s, i))?.1.clone()))),
        ("logit", Arc::new(places.iter().map(logit).collect::<Float64Array>())),
        ("detector", text(&|_, _, s| Some(detector(s)?.name.clone()))),
        ("detector_sha256", text(&|_, _, s| Some(detector(s)?.sha256.clone()))),
        ("engine", text(&|_, _, _| engine(|engine| engine.name.clone()))),
        ("engine_version", text(&|_, _, _| engine(|engine| engine.version.clone()))),
        ("provider", text(&|_, _, _| engine(|engine| engine.provider.clone()))),
        ("precision", text(&|_, _, _| engine(|engine| engine.precision.clone()))),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, column)| column).collect())
        .map_err(|error| failed(&error))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("dear".to_owned())
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, schema, Some(properties)).map_err(|error| failed(&error))?;
    writer.write(&batch).map_err(|error| failed(&error))?;
    writer.close().map_err(|error| failed(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Columns;
    use crate::evaluate::{EvaluateOptions, of_scores};
    use crate::observe::Silent;
    use crate::scores::tests::{SMALL, scores};

    #[test]
    fn a_row_for_each_image_chain_and_system_comes_back_as_it_went_in() {
        let first = vec![0.1, f64::NAN, -1e-300, -2.0, 0.5];
        let second = vec![1.0 / 3.0; 5];
        let mut scores = scores(&SMALL, vec![vec![first.clone(), second.clone()], vec![second, first]]);
        scores.refusals.insert((0, 0, 1), ("truncated".to_owned(), "ends early".to_owned()));
        scores.images[0].key = "f/\u{fffd}, \"x\"\n.jpg".to_owned();
        scores.images[0].key_base64 = Some("Zi//LmpwZw==".to_owned());
        scores.images[0].format = Some(("jpeg".to_owned(), Some([640, 480])));
        let evaluation = of_scores(&scores, None, &EvaluateOptions::default(), &Silent).unwrap();
        let bytes = records_parquet(&evaluation, &scores).unwrap();
        assert_eq!(bytes, records_parquet(&evaluation, &scores).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.parquet");
        fs_err::write(&path, bytes).unwrap();
        let found = Columns::read(&path).unwrap();
        assert_eq!(found.rows.len(), 2 * 5 * 2);
        let cell = |row: usize, name: &str| found.cell(row, found.place(name).unwrap()).map(str::to_owned);
        let row = |c: usize, i: usize, s: usize| (c * 5 + i) * 2 + s;
        for (c, i, s) in [(0, 0, 0), (0, 2, 0), (1, 3, 1), (0, 4, 1)] {
            let logit: f64 = cell(row(c, i, s), "logit").unwrap().parse().unwrap();
            assert_eq!(logit.to_bits(), scores.logits[c][s][i].to_bits());
            assert_eq!(cell(row(c, i, s), "system").unwrap(), scores.systems[s].name);
            assert_eq!(cell(row(c, i, s), "chain").unwrap(), scores.chains[c]);
        }
        let first = row(0, 0, 0);
        assert_eq!(cell(first, "path").unwrap(), scores.images[0].key);
        assert_eq!(cell(first, "path_base64").as_deref(), Some("Zi//LmpwZw=="));
        assert_eq!(
            (cell(first, "width").as_deref(), cell(first, "height").as_deref()),
            (Some("640"), Some("480"))
        );
        assert_eq!(
            (cell(first, "label").as_deref(), cell(first, "status").as_deref()),
            (Some("generated"), Some("scored"))
        );
        let refused = row(0, 1, 0);
        assert_eq!((cell(refused, "logit"), cell(refused, "status").as_deref()), (None, Some("refused")));
        assert_eq!(cell(refused, "error").as_deref(), Some("truncated"));
        assert_eq!((cell(refused, "engine"), cell(refused, "width")), (None, None));

        let lines = records(&scores);
        assert_eq!((lines.len(), lines[1].status.as_str(), lines[1].logits["a"]), (10, "refused", None));
        assert_eq!(lines[1].logits["b"], Some(1.0 / 3.0));
        let scenes: Vec<Option<&str>> = lines[..5].iter().map(|line| line.scene.as_deref()).collect();
        assert_eq!(scenes, [Some("a"), Some("b"), Some("b"), Some("a"), Some("c")]);
        scores.scenes_known = false;
        assert!(super::records(&scores).iter().all(|line| line.scene.is_none()));
    }
}
