//! Which other declarations an image's answer would fit: what the user may have meant, or what the image cannot tell.

use dear_image::Image;

use super::declared::{Color, Declared, Normalisation, Range};
use crate::architecture::{IMAGENET_MEAN, IMAGENET_STD};
use crate::detector::{Detector, Quantity, to_tensor};
use crate::self_test::SelfTest;

/// Other declarations under which the answer is the expected one, as options. `bare` is the network behind no preprocessing
/// at all, which is done here instead: one session serves all.
pub(super) fn fitting(bare: &Detector, image: &Image, declared: &Declared, test: &SelfTest) -> Vec<String> {
    let mut found = Vec::new();
    // Of several windows the answer is that of their mean, which no single run gives.
    let Ok(seen) = bare.seen(image) else { return found };
    let [seen] = seen.as_slice() else { return found };
    let seen = [seen.as_ref()];
    for tried in alternatives(declared) {
        let Ok((shape, mut data)) = to_tensor(&seen) else { continue };
        prepare(&mut data, &tried);
        let Ok([logit]) = bare.compute_raw(shape, &data, [Quantity::Logit]) else { continue };
        let logit = f64::from(logit.data[0]);
        if tried.sees_unlike(declared) && test.judge(logit).passed() {
            found.push(tried.options_unlike(declared));
        }
        // The number that was given may be that of the other class.
        if let Some(turned) = tried.turned().filter(|_| test.judge(-logit).passed()) {
            found.push(turned.options_unlike(declared));
        }
    }
    found.truncate(3);
    found
}

fn alternatives(declared: &Declared) -> Vec<Declared> {
    let mut all = Vec::new();
    for color in [declared.color, if declared.color == Color::Rgb { Color::Bgr } else { Color::Rgb }] {
        for range in [Range::Unit, Range::Bytes, Range::Signed] {
            let factor = if range == Range::Bytes { 255.0 } else { 1.0 };
            let imagenet = Normalisation::Colours {
                mean: IMAGENET_MEAN.map(|value| value * factor),
                std: IMAGENET_STD.map(|value| value * factor),
            };
            let usual = [Normalisation::None, imagenet];
            let usual = usual.into_iter().filter(|&usual| usual != declared.normalisation);
            for normalisation in [declared.normalisation].into_iter().chain(usual) {
                all.push(Declared { color, range, normalisation, ..declared.clone() });
            }
        }
    }
    all
}

/// What [`wrap`] puts into the graph, but for layout and type, on planes of RGB in 0..1.
fn prepare(data: &mut [f32], declared: &Declared) {
    let (mean, std) = declared.as_unit();
    let plane = data.len() / 3;
    for (colour, values) in data.chunks_exact_mut(plane.max(1)).enumerate() {
        for value in values {
            *value = ((f64::from(*value) - mean[colour]) / std[colour]) as f32;
        }
    }
    if declared.color == Color::Bgr {
        let (first, rest) = data.split_at_mut(plane);
        first.swap_with_slice(&mut rest[plane..]);
    }
}
