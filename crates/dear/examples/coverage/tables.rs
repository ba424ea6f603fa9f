//! Coverage, and its tables in Markdown.

use dear::metrics::METRICS;

use crate::setting::{SIZES, Sizes};

/// How often an interval held the truth, and its width.
#[derive(Clone, Copy, Default)]
pub(crate) struct Coverage {
    pub(crate) draws: u64,
    covered: u64,
    width: f64,
}

impl Coverage {
    pub(crate) fn add(&mut self, (low, high): (f64, f64), truth: f64) {
        self.draws += 1;
        // An end that equals the truth up to rounding holds it.
        self.covered += u64::from(low - 1e-12 <= truth && truth <= high + 1e-12);
        self.width += high - low;
    }

    pub(crate) fn share(&self) -> f64 {
        self.covered as f64 / self.draws as f64
    }

    pub(crate) fn mean_width(&self) -> f64 {
        self.width / self.draws as f64
    }

    /// Coverage in percent and mean width.
    pub(crate) fn cell(&self) -> String {
        format!("{:.1} | {:.3}", 100.0 * self.share(), self.mean_width())
    }
}

/// One metric in one setting.
pub(crate) struct Row {
    pub(crate) metric: &'static str,
    pub(crate) truth: f64,
    pub(crate) sizes: Sizes,
    /// `None` for a metric that has no closed form.
    pub(crate) closed: Option<Coverage>,
    pub(crate) bootstrap: Coverage,
    /// Width of an interval that knows the metric's standard deviation: 3.92 of them.
    pub(crate) ideal: f64,
}

/// The least coverage over all settings, and widths against the ideal.
pub(crate) fn summary(rows: &[Row]) -> String {
    let mut out = "| metric | real + generated images | closed form covers at least | width / ideal \
                   | bootstrap covers at least | width / ideal |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for metric in METRICS {
        for sizes in SIZES {
            let of_metric = || rows.iter().filter(|row| row.metric == metric.name && row.sizes == sizes);
            let cell = |coverage: fn(&Row) -> Option<Coverage>| {
                let found: Vec<_> = of_metric().filter_map(|row| Some((coverage(row)?, row.ideal))).collect();
                let Some((least, _)) = found.iter().min_by(|(a, _), (b, _)| a.share().total_cmp(&b.share()))
                else {
                    return "- | -".to_owned();
                };
                let widths = || found.iter().map(|(coverage, ideal)| coverage.mean_width() / ideal);
                let (low, high) = (widths().fold(f64::MAX, f64::min), widths().fold(0.0, f64::max));
                format!("{:.1} % | {low:.2} to {high:.2}", 100.0 * least.share())
            };
            if of_metric().next().is_some() {
                let (closed, bootstrap) = (cell(|row| row.closed), cell(|row| Some(row.bootstrap)));
                out += &format!("| `{}` | {} | {closed} | {bootstrap} |\n", metric.name, sizes.name());
            }
        }
    }
    out
}

/// Each population value once, at 100 and at 1,000 images.
pub(crate) fn details(rows: &[Row]) -> String {
    let columns = "closed form covers, % | width | bootstrap covers, % | width | ideal width";
    let mut out = format!("| metric | true value | at 100: {columns} | at 1,000: {columns} |\n");
    out += &format!("|{}\n", "---|".repeat(12));
    for metric in METRICS {
        let of_size = |sizes| rows.iter().filter(move |row| row.metric == metric.name && row.sizes == sizes);
        let mut shown = Vec::new();
        for (small, large) in of_size(SIZES[0]).zip(of_size(SIZES[1])) {
            let truth = format!("{:.3}", small.truth);
            if shown.contains(&truth) {
                continue;
            }
            let cells = [small, large].map(|row| {
                let closed = row.closed.map_or("- | -".to_owned(), |closed| closed.cell());
                format!("{closed} | {} | {:.3}", row.bootstrap.cell(), row.ideal)
            });
            out += &format!("| `{}` | {truth} | {} |\n", metric.name, cells.join(" | "));
            shown.push(truth);
        }
    }
    out
}
