//! Grammar, errors and keys of chains. Their pixels are compared with Pillow's in `tests/`.

use super::*;
use crate::{Kernel, Subsampling, decode, encode_jpeg, resize};

fn picture() -> Image {
    Image::from_fn(60, 40, |x, y| [(4 * x) as u8, (6 * y) as u8, (x * y) as u8])
}

#[test]
fn text_round_trips() {
    let cases = [
        ("", "clean"),
        (" clean ", "clean"),
        ("paper", "paper"),
        ("resize(0.5,bicubic)|jpeg(50..95)", "resize(0.5, bicubic) | jpeg(50..95, 4:2:0)"),
        ("resize(side=256)", "resize(side=256, kernel=bicubic)"),
        ("resize(nearest, height=3, width=2..9)", "resize(width=2..9, height=3, kernel=nearest)"),
        ("resize(factor=0.25..0.75, kernel=lanczos)", "resize(0.25..0.75, lanczos)"),
        ("crop(64) | webp(80)", "crop(64) | webp(80)"),
        ("crop(height=3, width=2..9)|crop(size=8)", "crop(width=2..9, height=3) | crop(8)"),
        ("jpeg(subsampling=4:4:4, quality=7)", "jpeg(7, 4:4:4)"),
        (
            "brightness(0.8..1.2)|contrast(2)|sharpness(0)|color(1.5,p=0.25)",
            "brightness(0.8..1.2) | contrast(2) | sharpness(0) | color(1.5, p=0.25)",
        ),
        (
            "one_of(blur(1), one_of(grayscale, noise(10..50)), p=0.5)",
            "one_of(blur(1), one_of(grayscale, noise(10..50)), p=0.5)",
        ),
        ("grayscale()", "grayscale"),
    ];
    for (text, canonical) in cases {
        let chain = Chain::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(chain.to_string(), canonical);
        assert_eq!(canonical.parse::<Chain>().unwrap(), chain);
        let json = serde_json::to_string(&chain).unwrap();
        assert_eq!(serde_json::from_str::<Chain>(&json).unwrap(), chain);
    }
}

#[test]
fn errors_name_step_argument_position_and_range() {
    let cases = [
        ("jpg(50)", "unknown_step", "position 1: unknown step \"jpg\", known are resize, crop, jpeg"),
        ("jpeg(50) | resise(2)", "unknown_step", "position 12"),
        ("jpeg()", "argument", "jpeg argument quality is missing"),
        ("jpeg(0)", "argument", "an integer of 1..100"),
        ("jpeg(95..50)", "argument", "quality is \"95..50\""),
        ("jpeg(50.5)", "argument", "an integer of 1..100"),
        ("jpeg(50, 4:1:1)", "argument", "subsampling is \"4:1:1\", expected one of 4:2:0, 4:2:2, 4:4:4"),
        ("jpeg(50, quality=60)", "argument", "position 6: jpeg argument subsampling"),
        ("jpeg(quality=50, quality=60)", "argument", "position 26: jpeg argument quality"),
        ("resize(0.5, cubic)", "argument", "kernel is \"cubic\""),
        ("resize(width=5)", "argument", "one of factor, side, or width and height"),
        ("resize(0.5, side=3)", "argument", "kernel is \"0.5\""),
        ("crop", "argument", "crop argument size is missing"),
        ("crop(width=5)", "argument", "size, or width and height"),
        ("crop(8, height=8)", "argument", "expected size, or width and height"),
        ("crop(0)", "argument", "an integer of 1..65500"),
        ("webp(101)", "argument", "an integer of 1..100"),
        ("webp(80, 4:2:0)", "argument", "webp takes quality, p"),
        ("blur(nan)", "argument", "sigma is \"nan\", expected a number of 0..100"),
        ("blur(1, p=2)", "argument", "position 11: blur argument p is \"2\", expected a number of 0..1"),
        ("paper(3)", "argument", "takes only p"),
        ("one_of()", "argument", "at least one step"),
        ("one_of(jpeg(50), sepia)", "unknown_step", "position 18: unknown step \"sepia\""),
        ("clean | jpeg(5)", "unknown_step", "\"clean\""),
        ("jpeg(50) jpeg(60)", "syntax", "position 10: found 'j', expected `|` or the end"),
    ];
    for (text, kind, part) in cases {
        let error = Chain::parse(text).expect_err(text);
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    assert_eq!(Chain::parse("resise(2)").unwrap_err().hint().unwrap(), "did you mean \"resize\"?");
}

#[test]
fn steps_do_what_their_functions_do() {
    let image = picture();
    let applied = Chain::parse("resize(0.5) | jpeg(75)").unwrap().apply(&image, 1, b"a").unwrap();
    let half = resize(&image, 30, 20, Kernel::Bicubic);
    let bytes = encode_jpeg(&half, 75, Subsampling::S420).unwrap();
    assert_eq!(applied.image, decode(&bytes, &crate::DecodeOptions::default()).unwrap().image);
    assert_eq!(applied.drawn, ["resize(30 x 20, bicubic)", "jpeg(75, 4:2:0)"]);
    assert_eq!((applied.format, applied.encoded), (Some(Format::Jpeg), Some(bytes)));

    let applied = Chain::parse("jpeg(75) | resize(side=10)").unwrap().apply(&image, 1, b"a").unwrap();
    assert_eq!(applied.image.size(), (15, 10));
    assert_eq!((applied.format, applied.encoded), (None, None));
    assert_eq!(Chain::default().apply(&image, 1, b"a").unwrap().image, image);
}

#[test]
fn crop_is_from_the_middle_and_needs_enough_pixels() {
    let image = picture();
    let of = |text: &str| Chain::parse(text).unwrap().apply(&image, 1, b"a");
    let applied = of("crop(width=21, height=40)").unwrap();
    assert_eq!(applied.image, crate::crop(&image, 19, 0, 21, 40));
    assert_eq!(applied.drawn, ["crop(21 x 40 at 19, 0)"]);
    assert_eq!(of("crop(width=60, height=40)").unwrap().image, image);
    let error = of("crop(41)").unwrap_err();
    assert_eq!(error.to_string(), "chain step crop on 60 x 40: smaller than the crop of 41 x 41");
}

#[test]
fn webp_gives_the_file_that_it_wrote() {
    let applied = Chain::parse("crop(32) | webp(80)").unwrap().apply(&picture(), 1, b"a").unwrap();
    let bytes = applied.encoded.unwrap();
    assert_eq!((applied.format, &bytes[12..16]), (Some(Format::WebP), b"VP8 ".as_slice()));
    assert_eq!(decode(&bytes, &crate::DecodeOptions::default()).unwrap().image, applied.image);
}

#[test]
fn draws_depend_on_the_key_alone() {
    let image = picture();
    let chain = Chain::parse("brightness(0.5..1.5) | jpeg(10..90) | noise(10..50)").unwrap();
    let of = |chain: &Chain, seed, key: &[u8]| chain.apply(&image, seed, key).unwrap();
    assert_eq!(of(&chain, 1, b"a"), of(&chain, 1, b"a"));
    assert_ne!(of(&chain, 1, b"a").drawn, of(&chain, 2, b"a").drawn);
    assert_ne!(of(&chain, 1, b"a").drawn, of(&chain, 1, b"b").drawn);
    // The same step in another place draws another number.
    let twice = Chain::parse("brightness(0.5..1.5) | brightness(0.5..1.5)").unwrap();
    let drawn = of(&twice, 1, b"a").drawn;
    assert_ne!(drawn[0], drawn[1]);
    // Another first step leaves the second one's draw as it was.
    let other = Chain::parse("grayscale | jpeg(10..90)").unwrap();
    assert_eq!(of(&chain, 1, b"a").drawn[1], of(&other, 1, b"a").drawn[1]);
}

#[test]
fn optional_steps_and_choices_are_taken_as_often_as_they_say() {
    let image = Image::from_fn(2, 2, |_, _| [9, 99, 199]);
    let count = |text: &str, said: &str| {
        let chain = Chain::parse(text).unwrap();
        let keys = 0..400u32;
        keys.filter(|key| chain.apply(&image, 1, &key.to_le_bytes()).unwrap().drawn[0].starts_with(said))
            .count()
    };
    // Five standard errors of 400 draws at 1/4 are 43, at 1/2 they are 50.
    assert!((57..=143).contains(&count("grayscale(p=0.25)", "grayscale skipped").abs_diff(400)));
    assert!((150..=250).contains(&count("one_of(grayscale, blur(1))", "blur")));
    assert_eq!(count("grayscale(p=0)", "grayscale skipped"), 400);
    assert_eq!(count("grayscale(p=1)", "grayscale"), 400);
}

#[test]
fn integers_are_drawn_as_integers_with_both_ends() {
    let image = Image::from_fn(2, 2, |_, _| [9; 3]);
    let chain = Chain::parse("resize(width=1..3, height=2)").unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for key in 0..100u8 {
        seen.insert(chain.apply(&image, 1, &[key]).unwrap().image.width());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn sizes_have_limits() {
    let wide = Image::from_fn(700, 1, |_, _| [1; 3]);
    let error = Chain::parse("resize(100)").unwrap().apply(&wide, 1, b"").unwrap_err();
    assert_eq!(error.kind(), "apply");
    assert!(
        error.to_string().starts_with("chain step resize on 700 x 1: 70000 x 100 is too large"),
        "{error}"
    );
    assert_eq!(Chain::parse("resize(0.001)").unwrap().apply(&wide, 1, b"").unwrap().image.size(), (1, 1));
}
