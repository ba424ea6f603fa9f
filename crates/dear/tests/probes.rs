//! The `reference` composite against Pillow and NumPy (`oracle/probes.py`), byte for byte, through the whole of `make`; and
//! probe sets as the authors publish theirs.

// clippy.toml allows it in tests, and helpers of an integration test are not recognised as such.
#![allow(clippy::unwrap_used)]

mod oracle;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use dear::observe::{Event, Observer, Silent};
use dear::probe::{
    Canvas, Composite, Filled, GivenMasks, Inpainter, InpainterKind, Made, Making, Null, ProbeOptions,
    Refused, Shard, Unfilled, blend_weights, list, make, read_mask,
};
use dear_image::{DecodeOptions, Image, Mask, decode, encode_png, encode_png_gray};
use oracle::{picture, sha256};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Fixture {
    every: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    width: u32,
    height: u32,
    mask: (String, i64, i64, i64, i64),
    /// `picture`, or the factor of the inpainter `null`.
    generated: Value,
    mask_share: f64,
    changed_share: f64,
    regenerated_share: f64,
    weight_outside: f64,
    frame: Bytes,
    weights: Bytes,
    probe: Bytes,
    blend_weights: Bytes,
}

/// The hash of a result, and some of its bytes.
#[derive(Deserialize)]
struct Bytes {
    sha256: String,
    some: Vec<u8>,
}

impl Bytes {
    #[track_caller]
    fn expect(&self, found: &[u8], every: usize, what: &str) {
        let some: Vec<u8> = found.iter().copied().step_by(every).collect();
        assert_eq!(some, self.some, "{what}");
        assert_eq!(sha256(found), self.sha256, "{what}");
    }
}

/// `mask_of` of `oracle/probes.py`.
fn mask_of(case: &Case) -> Mask {
    let (kind, left, top, right, bottom) = &case.mask;
    let (w, h) = (right - left, bottom - top);
    Mask::from_fn(case.width, case.height, |x, y| {
        let (x, y) = (i64::from(x), i64::from(y));
        match kind.as_str() {
            "box" => (*left..*right).contains(&x) && (*top..*bottom).contains(&y),
            _ => {
                let (across, down) = (2 * x + 1 - left - right, 2 * y + 1 - top - bottom);
                across * across * h * h + down * down * w * w <= w * w * h * h
            }
        }
    })
}

/// Remembers what it is shown, and answers with one picture.
struct Stub {
    answer: Image,
    shown: Mutex<Vec<Canvas>>,
}

impl Inpainter for Stub {
    fn kind(&self) -> InpainterKind {
        InpainterKind::Command
    }
    fn describe(&self) -> String {
        "stub".to_owned()
    }
    fn inpaint(&self, canvases: &[Canvas], observer: &dyn Observer) -> Filled {
        self.shown.lock().unwrap().extend_from_slice(canvases);
        observer.event(Event::Advanced { by: canvases.len() as u64 });
        let answers: Vec<Result<Image, Unfilled>> =
            canvases.iter().map(|_| Ok(self.answer.clone())).collect();
        Filled { answers, ended: None }
    }
}

fn write(path: PathBuf, bytes: &[u8]) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
}

fn write_mask(path: PathBuf, mask: &Mask) {
    write(path, &encode_png_gray(mask.width(), mask.height(), mask.data()).unwrap());
}

fn image_of(path: &Path) -> Image {
    decode(&fs_err::read(path).unwrap(), &DecodeOptions::default()).unwrap().image
}

/// Probes of the images in `real` with the masks in `masks`.
fn make_in(folder: &Path, inpainter: &dyn Inpainter, composite: Composite) -> (Vec<Made>, Vec<Refused>) {
    let images = dear::dataset::list_images(&folder.join("real")).unwrap().paths;
    let masks = GivenMasks::open(&folder.join("masks")).unwrap();
    let making = Making {
        inpainter,
        options: &ProbeOptions { composite, ..ProbeOptions::default() },
        masks: Some(&masks),
        decoding: &DecodeOptions::default(),
        shard: Shard::WHOLE,
        out: &folder.join("out"),
    };
    make(&images, &making, &Silent).unwrap()
}

#[test]
fn the_reference_composite_is_that_of_pillow_and_numpy() {
    let text =
        fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/probes.json"))
            .unwrap();
    let fixture: Fixture = serde_json::from_str(&text).unwrap();
    let (mut stubs, mut nulls) = (0, 0);
    for case in &fixture.cases {
        let name = format!("{} x {} {:?}", case.width, case.height, case.mask);
        let folder = tempfile::tempdir().unwrap();
        let mask = mask_of(case);
        let real = picture(case.width, case.height, 1);
        write(folder.path().join("real/a.png"), &encode_png(&real).unwrap());
        write_mask(folder.path().join("masks/a_mask.png"), &mask);
        let made = match case.generated.as_u64() {
            None => {
                let stub = Stub { answer: picture(512, 512, 2), shown: Mutex::default() };
                let made = make_in(folder.path(), &stub, Composite::Reference);
                let shown = stub.shown.lock().unwrap();
                case.frame.expect(shown[0].image.data(), fixture.every, &format!("{name}: frame"));
                case.weights.expect(shown[0].mask.data(), fixture.every, &format!("{name}: weights"));
                stubs += 1;
                made
            }
            Some(factor) => {
                nulls += 1;
                make_in(folder.path(), &Null { factor: factor as u32 }, Composite::Reference)
            }
        };
        let probe = image_of(&folder.path().join("out/a_inpaint.png"));
        case.probe.expect(probe.data(), fixture.every, &format!("{name}: probe"));
        let weights = blend_weights(&mask, Composite::Reference);
        case.blend_weights.expect(weights.data(), fixture.every, &format!("{name}: blend weights"));
        let row = &made.0[0];
        // Quotients of the same whole numbers: only the last bit of a division may differ.
        let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-15;
        assert!(near(row.mask_share, case.mask_share), "{name}: {row:?}");
        assert!(near(row.changed_share, case.changed_share), "{name}: {row:?}");
        assert!(near(row.regenerated_share.unwrap(), case.regenerated_share), "{name}: {row:?}");
        assert!(near(row.weight_outside.unwrap(), case.weight_outside), "{name}: {row:?}");
        assert_eq!((row.composite, row.mask.as_str()), (Composite::Reference, "given"));
    }
    assert_eq!((stubs, nulls), (9, 3));
}

#[test]
fn at_512_pixels_nothing_changes_where_the_blurred_mask_is_zero() {
    let folder = tempfile::tempdir().unwrap();
    let real = picture(512, 512, 7);
    let mask = Mask::from_fn(512, 512, |x, y| (150..300).contains(&x) && (90..200).contains(&y));
    write(folder.path().join("real/a.png"), &encode_png(&real).unwrap());
    write_mask(folder.path().join("masks/a.png"), &mask);
    let stub = Stub { answer: picture(512, 512, 9), shown: Mutex::default() };
    make_in(folder.path(), &stub, Composite::Reference);
    let probe = image_of(&folder.path().join("out/a_inpaint.png"));
    let weights = blend_weights(&mask, Composite::Reference);
    let pixels = real.data().chunks_exact(3).zip(probe.data().chunks_exact(3)).zip(weights.data());
    let (mut untouched, mut far) = (0, 0);
    for (at, ((old, new), &weight)) in pixels.enumerate() {
        let (x, y) = (at as i64 % 512, at as i64 / 512);
        let distance = (150 - x).max(x - 299).max(90 - y).max(y - 199);
        assert!(distance <= 84 || weight == 0, "({x}, {y}), {distance} pixels away, has weight {weight}");
        assert!(weight > 0 || old == new, "({x}, {y}) changed");
        untouched += u32::from(weight == 0);
        far += u32::from(distance > 84);
    }
    assert!(untouched > 150_000 && far > 150_000, "{untouched} pixels of weight 0, {far} far away");
}

#[test]
fn given_masks_that_are_none_are_refused_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let real = picture(40, 30, 1);
    for name in ["good", "black", "white", "size", "missing", "broken"] {
        write(folder.path().join(format!("real/{name}.png")), &encode_png(&real).unwrap());
    }
    let flat = |width, value| Mask::new(width, 30, vec![value; width as usize * 30]).unwrap();
    let half = Mask::from_fn(40, 30, |x, _| x < 20);
    for (name, mask) in
        [("good", &half), ("black", &flat(40, 127)), ("white", &flat(40, 128)), ("size", &flat(41, 0))]
    {
        write_mask(folder.path().join(format!("masks/{name}_mask.png")), mask);
    }
    write(folder.path().join("masks/broken_mask.png"), b"<html>");
    let (made, refused) = make_in(folder.path(), &Null { factor: 4 }, Composite::Sharp);
    assert_eq!(made.iter().map(|row| row.stem.as_str()).collect::<Vec<_>>(), ["good"]);
    let said: Vec<(String, &str)> =
        refused.iter().map(|one| (one.kind.clone(), one.message.rsplit('/').next().unwrap())).collect();
    let expected = [
        ("mask", "black_mask.png: no pixel is above 127, expected some inside"),
        ("not_an_image", "broken_mask.png: not an image (HTML)"),
        ("mask", "masks"),
        ("mask", "size_mask.png: 41 x 30, expected the image's 40 x 30"),
        ("mask", "white_mask.png: every pixel is above 127, expected some outside"),
    ];
    assert_eq!(said, expected.map(|(kind, message)| (kind.to_owned(), message)));
    assert!(
        refused[2].message.starts_with("no missing_mask.png or missing.png in "),
        "{}",
        refused[2].message
    );
}

#[test]
fn a_probe_set_as_the_authors_publish_theirs_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (images, masks) = (folder.path().join("lsun_inpaint_sd"), folder.path().join("lsun_inpaint_mask"));
    // Theirs are RGB, and 255 or 0; the name ends at the first dot of the photograph's, others' may have more.
    let rgb = Image::from_fn(40, 30, |x, y| if x > 30 && y < 9 { [255; 3] } else { [0; 3] });
    for stem in ["0a1f", "abc.def", "with_mask"] {
        write(images.join(format!("{stem}_inpaint.png")), &encode_png(&picture(40, 30, 1)).unwrap());
        write(masks.join(format!("{stem}_mask.png")), &encode_png(&rgb).unwrap());
    }
    let pairs = list(&images, Some(&masks), Some(InpainterKind::Resynthesis)).unwrap();
    assert_eq!(
        pairs.iter().map(|pair| pair.stem.as_str()).collect::<Vec<_>>(),
        ["0a1f", "abc.def", "with_mask"]
    );
    assert_eq!(pairs[1].photograph(), "abc");
    for pair in &pairs {
        let bytes = fs_err::read(&pair.mask).unwrap();
        let mask = read_mask(&pair.mask, &bytes, (40, 30), &DecodeOptions::default()).unwrap();
        assert_eq!((mask.count_inside(), mask.is_inside(31, 8), mask.is_inside(30, 8)), (81, true, false));
    }
}
