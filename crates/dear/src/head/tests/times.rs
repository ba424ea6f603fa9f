//! How long an L2 head takes: `docs/heads.md` quotes it.

use std::time::Instant;

use dear_image::Draw;

use super::*;

type Rows = (Vec<f32>, Vec<u8>);

fn samples((features, labels): &Rows, channels: usize) -> Samples<'_> {
    Samples { features, channels, labels }
}

/// Rows as a backbone gives them: not negative, of very different scales, with eight common factors.
fn rows(count: usize, channels: usize, name: &[u8]) -> Rows {
    let mut fixed = Draw::keyed(1, &[b"channels"]);
    let mut uniform = |low, high| (0..channels).map(|_| fixed.uniform(low, high) as f32).collect::<Vec<_>>();
    let (direction, scale) = (uniform(-0.5, 0.5), uniform(-1.0, 0.7));
    let mixing: Vec<Vec<f32>> = (0..8).map(|_| uniform(-0.4, 0.4)).collect();
    let mut draw = Draw::keyed(2, &[name]);
    let labels: Vec<u8> = (0..count).map(|row| (row % 2) as u8).collect();
    let mut features = Vec::with_capacity(count * channels);
    for &label in &labels {
        let common: Vec<f32> = (0..8).map(|_| draw.uniform(-2.0, 2.0) as f32).collect();
        for k in 0..channels {
            let shared: f32 = mixing.iter().zip(&common).map(|(mixing, common)| mixing[k] * common).sum();
            let own = draw.uniform(-1.5, 1.5) as f32;
            let value = 0.6 + own + shared + 0.5 * f32::from(label) * direction[k];
            features.push(value.max(0.0) * 10.0_f32.powf(scale[k]));
        }
    }
    (features, labels)
}

#[test]
#[ignore = "takes a minute, and prints times"]
fn times_of_l2_heads() {
    for (channels, main, probes) in [(64, 2000, 400), (256, 2000, 400), (2048, 4000, 1000)] {
        let [main, probes, validation] = [(main, "main"), (probes, "probes"), (500, "validation")]
            .map(|(n, name)| rows(n, channels, name.as_bytes()));
        let shares: Vec<f32> = probes.1.iter().map(|&label| f32::from(label) / 2.0).collect();
        let differences: Vec<f32> =
            main.0.iter().zip(&main.0[channels * 2..]).map(|(a, b)| 0.1 * (a - b)).collect();
        let mut gate = Gate::none(channels);
        gate.keep.iter_mut().enumerate().for_each(|(k, keep)| *keep = k % 5 > 1);
        let training = Training {
            probes: Some(Probes { features: &probes.0, channels, shares: &shares }),
            view_differences: Some(&differences),
            ..Training::new(samples(&main, channels), samples(&validation, channels), &gate)
        };
        let best = |options: &L2Options| {
            let times = (0..5).map(|_| {
                let start = Instant::now();
                let tables = l2::fit(&training, options).map_or(0, |(_, report)| report.table.len());
                (start.elapsed().as_secs_f64(), tables)
            });
            times.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
        };
        let (seconds, strengths) = best(&L2Options::default());
        let (penalised, _) =
            best(&L2Options { invariance: Some(Penalty::default()), ..L2Options::default() });
        // One Newton step is not enough: what remains is preparation.
        let (first, _) = best(&L2Options { grid: vec![1.0], max_iterations: 1, ..L2Options::default() });
        println!(
            "{channels} channels, {} + {} rows: {seconds:.3} s for {strengths} strengths, {penalised:.3} s with invariance, \
             {first:.4} s before the second step",
            main.1.len(),
            probes.1.len()
        );
    }
}
