//! What the `reference` composite makes of drawn masks on squares of 512 pixels: the table in `docs/probes.md`.
//!
//!     cargo run --release --example probe_masks [rectangle|ellipse|strokes]

use std::process::ExitCode;

use dear::probe::{Composite, MaskOptions, MaskShape, blend_weights, draw_mask};
use dear_image::{Draw, Mask};

const MASKS: u64 = 600;
const SIDE: u32 = 512;
/// Bins of the mask's share of the image, as the paper's range is cut.
const BINS: [(f64, f64); 4] = [(0.02, 0.03), (0.03, 0.05), (0.05, 0.10), (0.10, 0.20)];

/// One mask.
struct Measured {
    share: f64,
    /// Share of the mask that is regenerated: its blurred value is at least one half.
    regenerated: f64,
    /// Mean weight of the generated frame inside.
    weight_inside: f64,
    /// Area outside of which more than a tenth is generated, as a share of the mask's area.
    tinged: f64,
    /// Share of all weight that lies outside.
    weight_outside: f64,
}

fn main() -> ExitCode {
    let shape = match std::env::args().nth(1).as_deref() {
        None | Some("rectangle") => MaskShape::Rectangle,
        Some("ellipse") => MaskShape::Ellipse,
        Some("strokes") => MaskShape::Strokes,
        Some(other) => {
            eprintln!("{other:?} is no shape, expected rectangle, ellipse or strokes");
            return ExitCode::from(2);
        }
    };
    let options = MaskOptions { shape, ..MaskOptions::default() };
    let masks: Vec<Measured> = (0..MASKS)
        .map(|seed| measure(&draw_mask(SIDE, SIDE, &options, &mut Draw::keyed(seed, &[b"probe_masks"]))))
        .collect();
    println!(
        "| mask, share of the image | masks | regenerated, share of the mask | nothing regenerated | weight inside | outside above 0.1, in masks | weight outside |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (low, high) in BINS {
        // A rectangle's rounded sides may leave the drawn range by a hair.
        let (at_least, below) = (if low == 0.02 { 0.0 } else { low }, if high == 0.20 { 1.0 } else { high });
        let of: Vec<&Measured> = masks.iter().filter(|m| m.share >= at_least && m.share < below).collect();
        row(&format!("{:.0}-{:.0} %", 100.0 * low, 100.0 * high), &of);
    }
    row("all", &masks.iter().collect::<Vec<_>>());
    ExitCode::SUCCESS
}

fn row(name: &str, masks: &[&Measured]) {
    let mean = |of: fn(&Measured) -> f64| masks.iter().map(|mask| of(mask)).sum::<f64>() / masks.len() as f64;
    println!(
        "| {name} | {} | {:.2} | {:.1} % | {:.2} | {:.1} | {:.0} % |",
        masks.len(),
        mean(|mask| mask.regenerated),
        100.0 * mean(|mask| f64::from(u8::from(mask.regenerated == 0.0))),
        mean(|mask| mask.weight_inside),
        mean(|mask| mask.tinged),
        100.0 * mean(|mask| mask.weight_outside)
    );
}

fn measure(mask: &Mask) -> Measured {
    // The image has the frame's size, so these are the frame's own weights.
    let weights = blend_weights(mask, Composite::Reference);
    let pairs = || mask.data().iter().map(|&hard| hard > 127).zip(weights.data().iter().copied());
    let count =
        |wanted: &dyn Fn(bool, u8) -> bool| pairs().filter(|&(hard, soft)| wanted(hard, soft)).count() as f64;
    let sum = |inside: bool| {
        pairs().filter(|&(hard, _)| hard == inside).map(|(_, soft)| f64::from(soft) / 255.0).sum::<f64>()
    };
    let area = count(&|hard, _| hard);
    Measured {
        share: area / f64::from(SIDE * SIDE),
        regenerated: count(&|hard, soft| hard && soft > 127) / area,
        weight_inside: sum(true) / area,
        tinged: count(&|hard, soft| !hard && f64::from(soft) > 25.5) / area,
        weight_outside: sum(false) / (sum(true) + sum(false)),
    }
}
