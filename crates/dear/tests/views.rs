//! One pass over images for several detectors and chains.

use dear::dataset::{Label, open};
use dear::detector::Detector;
use dear::engine::{EngineChoice, EngineOptions};
use dear::evaluate::{Conditions, EvaluateOptions, evaluate};
use dear::observe::Silent;
use dear::probe::{Composite, blend_weights};
use dear::rad::{MaskWeights, RadOptions, resize_mask};
use dear::recipe::Recipe;
use dear::store::Store;
use dear::views::{Place, Source, ViewOptions, WholeOptions, augmented, each_whole, whole};
use dear_image::{
    Alpha, AugmentOptions, AugmentRole, Chain, DecodeOptions, Image, Mask, encode_png, encode_png_gray,
};

#[test]
fn each_detector_and_chain_gets_every_image_in_order_and_the_same_rows_as_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut sources = Vec::new();
    // More than a shard, with a file that is no image and one that a chain makes too small.
    for i in 0..35_u32 {
        let side = if i == 7 { 60 } else { 96 };
        let image = Image::from_fn(side, side, |x, y| [(x * 3 + i) as u8, (y * 5) as u8, (x * y) as u8]);
        let path = folder.path().join(format!("{i:02}.png"));
        let bytes = if i == 3 { b"no image".to_vec() } else { encode_png(&image).unwrap() };
        fs_err::write(&path, bytes).unwrap();
        let label = if i % 2 == 0 { Label::Real } else { Label::Generated };
        sources.push(Source { path, key: format!("{i:02}.png"), label, subset: "s".to_owned(), mask: None });
    }
    let engine = EngineOptions { engine: EngineChoice::Builtin, ..EngineOptions::default() };
    let mini = Detector::mini(&engine).unwrap();
    let options = WholeOptions { seed: 5, ..WholeOptions::default() };
    let chains: Vec<Chain> =
        ["clean", "resize(0.75)", "jpeg(40..90)"].iter().map(|text| Chain::parse(text).unwrap()).collect();
    let store = Store::new(&folder.path().join("store"));
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    each_whole(&[&mini, &mini], &store, &sources, &chains, options, &Silent, |place, facts, row| {
        assert_eq!(
            (facts.width.is_some(), row.path.as_str()),
            (place.image != 3, sources[place.image].key.as_str())
        );
        places.push(place);
        rows.push(row);
    })
    .unwrap();
    assert_eq!(rows.len(), 2 * 3 * 35);
    for detector in 0..2 {
        for (chain, text) in chains.iter().enumerate() {
            let of = |place: &&Place| place.detector == detector && place.chain == chain;
            let order: Vec<usize> = places.iter().filter(of).map(|place| place.image).collect();
            assert_eq!(order, (0..35).collect::<Vec<_>>(), "{text}");
        }
    }
    // A store of its own: computed again, not read back.
    let alone =
        whole(&mini, &Store::new(&folder.path().join("other")), &sources, &chains, options, &Silent).unwrap();
    for (place, row) in places.iter().zip(&rows) {
        assert_eq!(*row, alone[place.chain][place.image]);
    }
    let errors: Vec<(usize, &str)> = places
        .iter()
        .zip(&rows)
        .filter(|(place, _)| place.detector == 0 && place.chain == 1)
        .filter_map(|(place, row)| Some((place.image, row.error.as_ref()?.0.as_str())))
        .collect();
    assert_eq!(errors, [(3, "not_an_image"), (7, "size")]);
}

#[test]
fn features_of_other_pixels_are_not_read_back_and_warnings_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    // A photograph's checksum is wrong, which is told; the pixels are what they were.
    let mut bytes = encode_png(&Image::from_fn(96, 96, |x, y| [x as u8, y as u8, 9])).unwrap();
    let at = bytes.len() - 13;
    bytes[at] ^= 1;
    fs_err::write(&path, bytes).unwrap();
    let source =
        Source { path, key: "a.png".to_owned(), label: Label::Real, subset: "s".to_owned(), mask: None };
    let engine = EngineOptions { engine: EngineChoice::Builtin, ..EngineOptions::default() };
    let mini = Detector::mini(&engine).unwrap();
    let stored = folder.path().join("store");
    let rows = |decode| {
        let options = WholeOptions { seed: 0, decode };
        let chains = [Chain::parse("clean").unwrap()];
        let rows =
            whole(&mini, &Store::new(&stored), std::slice::from_ref(&source), &chains, options, &Silent)
                .unwrap();
        (rows[0][0].clone(), fs_err::read_dir(&stored).unwrap().count())
    };
    let (row, shards) = rows(DecodeOptions::default());
    assert_eq!(
        row.warning.as_deref(),
        Some("png checksum of chunk IDAT is wrong; its data are used as Pillow does")
    );
    assert_eq!((rows(DecodeOptions::default()), shards), ((row, 1), 1));
    let (_, shards) = rows(DecodeOptions { alpha: Alpha::White, ..DecodeOptions::default() });
    assert_eq!(shards, 2);
    let (row, shards) = rows(DecodeOptions { max_bytes: 10, ..DecodeOptions::default() });
    assert_eq!((row.error.unwrap().0.as_str(), shards), ("too_large", 3));
}

#[test]
fn soft_masks_weigh_the_regions_by_how_far_each_pixel_is_generated() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::from_fn(96, 96, |x, y| [(x * 3) as u8, (y * 5) as u8, (x * y) as u8]);
    let mask = Mask::from_fn(96, 96, |x, y| (8..60).contains(&x) && (20..70).contains(&y));
    let (path, mask_path) = (folder.path().join("a_inpaint.png"), folder.path().join("a_mask.png"));
    fs_err::write(&path, encode_png(&image).unwrap()).unwrap();
    fs_err::write(&mask_path, encode_png_gray(96, 96, mask.data()).unwrap()).unwrap();
    let source = Source {
        path,
        key: "a".to_owned(),
        label: Label::Generated,
        subset: "probe".to_owned(),
        mask: Some(mask_path),
    };
    let detector = Detector::mini(&EngineOptions::builtin()).unwrap();
    // Turned and flipped, and nothing else: the sum of the weights stays.
    let still = AugmentOptions { rotate: 1.0, flip: 0.5, ..AugmentOptions::crop_only() };
    let store = Store::new(&folder.path().join("store"));
    let mut inside = Vec::new();
    for (weights, composite) in [
        (MaskWeights::Hard, None),
        (MaskWeights::Sharp, Some(Composite::Sharp)),
        (MaskWeights::Reference, Some(Composite::Reference)),
    ] {
        let recipe = Recipe {
            augment: still.clone(),
            rad: RadOptions { mask: weights, ..RadOptions::default() },
            ..Recipe::default()
        };
        let options = ViewOptions::of(&recipe, "");
        let sources = std::slice::from_ref(&source);
        let rows = augmented(&detector, &store, sources, AugmentRole::Probe, &options, &Silent).unwrap();
        assert_eq!(rows.len(), 4);
        let soft = composite.map_or_else(|| mask.clone(), |composite| blend_weights(&mask, composite));
        let plane: Vec<f32> = soft.data().iter().map(|&value| f32::from(value) / 255.0).collect();
        let side = detector.features(&[&image]).unwrap().shape[2];
        let expected: f32 = resize_mask(&plane, (96, 96), (side, side)).iter().sum();
        for row in &rows {
            let moments = row.moments.as_ref().unwrap();
            // Sums of some hundred f32 weights, in another order for each turn.
            assert!(
                (moments.w_in - f64::from(expected)).abs() < 1e-3,
                "{weights:?}: {} {expected}",
                moments.w_in
            );
            assert_eq!(
                row.mask_share.unwrap(),
                52.0 * 50.0 / (96.0 * 96.0),
                "the stored mask gives share and label"
            );
        }
        inside.push(expected);
    }
    assert!(
        inside[1] < 0.97 * inside[0] && inside[2] != inside[1] && inside[2] < 0.97 * inside[0],
        "{inside:?}"
    );
}

#[test]
fn a_detector_that_takes_other_sizes_does_not_read_the_rows_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let image = Image::from_fn(96, 96, |x, y| [(x * 3) as u8, (y * 5) as u8, (x * y) as u8]);
    fs_err::write(&path, encode_png(&image).unwrap()).unwrap();
    let (key, subset) = ("a".to_owned(), "s".to_owned());
    let source = Source { path, key, label: Label::Real, subset, mask: None };
    let mini = Detector::mini(&EngineOptions::builtin()).unwrap();
    let choosy = mini.with_head(mini.head(), |metadata| metadata.valid_input.min_side = 97).unwrap();
    let choosy = Detector::from_bytes(choosy, &EngineOptions::builtin()).unwrap();
    assert_eq!(mini.backbone_sha256(), choosy.backbone_sha256());
    let store = Store::new(&folder.path().join("store"));
    let errors: Vec<Option<String>> = [&mini, &choosy, &mini]
        .into_iter()
        .map(|detector| {
            let sources = std::slice::from_ref(&source);
            let chains = [Chain::default()];
            let rows = whole(detector, &store, sources, &chains, WholeOptions::default(), &Silent).unwrap();
            rows[0][0].error.clone().map(|(kind, _)| kind)
        })
        .collect();
    assert_eq!(errors, [None, Some("size".to_owned()), None]);
}

#[test]
fn two_views_of_one_backbone_are_each_judged_by_what_they_see() {
    let folder = tempfile::tempdir().unwrap();
    for (label, n) in [("real", 1_u32), ("real", 2), ("fake", 3), ("fake", 4)] {
        let path = folder.path().join(format!("data/{label}/{n}.png"));
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        let image = Image::from_fn(150, 131, |x, y| [(x * n) as u8, (y * 5 + n) as u8, (x * y / n) as u8]);
        fs_err::write(path, encode_png(&image).unwrap()).unwrap();
    }
    let native = Detector::mini(&EngineOptions::builtin()).unwrap();
    let cropped = native.with_head(native.head(), |metadata| metadata.view = "crop(96)".parse().unwrap());
    let cropped = Detector::from_bytes(cropped.unwrap(), &EngineOptions::builtin()).unwrap();
    assert_eq!(native.backbone_sha256(), cropped.backbone_sha256());
    let detectors = [native, cropped];
    let dataset = open(&folder.path().join("data"), None).unwrap();
    let store = Store::new(&folder.path().join("store"));
    let conditions = Conditions::new(&[], &[]).unwrap();
    let options = EvaluateOptions::default();
    let (_, scores) = evaluate(&detectors, &dataset, &conditions, &store, &options, &Silent).unwrap();
    assert_eq!(scores.systems.len(), 2);
    for (system, logits) in scores.systems.iter().zip(&scores.logits[0]) {
        let detector = &detectors[system.detector.unwrap()];
        for (sample, found) in dataset.samples.iter().zip(logits) {
            let bytes = fs_err::read(&sample.path).unwrap();
            let image = dear_image::decode(&bytes, &DecodeOptions::default()).unwrap().image;
            let expected = detector.score(&image).unwrap();
            // The head is applied here, not in the network.
            assert!((found - expected).abs() < 1e-4, "{}: {found} {expected}", system.name);
        }
    }
}
