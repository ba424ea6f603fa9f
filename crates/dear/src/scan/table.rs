//! A record as one row: the columns that CSV and Parquet share.

use dear_provenance::{Declares, Finding, Provenance};

use super::{Record, Refusal};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Real,
    Truth,
}

/// A value of a column of its kind, or null.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Whole(u64),
    Real(f64),
    Truth(bool),
}

/// A column.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) cell: fn(&Record) -> Cell,
}

/// All columns, in order.
pub(super) const COLUMNS: [Column; 38] = [
    whole("schema", |record| Some(u64::from(record.schema)).into()),
    text("path", |record| Some(record.path.clone()).into()),
    text("path_base64", |record| record.path_base64.clone().into()),
    whole("row", |record| record.row.into()),
    text("sha256", |record| record.sha256.clone().into()),
    text("status", |record| word(Some(&record.status))),
    text("warning", |record| record.warning.clone().into()),
    text("error_kind", |record| record.error.as_ref().map(|error| error.kind.clone()).into()),
    text("error", |record| record.error.as_ref().map(|Refusal { message, .. }| message.clone()).into()),
    whole("width", |record| record.width.map(u64::from).into()),
    whole("height", |record| record.height.map(u64::from).into()),
    text("format", |record| record.format.clone().into()),
    real("logit", |record| record.logit.into()),
    real("probability", |record| record.probability.into()),
    text("verdict", |record| word(record.verdict.as_ref())),
    real("threshold", |record| Some(record.threshold).into()),
    text("threshold_origin", |record| Some(record.threshold_origin.clone()).into()),
    text("detector", |record| Some(record.detector.name.clone()).into()),
    text("detector_sha256", |record| Some(record.detector.sha256.clone()).into()),
    text("engine", |record| Some(record.engine.name.clone()).into()),
    text("engine_detail", |record| {
        let engine = &record.engine;
        let words = [&*engine.version, &*engine.provider, &*engine.precision].join(" ");
        Some(format!("{words} {} threads", engine.threads)).into()
    }),
    real("uncertain_low", |record| record.uncertain.map(|[low, _]| low).into()),
    real("uncertain_high", |record| record.uncertain.map(|[_, high]| high).into()),
    whole("orientation", |record| record.treatment.map(|treatment| u64::from(treatment.orientation)).into()),
    Column {
        name: "oriented",
        kind: Kind::Truth,
        cell: |record| record.treatment.map_or(Cell::Null, |treatment| Cell::Truth(treatment.oriented)),
    },
    text("alpha", |record| word(record.treatment.as_ref().map(|treatment| &treatment.alpha))),
    text("profile", |record| word(record.treatment.as_ref().map(|treatment| &treatment.profile))),
    text("decode", |record| json(record.decode.as_ref())),
    text("view", |record| record.view.as_ref().map(ToString::to_string).into()),
    text("outside", |record| json(record.outside.as_ref())),
    text("stability", |record| word(record.stability.as_ref().map(|stability| &stability.standing))),
    real("stability_low", |record| record.stability.as_ref().map(|stability| stability.spread[0]).into()),
    real("stability_high", |record| record.stability.as_ref().map(|stability| stability.spread[1]).into()),
    text("provenance_c2pa", |record| state(record, |provenance| &provenance.c2pa)),
    text("provenance_source_type", |record| state(record, |provenance| &provenance.source_type)),
    text("provenance_generator", |record| state(record, |provenance| &provenance.generator)),
    text("provenance_camera", |record| state(record, |provenance| &provenance.camera)),
    text("provenance_declares", declares),
];

const fn text(name: &'static str, cell: fn(&Record) -> Cell) -> Column {
    Column { name, kind: Kind::Text, cell }
}

const fn whole(name: &'static str, cell: fn(&Record) -> Cell) -> Column {
    Column { name, kind: Kind::Whole, cell }
}

const fn real(name: &'static str, cell: fn(&Record) -> Cell) -> Column {
    Column { name, kind: Kind::Real, cell }
}

impl From<Option<String>> for Cell {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<u64>> for Cell {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::Null, Self::Whole)
    }
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Null, Self::Real)
    }
}

impl Cell {
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn whole(&self) -> Option<u64> {
        if let Self::Whole(number) = self { Some(*number) } else { None }
    }

    pub(super) fn real(&self) -> Option<f64> {
        if let Self::Real(number) = self { Some(*number) } else { None }
    }

    pub(super) fn truth(&self) -> Option<bool> {
        if let Self::Truth(truth) = self { Some(*truth) } else { None }
    }
}

/// The name under which a unit variant is serialised.
fn word(value: Option<&impl serde::Serialize>) -> Cell {
    let value = value.and_then(|value| serde_json::to_value(value).ok());
    value.and_then(|value| value.as_str().map(str::to_owned)).into()
}

fn json(value: Option<&impl serde::Serialize>) -> Cell {
    value.and_then(|value| serde_json::to_string(value).ok()).into()
}

fn state(record: &Record, finding: fn(&Provenance) -> &Finding) -> Cell {
    word(record.provenance.as_ref().map(|provenance| &finding(provenance).state))
}

/// What the findings declare, each thing once, in the order of [`Provenance`].
fn declares(record: &Record) -> Cell {
    let Some(Provenance { c2pa, source_type, generator, camera }) = &record.provenance else {
        return Cell::Null;
    };
    let mut words: Vec<Declares> = Vec::new();
    for declares in [c2pa, source_type, generator, camera].into_iter().filter_map(|finding| finding.declares)
    {
        if !words.contains(&declares) {
            words.push(declares);
        }
    }
    let words: Vec<String> =
        words.iter().filter_map(|one| word(Some(one)).text().map(str::to_owned)).collect();
    (!words.is_empty()).then(|| words.join("; ")).into()
}
