use super::{Change, Changes, Outcome, Verdict};
use crate::evaluate::SubsetKind;
use crate::report::number;
use crate::report::page::Page;

/// The comparison as GitHub's Markdown, for a pull request: what got worse or better first, then everything together.
pub fn markdown(changes: &Changes) -> String {
    let mut text = String::new();
    let mut page = Page(&mut text);
    page.heading(2, changes.outcome.title());
    page.list(&changes.reasons);
    if !changes.differs.is_empty() {
        page.table(
            &["differs", "before", "after"].map(str::to_owned),
            changes
                .differs
                .iter()
                .map(|differs| vec![differs.what.clone(), differs.before.clone(), differs.after.clone()]),
        );
    }
    let heads = ["condition", "system", "subset", "metric", "before", "after", "difference", "verdict"];
    let row = |change: &Change| {
        vec![
            change.chain.clone(),
            change.system.clone(),
            change.subset.clone(),
            change.metric.clone(),
            change.value(change.before),
            change.value(change.after),
            change.said(),
            change.verdict.word().to_owned(),
        ]
    };
    let shown: Vec<&Change> = changes.shown().collect();
    if !shown.is_empty() {
        page.table(&heads.map(str::to_owned), shown.into_iter().map(row));
    }
    page.list(&changes.refusals());
    if changes.outcome != Outcome::NotComparable {
        page.paragraph(&changes.sum());
    }
    text
}

impl Outcome {
    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fine => "No regression",
            Self::Regression => "Regression",
            Self::NotComparable => "Not comparable",
        }
    }
}

impl Verdict {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Gone => "gone",
            Self::Same => "same",
            Self::Better => "better",
            Self::New => "new",
        }
    }
}

impl Change {
    /// A value of this metric as text.
    pub fn value(&self, value: Option<f64>) -> String {
        value.map_or("–".to_owned(), |value| number::value(&self.metric, value))
    }

    /// The difference with its interval as text.
    pub fn said(&self) -> String {
        let Some(difference) = self.difference else { return "–".to_owned() };
        let text = |value| number::difference(&self.metric, value);
        let ends = self.interval.as_ref().and_then(|interval| interval.low.zip(interval.high));
        let ends = ends.map(|(low, high)| format!(" [{}, {}]", text(low), text(high))).unwrap_or_default();
        format!("{}{ends}", text(difference))
    }
}

impl Changes {
    /// Rows worth reading: whatever changed, worst kind first, and everything together.
    pub fn shown(&self) -> impl Iterator<Item = &Change> {
        let of = |wanted: fn(&Change) -> bool| self.rows.iter().filter(move |row| wanted(row));
        of(|row| row.verdict.is_regression())
            .chain(of(|row| row.verdict == Verdict::Better))
            .chain(of(|row| row.verdict == Verdict::New))
            .chain(of(|row| row.verdict == Verdict::Same && row.kind == SubsetKind::All))
    }

    /// The first images that are newly refused and why, a sentence each, and how many more there are.
    pub fn refusals(&self) -> Vec<String> {
        const LISTED: usize = 10;
        let mut listed: Vec<String> = self
            .newly_refused
            .iter()
            .take(LISTED)
            .map(|image| {
                let why =
                    image.message.as_deref().or(image.error.as_deref()).unwrap_or("no reason is recorded");
                format!("newly refused: {} ({}, {}): {why}", image.path, image.chain, image.system)
            })
            .collect();
        let more = self.newly_refused.len().saturating_sub(LISTED);
        if more > 0 {
            listed.push(format!("newly refused: {more} more"));
        }
        listed
    }

    /// How many values changed, in a sentence.
    pub fn sum(&self) -> String {
        let count = |verdict: Verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        let paired = match &self.images {
            Some(images) => {
                format!("images on both sides: {}, differences are of those that both scored", images.both)
            }
            None => "images not compared by content: records.jsonl is not on both sides".to_owned(),
        };
        format!(
            "{} values compared at a tolerance of {}: {} worse, {} gone, {} better, {} new, {} the same; {paired}.",
            self.rows.len(),
            self.options.tolerance,
            count(Verdict::Worse),
            count(Verdict::Gone),
            count(Verdict::Better),
            count(Verdict::New),
            count(Verdict::Same)
        )
    }
}
