//! The heads that a hardened detector must beat. They travel in its file, so that every evaluation shows them.

use crate::backbone::metadata::NamedHead;
use crate::detector::Detector;
use crate::error::Error;
use crate::gate::{self, Cut, Gate};
use crate::head::adam::{self, Sign};
use crate::head::bias::fit_bias;
use crate::head::temperature::{fit_temperature, targets};
use crate::head::{self, AdamOptions, Head, ProbeLabels, Solver, StayPositiveOptions, Training};
use crate::observe::{Event, Observer};
use crate::rad::{RadOptions, rad};
use crate::recipe::Recipe;
use crate::store::Row;

/// Heads trained here, for progress.
pub(super) const TRAINED: u64 = 4;

/// The heads that are no more than the detector's own, moved or scaled; then those trained on the same views.
///
/// `training` is that of the hardened head, `probes` the rows behind its probe samples.
///
/// # Errors
/// [`Error::Train`], [`Error::Bias`], or a stop.
pub(super) fn baselines(
    detector: &Detector,
    training: &Training,
    probes: Option<&[Row]>,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Vec<NamedHead>, Error> {
    let mut heads = unmoved(detector.head(), training)?;
    let channels = detector.channels();
    let done = |head: Option<NamedHead>, heads: &mut Vec<NamedHead>| {
        heads.extend(head);
        observer.event(Event::Advanced { by: 1 });
        if observer.cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    };
    // What no head can be trained on is a missing baseline, not the end of a finished one.
    let refit = |name: &str, note: String, gate: &Gate| match head::train(
        &Training { gate, ..*training },
        &recipe.head,
    ) {
        Ok(trained) => Some(named(name, note, trained.head)),
        Err(error) => {
            left_out(name, &error, observer);
            None
        }
    };

    done(stay_positive(training, recipe, observer), &mut heads)?;
    let note = "a head on all channels, same data and solver".to_owned();
    done(refit("refit, no pruning", note, &Gate::none(channels)), &mut heads)?;
    let pruned = training.gate.pruned();
    let note = format!("a head with {pruned} channels pruned at random, same data and solver");
    done(refit("refit, random gate", note, &gate::random(channels, pruned, recipe.seed)), &mut heads)?;
    let reference = match probes.map(|rows| reference_gate(rows, recipe)) {
        Some(Ok((gate, scored))) => {
            let note = format!(
                "a head with the {} channels pruned that the authors' RAD chooses (raw means in batches of 64, {scored} \
                 probe views with those that lack a region), same data and solver",
                gate.pruned()
            );
            refit("refit, reference gate", note, &gate)
        }
        Some(Err(error)) => {
            left_out("refit, reference gate", &error, observer);
            None
        }
        None => None,
    };
    done(reference, &mut heads)?;
    Ok(heads)
}

/// `base`, `base + bias` and `base + temperature`, fitted on the validation views.
fn unmoved(base: &Head, training: &Training) -> Result<Vec<NamedHead>, Error> {
    let logits = base.logits(training.validation);
    let labels = training.validation.labels;
    let shift = fit_bias(&logits, labels)?;
    let biased = Head { weight: base.weight.clone(), bias: (f64::from(base.bias) + shift.shift) as f32 };
    let mut heads = vec![
        named("base", "the detector as it was".to_owned(), base.clone()),
        named(
            "base + bias",
            format!("the detector with {:+.4} added to its logit, fitted on validation views", shift.shift),
            biased,
        ),
    ];
    let fake = labels.iter().filter(|&&label| label == 1).count();
    if let Some(temperature) = fit_temperature(&logits, labels, targets(labels.len() - fake, fake)) {
        let scale = |value: f32| (f64::from(value) / temperature) as f32;
        let cooled = Head { weight: base.weight.iter().map(|&w| scale(w)).collect(), bias: scale(base.bias) };
        let note = format!(
            "the detector with its logit divided by {temperature:.4}, fitted on validation views: the same verdicts, another \
             confidence"
        );
        heads.push(named("base + temperature", note, cooled));
    }
    Ok(heads)
}

/// Stay-Positive (ICML 2025): the last layer trained again with no weight below 0, on the detector's own images alone.
fn stay_positive(training: &Training, recipe: &Recipe, observer: &dyn Observer) -> Option<NamedHead> {
    let quick = StayPositiveOptions { seed: recipe.seed, ..StayPositiveOptions::default() };
    let options = match recipe.head {
        // The recipe's own schedule.
        Solver::Adam(options) => AdamOptions { sign: Sign::NonNegative, ..options },
        Solver::StayPositive(options) => options.adam(),
        Solver::L2(ref l2) => StayPositiveOptions { class_balance: l2.class_balance, ..quick }.adam(),
        Solver::Bias(_) => quick.adam(),
    };
    let options = AdamOptions { probe_labels: ProbeLabels::None, ..options };
    let all = Gate::none(training.gate.channels());
    match adam::fit(&Training { gate: &all, ..*training }, &options) {
        Ok((head, report)) => {
            let note = format!(
                "last layer trained again without negative weights (Stay-Positive, ICML 2025) on the same images and views, \
                 without probes and pruning; Adam, best of {} steps is {}",
                report.steps, report.best_step
            );
            Some(named("stay-positive", note, head))
        }
        Err(error) => {
            left_out("stay-positive", &error, observer);
            None
        }
    }
}

/// The gate of the authors' code at the recipe's fractions, and from how many probe views. Thresholds are in the unit of the
/// recipe's own ranking; the authors' gate then has their published fractions.
fn reference_gate(probes: &[Row], recipe: &Recipe) -> Result<(Gate, u64), Error> {
    let moments = crate::dissect::moments(probes);
    let rad = rad(&moments, None, &RadOptions::reference())?;
    let cut = match recipe.gate.cut {
        Cut::Thresholds { .. } => Cut::default(),
        cut => cut,
    };
    Ok((gate::prune(&rad.scores, cut)?, rad.probes))
}

/// A baseline that does not exist on these images is said to be missing; it does not end the run.
fn left_out(name: &str, error: &dyn std::fmt::Display, observer: &dyn Observer) {
    observer.event(Event::Warned { message: &format!("the baseline {name:?} is left out: {error}") });
}

fn named(name: &str, note: String, head: Head) -> NamedHead {
    NamedHead { name: name.to_owned(), weight: head.weight, bias: head.bias, note: Some(note) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Label;
    use crate::engine::EngineOptions;
    use crate::head::Samples;
    use crate::observe::Silent;
    use crate::rad::RegionMoments;

    /// Rows in which the even channels speak for *generated* and the odd ones for *real*, with errors.
    struct Data {
        features: Vec<f32>,
        labels: Vec<u8>,
        channels: usize,
    }

    impl Data {
        fn new(rows: usize, channels: usize, salt: usize) -> Self {
            let labels: Vec<u8> = (0..rows).map(|row| (row % 2) as u8).collect();
            let value = |row: usize, k: usize| {
                let noise = (((row + salt) * 7919 + k * 104_729 + row * row * 31) % 1009) as f32 / 1009.0;
                noise + if k % 2 == usize::from(labels[row] == 0) { 0.3 } else { 0.0 }
            };
            let features = (0..rows).flat_map(|row| (0..channels).map(move |k| (row, k)));
            Self { features: features.map(|(row, k)| value(row, k)).collect(), labels, channels }
        }

        fn samples(&self) -> Samples<'_> {
            Samples { features: &self.features, channels: self.channels, labels: &self.labels }
        }
    }

    /// Probe views with a discrepancy that rises with the channel; the last lies wholly inside its mask and, kept as the
    /// authors do, makes channel 0 the highest.
    fn probes(channels: usize) -> Vec<Row> {
        let row = |inside: f64, background: f64, mu_in: Vec<f32>| Row {
            path: "p".to_owned(),
            sha256: "0".to_owned(),
            label: Label::Generated,
            subset: "probe".to_owned(),
            view: 0,
            chain: String::new(),
            error: None,
            warning: None,
            mask_share: Some(0.5),
            pooled: vec![0.5; channels],
            moments: Some(RegionMoments {
                mu_in,
                w_in: inside,
                w_bg: background,
                ..RegionMoments::absent(channels)
            }),
        };
        let rising: Vec<f32> = (0..channels).map(|k| k as f32).collect();
        let mut first: Vec<f32> = vec![0.0; channels];
        first[0] = 1e4;
        vec![row(3.0, 3.0, rising.clone()), row(2.0, 4.0, rising), row(6.0, 0.0, first)]
    }

    fn made(probes: Option<&[Row]>) -> (Detector, Vec<NamedHead>) {
        let detector = Detector::mini(&EngineOptions::builtin()).unwrap();
        let channels = detector.channels();
        let (main, validation) = (Data::new(80, channels, 0), Data::new(40, channels, 9000));
        let gate = gate::random(channels, 10, 5);
        let training = Training::new(main.samples(), validation.samples(), &gate);
        let heads = baselines(&detector, &training, probes, &Recipe::default(), &Silent).unwrap();
        (detector, heads)
    }

    #[test]
    fn a_baseline_that_cannot_be_trained_is_left_out_and_ends_nothing() {
        let detector = Detector::mini(&EngineOptions::builtin()).unwrap();
        let channels = detector.channels();
        // Nothing varies but the one channel that the gate keeps; the random gate keeps another.
        let gate = gate::random(channels, channels - 1, 5);
        let other = gate::random(channels, channels - 1, Recipe::default().seed);
        let kept = gate.keep.iter().position(|keep| *keep).unwrap();
        assert!(!other.keep[kept]);
        let data = |rows, salt| {
            let mut data = Data::new(rows, channels, salt);
            let constant = |(at, value): (usize, &mut f32)| {
                if at % channels != kept {
                    *value = 0.5;
                }
            };
            data.features.iter_mut().enumerate().for_each(constant);
            data
        };
        let (main, validation) = (data(80, 0), data(40, 9000));
        let training = Training::new(main.samples(), validation.samples(), &gate);
        let heads = baselines(&detector, &training, None, &Recipe::default(), &Silent).unwrap();
        let has = |name: &str| heads.iter().any(|head| head.name == name);
        assert_eq!((has("refit, no pruning"), has("refit, random gate")), (true, false));
    }

    #[test]
    fn each_baseline_is_what_its_name_says() {
        let channels = Detector::mini(&EngineOptions::builtin()).unwrap().channels();
        let rows = probes(channels);
        let (detector, heads) = made(Some(&rows));
        let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "base",
                "base + bias",
                "base + temperature",
                "stay-positive",
                "refit, no pruning",
                "refit, random gate",
                "refit, reference gate"
            ]
        );
        let zeros = |k: usize| heads[k].weight.iter().filter(|weight| **weight == 0.0).count();
        assert_eq!((&heads[0].weight, heads[0].bias), (&detector.head().weight, detector.head().bias));
        assert_eq!(heads[1].weight, heads[0].weight);
        assert_ne!(heads[1].bias, heads[0].bias);
        let temperature = f64::from(heads[0].weight[0]) / f64::from(heads[2].weight[0]);
        assert!(temperature > 0.0 && (temperature - 1.0).abs() > 0.01, "{temperature}");
        for (a, b) in heads[0].weight.iter().zip(&heads[2].weight) {
            assert!(
                (f64::from(*a) - temperature * f64::from(*b)).abs() <= 1e-6 * f64::from(a.abs()),
                "{a} {b}"
            );
        }
        let positive = &heads[3].weight;
        assert!(positive.iter().all(|weight| *weight >= 0.0), "{positive:?}");
        let share = |odd: usize| positive.iter().skip(odd).step_by(2).map(|w| f64::from(*w)).sum::<f64>();
        assert!(share(0) > 10.0 * share(1), "only evidence for generated is left: {} {}", share(0), share(1));
        assert_eq!((zeros(4), zeros(5)), (0, 10));

        // The authors keep the degenerate probe, so channel 0 is pruned as the highest, not as the lowest.
        let n = channels / 5;
        let pruned: Vec<usize> = (0..channels).filter(|&k| heads[6].weight[k] == 0.0).collect();
        let expected: Vec<usize> = [0].into_iter().chain(1..=n).chain(channels - (n - 1)..channels).collect();
        assert_eq!(pruned, expected);
    }

    #[test]
    fn without_probes_there_is_no_gate_of_the_authors() {
        let (_, heads) = made(None);
        assert_eq!(heads.len(), 6);
        assert!(heads.iter().all(|head| head.name != "refit, reference gate"));
    }
}
