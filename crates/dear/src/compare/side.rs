use std::io::BufRead;
use std::path::Path;

use crate::error::Error;
use crate::evaluate::{Evaluation, ImageRecord};

/// Version of `results.json` that is understood.
const SCHEMA: u64 = 1;

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
    /// A file that cannot be read, is no `results.json`, has another schema, or records that do not parse (with their line).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let path = if path.is_dir() { path.join("results.json") } else { path.to_owned() };
        let named = |message: String| Error::Images {
            message: format!("{}: {message}", path.display()),
            hint: "give the results.json that `dear evaluate` wrote, or the folder that holds it".to_owned(),
        };
        let text = String::from_utf8(fs_err::read(&path)?)
            .map_err(|error| named(format!("not results.json: {error}")))?;
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
        let evaluation =
            serde_json::from_value(value).map_err(|error| named(format!("not results.json: {error}")))?;
        Ok(Self { evaluation, records: records(&path.with_file_name("records.jsonl"))? })
    }
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
