use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use crate::error::Error;
use crate::evaluate::{Evaluation, ImageRecord, SubsetKind};
use crate::metrics::{Metric, Ranking};

/// Version of `results.json` that is understood.
const SCHEMA: u64 = 1;

/// Metrics of a table that must come out of its records again: each counts images, or pairs of them.
const COUNTED: [&str; 3] = ["auc", "r_acc", "f_acc"];

/// Two values of one count differ by no more.
const ROUNDING: f64 = 1e-9;

/// One evaluation as it was left on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// `results.json`.
    pub evaluation: Evaluation,
    /// `records.jsonl` beside it; null where there is none.
    pub records: Option<Vec<ImageRecord>>,
}

impl Side {
    /// Read `results.json` (or the folder that holds it), and the records beside it where they are. Fields that a later
    /// version added are passed over.
    ///
    /// # Errors
    /// A file that cannot be read, is no `results.json`, has another schema, records that do not parse (with their line), or
    /// that are not those of the results: their counts, AUC or accuracies differ.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let path = if path.is_dir() { path.join("results.json") } else { path.to_owned() };
        let named = |message: String| Error::Images {
            message: format!("{}: {message}", path.display()),
            hint: "give the results.json that `dear evaluate` wrote, or the folder that holds it".to_owned(),
        };
        let bytes = fs_err::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => named("does not exist".to_owned()),
            _ => error.into(),
        })?;
        let text = String::from_utf8(bytes).map_err(|error| named(format!("not results.json: {error}")))?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| named(format!("not results.json: {error}")))?;
        match value.get("schema") {
            Some(schema) if schema.as_u64() == Some(SCHEMA) => {}
            Some(schema) => {
                return Err(Error::Images {
                    message: format!("{}: schema {schema}, expected {SCHEMA}", path.display()),
                    hint: "read it with the version of dear that wrote it, or evaluate again with this one"
                        .to_owned(),
                });
            }
            None => return Err(named("not results.json: it has no schema".to_owned())),
        }
        let evaluation: Evaluation =
            serde_json::from_value(value).map_err(|error| named(format!("not results.json: {error}")))?;
        let beside = path.with_file_name("records.jsonl");
        let records = records(&beside)?;
        if let Some(records) = &records {
            // A later evaluation into the same folder leaves other records beside a copy of the results.
            fit(&evaluation, records).map_err(|found| Error::Images {
                message: format!("{}: not the records of {}: {found}", beside.display(), path.display()),
                hint: "keep each evaluation in a folder of its own, with its records.jsonl or without"
                    .to_owned(),
            })?;
        }
        Ok(Self { evaluation, records })
    }
}

/// Whether each table of everything comes out of the records again; if not, what was found, and what was expected.
fn fit(evaluation: &Evaluation, records: &[ImageRecord]) -> Result<(), String> {
    let mut chains: HashMap<&str, Vec<&ImageRecord>> = HashMap::new();
    for record in records {
        chains.entry(record.chain.as_str()).or_default().push(record);
    }
    for table in evaluation.tables.iter().filter(|table| table.kind == SubsetKind::All) {
        let of_chain = chains.get(table.chain.as_str()).map(Vec::as_slice).unwrap_or_default();
        let labels: Vec<u8> = of_chain.iter().map(|record| record.label.as_u8()).collect();
        let logit = |record: &ImageRecord| record.logits.get(&table.system).copied().flatten();
        let logits: Vec<f64> = of_chain.iter().map(|record| logit(record).unwrap_or(f64::NAN)).collect();
        let ranking = Ranking::new(&labels, &logits).map_err(|error| error.to_string())?;
        let excluded = ranking.excluded();
        let told = |[real, fake, no_real, no_fake]: [u64; 4]| {
            format!("{real} real and {fake} generated images scored, {no_real} and {no_fake} refused")
        };
        let found = [ranking.real(), ranking.fake(), excluded.real, excluded.fake];
        let expected = [table.real, table.fake, table.refused_real, table.refused_fake];
        if found != expected {
            let (chain, system) = (&table.chain, &table.system);
            return Err(format!("{chain}, {system}: {}, expected {}", told(found), told(expected)));
        }
        for metric in COUNTED.into_iter().filter_map(Metric::named) {
            let Some(expected) = table.metric(metric.name) else { continue };
            let (found, expected) = ((metric.value)(&ranking).ok(), expected.value);
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < ROUNDING,
                (found, expected) => found == expected,
            };
            if !same {
                let told =
                    |value: Option<f64>| value.map_or("undefined".to_owned(), |value| value.to_string());
                let (chain, system, metric) = (&table.chain, &table.system, metric.name);
                let (found, expected) = (told(found), told(expected));
                return Err(format!("{chain}, {system}: {metric} is {found}, expected {expected}"));
            }
        }
    }
    Ok(())
}

fn records(path: &Path) -> Result<Option<Vec<ImageRecord>>, Error> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut records = Vec::new();
    for (i, line) in std::io::BufReader::new(fs_err::File::open(path)?).lines().enumerate() {
        let broken = |error: &dyn std::fmt::Display| Error::Images {
            message: format!("{}: line {}: not a record: {error}", path.display(), i + 1),
            hint: "evaluate again; without records.jsonl the tables alone are compared".to_owned(),
        };
        let line = line.map_err(|error| broken(&error))?;
        records.push(serde_json::from_str(&line).map_err(|error| broken(&error))?);
    }
    Ok(Some(records))
}
