//! What heads are trained from, as matrices: rows of the store, and what options of the solvers need besides.

use std::collections::BTreeSet;

use crate::calibrate;
use crate::dataset::Label;
use crate::detector::Detector;
use crate::error::Error;
use crate::gate::Gate;
use crate::head::{Head, Operating, ProbeLabels, Probes, Samples, Solver, Training};
use crate::observe::{Event, Observer};
use crate::rad::Regions;
use crate::recipe::{Pairs, Recipe};
use crate::store::{Row, Store};
use crate::training_set::{Split, main_views};
use crate::views::{self, Source, WholeOptions};

/// Everything that the heads of a run are trained from.
#[derive(Debug)]
pub struct TrainingData {
    /// Rows of the training views without their features, for counts and refusals.
    pub main_rows: Vec<Row>,
    /// Likewise of the validation views.
    pub val_rows: Vec<Row>,
    main: Matrix,
    val: Matrix,
    probes: Option<Matrix>,
    probe_differences: Option<Vec<f32>>,
    view_differences: Option<Vec<f32>>,
    operating: Vec<(String, Matrix)>,
    base: Head,
}

impl TrainingData {
    /// Views of the training and validation images, and what the `solvers` need besides: differences inside and outside of
    /// the masks, differences between views, whole validation images under the recipe's conditions.
    ///
    /// # Errors
    /// [`Error::Images`] where a class has no usable image; the engine's or the store's, or a stop.
    pub fn gather(
        detector: &Detector,
        store: &Store,
        split: &Split,
        probes: Option<&[Row]>,
        solvers: &[&Solver],
        recipe: &Recipe,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let channels = detector.channels();
        let mut main_rows = main_views(detector, store, &split.train, recipe, "training views", observer)?;
        let mut val_rows = main_views(detector, store, &split.val, recipe, "validation views", observer)?;
        check_overlap(&main_rows, &val_rows, observer)?;
        let wanted = |what: fn(&Solver) -> bool| solvers.iter().any(|solver| what(solver));
        let view_differences = if !wanted(is_invariant) {
            None
        } else if recipe.pairs == Pairs::Views {
            // A single view is its own mean, and no conditions make no pairs: nothing would be penalised, without a word.
            if recipe.views < 2 {
                return Err(Error::Recipe(format!(
                    "views is {}, expected at least 2: head.invariance compares views of an image",
                    recipe.views
                )));
            }
            Some(from_mean_view(&main_rows, channels))
        } else if recipe.conditions.is_empty() {
            return Err(Error::Recipe(
                "conditions is empty, expected a perturbation chain: head.invariance compares images with it"
                    .to_owned(),
            ));
        } else {
            Some(from_clean(detector, store, &split.train, recipe, observer)?)
        };
        let operating = if wanted(is_balanced) {
            under_conditions(detector, store, &split.val, recipe, observer)?
        } else {
            Vec::new()
        };
        let main = Matrix::take(&mut main_rows, channels);
        let val = Matrix::take(&mut val_rows, channels);
        for (name, matrix) in [("training", &main), ("validation", &val)] {
            matrix.check_both_classes(name)?;
        }
        Ok(Self {
            main_rows,
            val_rows,
            main,
            val,
            probes: probes.map(|rows| Matrix::of(rows, channels)),
            probe_differences: probes.filter(|_| wanted(has_regulariser)).map(inside_minus_outside),
            view_differences,
            operating,
            base: detector.head().clone(),
        })
    }

    /// Whole validation images under the recipe's conditions, also where no solver asked for them.
    ///
    /// # Errors
    /// As [`TrainingData::gather`].
    pub fn with_conditions(
        mut self,
        detector: &Detector,
        store: &Store,
        split: &Split,
        recipe: &Recipe,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        if self.operating.is_empty() {
            self.operating = under_conditions(detector, store, &split.val, recipe, observer)?;
        }
        Ok(self)
    }

    /// The conditions on which a balance is kept.
    pub fn operating(&self) -> Vec<Operating<'_>> {
        self.operating.iter().map(|(name, matrix)| Operating { name, samples: matrix.samples() }).collect()
    }

    /// What a head with this gate is trained from.
    pub fn training<'a>(&'a self, gate: &'a Gate, operating: &'a [Operating<'a>]) -> Training<'a> {
        Training {
            probes: self.probes.as_ref().map(Matrix::probes),
            probe_differences: self.probe_differences.as_deref(),
            view_differences: self.view_differences.as_deref(),
            operating,
            base: Some(&self.base),
            ..Training::new(self.main.samples(), self.val.samples(), gate)
        }
    }
}

/// Images whose bytes stand on both sides make what is chosen or learnt from them worthless: all of them are an error,
/// some are a warning.
fn check_overlap(main: &[Row], val: &[Row], observer: &dyn Observer) -> Result<(), Error> {
    let contents = |rows: &[Row], label: Option<Label>| -> BTreeSet<String> {
        let made =
            rows.iter().filter(|row| row.error.is_none() && label.is_none_or(|label| row.label == label));
        made.map(|row| row.sha256.clone()).collect()
    };
    let (real, fake) = (contents(main, Some(Label::Real)), contents(main, Some(Label::Generated)));
    let pairs = [
        (
            "generated training images are also real ones",
            fake,
            real,
            "give other folders: a picture cannot be both",
        ),
        (
            "validation images are also trained on",
            contents(val, None),
            contents(main, None),
            "give other images with --val; without it a share of the training images is held out",
        ),
    ];
    for (what, part, whole, hint) in pairs {
        let shared = part.intersection(&whole).count();
        if shared > 0 && shared == part.len() {
            let message = format!("all {shared} {what}, expected none");
            return Err(Error::Images { message, hint: hint.to_owned() });
        }
        if shared > 0 {
            let message = format!("{shared} of {} {what} (equal bytes)", part.len());
            observer.event(Event::Warned { message: &message });
        }
    }
    Ok(())
}

fn is_invariant(solver: &Solver) -> bool {
    matches!(solver, Solver::L2(options) if options.invariance.is_some())
}

fn is_balanced(solver: &Solver) -> bool {
    match solver {
        Solver::L2(options) => options.balance.is_some(),
        Solver::Bias(options) => options.balance.is_some(),
        Solver::Adam(_) | Solver::StayPositive(_) => false,
    }
}

fn has_regulariser(solver: &Solver) -> bool {
    matches!(solver, Solver::L2(options) if options.probe_labels == ProbeLabels::Regulariser)
}

/// Whole images of both classes under each of the recipe's conditions, `clean` first.
fn under_conditions(
    detector: &Detector,
    store: &Store,
    sources: &[Source],
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Vec<(String, Matrix)>, Error> {
    let chains = recipe.conditions()?;
    let rows = views::whole(detector, store, sources, &chains, whole_options(recipe), observer)?;
    let mut sets = Vec::with_capacity(rows.len());
    for (chain, mut rows) in chains.iter().zip(rows) {
        let name = calibrate::condition(chain);
        let matrix = Matrix::take(&mut rows, detector.channels());
        matrix.check_both_classes(&format!("validation under {name}"))?;
        sets.push((name, matrix));
    }
    Ok(sets)
}

fn whole_options(recipe: &Recipe) -> WholeOptions {
    WholeOptions { seed: recipe.seed, decode: recipe.decode }
}

/// Each view minus the mean over its image's views. Rows of an image stand together.
fn from_mean_view(rows: &[Row], channels: usize) -> Vec<f32> {
    let made: Vec<&Row> = rows.iter().filter(|row| row.error.is_none()).collect();
    let mut differences = Vec::with_capacity(made.len() * channels);
    for image in made.chunk_by(|a, b| a.path == b.path) {
        let n = image.len() as f64;
        let mean: Vec<f64> = (0..channels)
            .map(|k| image.iter().map(|row| f64::from(row.pooled[k])).sum::<f64>() / n)
            .collect();
        for row in image {
            differences.extend(row.pooled.iter().zip(&mean).map(|(&x, mean)| (f64::from(x) - mean) as f32));
        }
    }
    differences
}

/// Whole training images under each condition, minus the same image as it is.
fn from_clean(
    detector: &Detector,
    store: &Store,
    sources: &[Source],
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Vec<f32>, Error> {
    let rows =
        views::whole(detector, store, sources, &recipe.conditions()?, whole_options(recipe), observer)?;
    let Some((clean, perturbed)) = rows.split_first() else { return Ok(Vec::new()) };
    let pairs = perturbed.iter().flat_map(|rows| clean.iter().zip(rows));
    let made = pairs.filter(|(a, b)| a.error.is_none() && b.error.is_none());
    Ok(made.flat_map(|(a, b)| b.pooled.iter().zip(&a.pooled).map(|(b, a)| b - a)).collect())
}

/// `mu_in - mu_bg` of the probe views that have both regions.
fn inside_minus_outside(rows: &[Row]) -> Vec<f32> {
    let sound = rows.iter().filter_map(|row| row.moments.as_ref()).filter(|m| m.regions() == Regions::Both);
    sound.flat_map(|m| m.mu_in.iter().zip(&m.mu_bg).map(|(inside, outside)| inside - outside)).collect()
}

/// Pooled features of rows that could be made.
#[derive(Debug)]
struct Matrix {
    features: Vec<f32>,
    channels: usize,
    labels: Vec<u8>,
    /// Of probe views: the share inside of the mask.
    shares: Vec<f32>,
}

impl Matrix {
    fn of(rows: &[Row], channels: usize) -> Self {
        let made = || rows.iter().filter(|row| row.error.is_none());
        Self {
            features: made().flat_map(|row| row.pooled.iter().copied()).collect(),
            channels,
            labels: made().map(|row| row.label.as_u8()).collect(),
            shares: made().map(|row| row.mask_share.unwrap_or(0.0)).collect(),
        }
    }

    /// The same, and the rows lose their features, which would be held twice.
    fn take(rows: &mut [Row], channels: usize) -> Self {
        let matrix = Self::of(rows, channels);
        rows.iter_mut().for_each(|row| row.pooled = Vec::new());
        matrix
    }

    fn samples(&self) -> Samples<'_> {
        Samples { features: &self.features, channels: self.channels, labels: &self.labels }
    }

    fn probes(&self) -> Probes<'_> {
        Probes { features: &self.features, channels: self.channels, shares: &self.shares }
    }

    fn check_both_classes(&self, name: &str) -> Result<(), Error> {
        let generated = self.labels.iter().filter(|&&label| label == Label::Generated.as_u8()).count();
        if generated > 0 && generated < self.labels.len() {
            return Ok(());
        }
        Err(Error::Images {
            message: format!(
                "{name}: {} views of real and {generated} of generated images could be used, expected both",
                self.labels.len() - generated
            ),
            hint: "give more images of the missing class; `dear scan FOLDER` says which files cannot be read"
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rad::{RegionMoments, region_moments};

    fn row(path: &str, pooled: &[f32], moments: Option<RegionMoments>) -> Row {
        Row {
            path: path.to_owned(),
            sha256: String::new(),
            label: Label::Real,
            subset: String::new(),
            view: 0,
            chain: String::new(),
            error: pooled.is_empty().then(|| ("corrupt".to_owned(), "x".to_owned())),
            warning: None,
            mask_share: None,
            pooled: pooled.to_vec(),
            moments,
        }
    }

    #[test]
    fn differences_are_those_of_an_image_and_of_a_probe_with_both_regions() {
        let rows = [
            row("a", &[1.0, 0.0], None),
            row("a", &[3.0, 1.0], None),
            row("x", &[], None),
            row("b", &[7.0, 7.0], None),
        ];
        assert_eq!(from_mean_view(&rows, 2), [-1.0, -0.5, 1.0, 0.5, 0.0, 0.0]);
        let probes = [
            row("p", &[0.0], Some(region_moments(&[4.0, 1.0], 1, &[1.0, 0.0]))),
            row("q", &[0.0], Some(region_moments(&[4.0, 1.0], 1, &[1.0, 1.0]))),
            row("r", &[0.0], None),
        ];
        let found = inside_minus_outside(&probes);
        // The divisors carry an epsilon of 1e-6.
        assert!(found.len() == 1 && (found[0] - 3.0).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn images_on_both_sides_are_told_and_nothing_but_them_is_an_error() {
        struct Told(std::sync::Mutex<Vec<String>>);
        impl Observer for Told {
            fn event(&self, event: Event<'_>) {
                if let Event::Warned { message } = event {
                    self.0.lock().unwrap().push(message.to_owned());
                }
            }
        }
        let image = |sha256: &str, label| Row { sha256: sha256.to_owned(), label, ..row("p", &[1.0], None) };
        let (real, fake) = (Label::Real, Label::Generated);
        let main = [image("a", real), image("b", real), image("c", fake)];
        let told = Told(Vec::new().into());
        check_overlap(&main, &[image("d", real), image("e", fake)], &told).unwrap();
        assert!(told.0.lock().unwrap().is_empty());
        check_overlap(&main, &[image("a", real), image("e", fake)], &told).unwrap();
        let both = [image("a", real), image("a", fake), image("c", fake)];
        check_overlap(&both, &[image("d", real)], &told).unwrap();
        let messages = told.0.lock().unwrap().join("; ");
        assert_eq!(
            messages,
            "1 of 2 validation images are also trained on (equal bytes); 1 of 2 generated training images are also real ones \
             (equal bytes)"
        );
        let error = check_overlap(&main, &[image("a", real), image("c", fake)], &told).unwrap_err();
        assert_eq!(error.to_string(), "all 2 validation images are also trained on, expected none");
        let error = check_overlap(&[image("a", real), image("a", fake)], &[], &told).unwrap_err();
        assert!(error.to_string().starts_with("all 1 generated training images are also real"), "{error}");
    }

    #[test]
    fn features_move_and_what_was_refused_has_none() {
        let mut rows = [row("a", &[1.0, 2.0], None), row("x", &[], None), row("b", &[3.0, 4.0], None)];
        let matrix = Matrix::take(&mut rows, 2);
        assert_eq!((matrix.samples().rows(), matrix.samples().row(1)), (2, &[3.0, 4.0][..]));
        assert!(rows.iter().all(|row| row.pooled.is_empty()));
        let error = matrix.check_both_classes("training").unwrap_err();
        assert!(error.to_string().starts_with("training: 2 views of real and 0 of generated"), "{error}");
    }
}
