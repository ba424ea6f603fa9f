//! What must hold for every engine and provider.

use dear::detector::{Detector, DetectorError, Quantity};
use dear::engine::EngineOptions;
use dear::observe::Silent;
use dear::parity::{Parity, measure};
use dear_image::{DecodeOptions, Image, encode_png};

use super::{difference, picture};

pub fn with_threads(options: &EngineOptions, threads: usize) -> EngineOptions {
    EngineOptions { threads: Some(threads), ..options.clone() }
}

/// Scores within 1e-5 for any number of threads, batch, place in it and neighbours; the same call twice: exactly.
pub fn assert_independent(options: &EngineOptions) {
    let images: Vec<Image> = (0..8).map(|seed| picture(97, 65, seed)).collect();
    let quantities = [Quantity::Logit, Quantity::Pooled];
    let one = Detector::mini(&with_threads(options, 1)).expect("mini");
    let single = |image: &Image| one.compute(&[image], quantities).expect("runs");
    let expected: Vec<_> = images.iter().map(single).collect();
    let mut compared = 0;
    for threads in [1, 2, 3] {
        let detector = Detector::mini(&with_threads(options, threads)).expect("mini");
        assert_eq!(detector.info().threads, threads);
        let [logits, pooled] = detector.compute(&images, quantities).expect("runs");
        let reversed: Vec<&Image> = images.iter().rev().collect();
        let [backwards, _] = detector.compute(&reversed, quantities).expect("runs");
        let same = vec![&images[3]; 8];
        let [repeated, _] = detector.compute(&same, quantities).expect("runs");
        for (index, [logit, row]) in expected.iter().enumerate() {
            let channels = detector.channels();
            let found = &pooled.data[index * channels..(index + 1) * channels];
            let close = |found: f32, expected: f32| (found - expected).abs() <= 1e-5;
            assert!(close(logits.data[index], logit.data[0]), "{options:?}, {threads} threads");
            assert!(close(backwards.data[7 - index], logit.data[0]), "{options:?}, {threads} threads");
            assert!(difference(found, &row.data) <= 1e-5, "{options:?}, {threads} threads");
            assert!(close(repeated.data[index], expected[3][0].data[0]));
            compared += 1;
        }
        // The same call twice: not nearly, but exactly.
        assert_eq!(detector.compute(&images, quantities).expect("runs"), [logits, pooled]);
    }
    assert_eq!(compared, 24);
}

/// Images of mixed sizes, one too small and one larger than a piece: as if each were alone.
pub fn assert_any_sizes(options: &EngineOptions) {
    let sizes = [
        (64, 64),
        (97, 65),
        (64, 64),
        (20, 64),
        (200, 180),
        (64, 64),
        (97, 65),
        (64, 64),
        (64, 64),
        (64, 64),
    ];
    let images: Vec<Image> =
        sizes.iter().zip(0..).map(|(&(width, height), seed)| picture(width, height, seed)).collect();
    let detector = Detector::mini(options).expect("mini");
    // 30,000 pixels at the 512 bytes that are assumed of a file that does not say.
    let small = Detector::mini(&EngineOptions { memory: 30_000 * 512, ..options.clone() }).expect("mini");
    assert_eq!((small.piece(), detector.batch_of((64, 64)), detector.batch_of((97, 65))), (30_000, 4, 3));
    let found = small.pooled_of_any(&images);
    assert_eq!(found.len(), images.len());
    for (index, (found, image)) in found.into_iter().zip(&images).enumerate() {
        match (found, detector.pooled(image)) {
            (Ok(found), Ok(expected)) => {
                let difference = difference(&found, &expected);
                assert!(difference <= 1e-5, "image {index} of {options:?}: {difference}");
            }
            (Err(DetectorError::TooSmall { width: 20, .. }), Err(_)) => assert_eq!(index, 3),
            (found, expected) => panic!("image {index}: {found:?}, alone {expected:?}"),
        }
    }
}

/// Both score the same pictures, with logits no further apart than `limit` and no verdict turned. The third file is no image.
pub fn assert_parity(reference: &EngineOptions, compared: &EngineOptions, limit: f64) -> Parity {
    let folder = tempfile::tempdir().expect("folder");
    let mut paths = Vec::new();
    for (name, picture) in
        [("a.png", Some((97, 65))), ("b.png", Some((131, 120))), ("c.png", None), ("d.png", Some((64, 64)))]
    {
        let bytes = match picture {
            Some((width, height)) => encode_png(&super::picture(width, height, 3)).expect("png"),
            None => b"no image".to_vec(),
        };
        paths.push(folder.path().join(name));
        fs_err::write(folder.path().join(name), bytes).expect("file");
    }
    let [a, b] = [reference, compared].map(|options| Detector::mini(options).expect("mini"));
    let found = measure(&a, &b, &paths, &DecodeOptions::default(), &Silent).expect("comparable");
    assert_eq!((&found.reference, &found.compared), (a.info(), b.info()));
    assert_eq!((found.n, found.refused.len(), found.scored_by_one.len()), (3, 1, 0));
    let sizes = found.difference.clone();
    assert!(0.0 <= sizes.mean && sizes.mean <= sizes.p99 && sizes.p99 <= sizes.max, "{sizes:?}");
    assert!(sizes.max <= limit, "{sizes:?}");
    assert!(!found.exceeds(limit) && (sizes.max == 0.0 || found.exceeds(sizes.max / 2.0)));
    // Wilson's interval of 0 in 3, by hand: 3.8415 / (3 + 3.8415).
    assert_eq!(
        (found.verdict_flips.count, found.verdict_flips.share, found.verdict_flips.interval[0]),
        (0, 0.0, 0.0)
    );
    assert!((found.verdict_flips.interval[1] - 0.5615).abs() < 1e-4, "{:?}", found.verdict_flips);
    found
}
