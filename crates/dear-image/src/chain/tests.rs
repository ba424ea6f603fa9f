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
        ("fit(2048)|fit(width=1080, kernel=lanczos)", "fit(2048, bicubic) | fit(width=1080, kernel=lanczos)"),
        (
            "rotate(-5..5, bilinear)|rotate(90, frame=expand)",
            "rotate(-5..5, bilinear, keep) | rotate(90, nearest, expand)",
        ),
        ("flip(vertical)|flip(axis=horizontal)", "flip(vertical) | flip(horizontal)"),
        (
            "border(3)|border(3, value=128)|border(3..5, reflect)",
            "border(3, 0) | border(3, 128) | border(3..5, reflect)",
        ),
        ("double_jpeg(70, 50..95)", "double_jpeg(70, 50..95, 4:2:0, dx=1..7, dy=1..7)"),
        ("double_jpeg(70, 85, 4:4:4, dy=0)", "double_jpeg(70, 85, 4:4:4, dx=1..7, dy=0)"),
        ("screenshot(0.5)", "screenshot(0.5, bicubic, pad=0..64, value=255)"),
        ("screenshot(0.5, jpeg=80, pad=9)", "screenshot(0.5, bicubic, pad=9, value=255, jpeg=80)"),
        (
            "saturation(1.2)|color(1.2, tensor)|hue(-0.1..0.1)",
            "color(1.2) | color(1.2, tensor) | hue(-0.1..0.1)",
        ),
        ("gamma(0.5..2, pillow)|grayscale(tensor)|hue(-0)", "gamma(0.5..2) | grayscale(tensor) | hue(0)"),
        ("pillow_blur(0.1..3)|box_blur(2)|median(3..7)", "pillow_blur(0.1..3) | box_blur(2) | median(3..7)"),
        (
            "salt_pepper(0.01)|salt_pepper(0.1, salt=1)",
            "salt_pepper(0.01, salt=0.5) | salt_pepper(0.1, salt=1)",
        ),
        (
            "cutout(48)|cutout(9, count=3, value=0)",
            "cutout(48, value=128, count=1) | cutout(9, value=0, count=3)",
        ),
        (
            "one_of(jpeg(50), flip(vertical, weight=3), p=0.5)",
            "one_of(jpeg(50, 4:2:0), flip(vertical, weight=3), p=0.5)",
        ),
        ("twitter", "all_of(fit(2048, bicubic), jpeg(85, 4:2:0))"),
        (
            "one_of(whatsapp(weight=2), all_of(blur(1), grayscale, p=0.5))",
            "one_of(all_of(fit(1600, bicubic), jpeg(60..75, 4:2:0), weight=2), all_of(blur(1), grayscale, p=0.5))",
        ),
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
fn the_middle_is_where_torchvision_cuts_it() {
    // torchvision 0.29.2, `CenterCrop(10)` of pictures of 10 to 17 columns: the first column that is left.
    for (width, expected) in (10..).zip([0, 0, 1, 2, 2, 2, 3, 4]) {
        let image = Image::from_fn(width, 10, |x, _| [x as u8; 3]);
        let middle = Chain::parse("crop(10)").unwrap().apply(&image, 0, &[]).unwrap().image;
        assert_eq!(middle.pixel(0, 0)[0], expected, "{width}");
    }
}

#[test]
fn errors_name_step_argument_position_and_range() {
    let cases = [
        ("jpg(50)", "unknown_step", "position 1: unknown step \"jpg\", known are resize, fit, crop"),
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
        ("all_of", "argument", "at least one step"),
        (
            "fit()",
            "argument",
            "argument longest is missing or given twice, expected one of longest, width, or height",
        ),
        ("fit(5, width=9)", "argument", "kernel is \"5\""),
        ("fit(0)", "argument", "an integer of 1..65500"),
        ("rotate", "argument", "rotate argument angle is missing"),
        ("rotate(361)", "argument", "a number of -360..360"),
        ("rotate(5, lanczos)", "argument", "one of nearest, bilinear, bicubic"),
        (
            "rotate(5, bicubic, grow)",
            "argument",
            "position 20: rotate argument frame is \"grow\", expected one of keep, expand",
        ),
        ("flip", "argument", "axis is missing or given twice, expected one of horizontal, vertical"),
        ("flip(both)", "argument", "one of horizontal, vertical"),
        ("border(0)", "argument", "an integer of 1..65500"),
        (
            "border(3, mirror)",
            "argument",
            "value is \"mirror\", expected an integer of 0..255, a range of them, or reflect",
        ),
        ("double_jpeg(70)", "argument", "argument second is missing"),
        ("double_jpeg(70, 80, dx=65)", "argument", "an integer of 0..64"),
        ("screenshot(0.5, jpeg=80, webp=80)", "argument", "at most one of jpeg, or webp"),
        ("screenshot(0.5, pad=5000)", "argument", "an integer of 0..4096"),
        (
            "screenshot(0.5, quality=5)",
            "argument",
            "screenshot takes factor, kernel, pad, value, jpeg, webp, p",
        ),
        ("hue(0.6)", "argument", "a number of -0.5..0.5"),
        ("gamma(-1)", "argument", "a number of 0..100"),
        ("brightness(1, float)", "argument", "one of pillow, tensor"),
        ("sharpness(1, tensor)", "argument", "sharpness takes factor, p"),
        ("median(4)", "argument", "an odd integer of 1..63"),
        ("median(3..6)", "argument", "an odd integer of 1..63"),
        ("pillow_blur(-1)", "argument", "a number of 0..65500"),
        ("box_blur(1e9)", "argument", "a number of 0..65500"),
        ("salt_pepper(1.5)", "argument", "a number of 0..1"),
        ("salt_pepper(0.5, 0.5)", "argument", "salt_pepper takes amount, salt, p"),
        ("cutout(8, count=0)", "argument", "an integer of 1..64"),
        ("jpeg(50, weight=2)", "argument", "position 17: jpeg argument weight"),
        ("one_of(jpeg(50, weight=0))", "argument", "weight is \"0\", expected a number of 0.001..1000"),
        ("facebook(80)", "argument", "facebook takes only p"),
        ("facebok", "unknown_step", "known are"),
        ("blur(blur(1))", "argument", "sigma is \"blur(...)\""),
        ("one_of(jpeg(50), sepia)", "unknown_step", "position 18: unknown step \"sepia\""),
        ("clean | jpeg(5)", "unknown_step", "\"clean\""),
        ("jpeg(50) jpeg(60)", "syntax", "position 10: found 'j', expected `|` or the end"),
    ];
    for (text, kind, part) in cases {
        let error = Chain::parse(text).expect_err(text);
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    for (text, nearest) in [("resise(2)", "resize"), ("facebok", "facebook"), ("JPEG(50)", "jpeg")] {
        let hint = Chain::parse(text).unwrap_err().hint().unwrap();
        assert_eq!(hint, format!("did you mean {nearest:?}?"));
    }
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
    assert_eq!(applied.image, crate::crop(&image, 20, 0, 21, 40));
    assert_eq!(applied.drawn, ["crop(21 x 40 at 20, 0)"]);
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
fn what_is_written_holds_what_is_applied() {
    let image = picture();
    for (text, format) in [
        ("clean", Format::Png),
        ("brightness(0.5..1.5) | jpeg(10..90)", Format::Jpeg),
        ("jpeg(10..90) | noise(10..50)", Format::Png),
        ("crop(32) | webp(20..90)", Format::WebP),
        ("one_of(double_jpeg(80, 70), screenshot(0.5, jpeg=60))", Format::Jpeg),
        ("paper", Format::Jpeg),
    ] {
        let chain = Chain::parse(text).unwrap();
        let (applied, written) =
            (chain.apply(&image, 3, b"a").unwrap(), chain.write(&image, 3, b"a").unwrap());
        assert_eq!(written.format, format, "{text}");
        assert_eq!((&written.drawn, written.size), (&applied.drawn, applied.image.size()), "{text}");
        let read = decode(&written.bytes, &crate::DecodeOptions::default()).unwrap().image;
        assert_eq!(read, applied.image, "{text}");
        assert!(applied.encoded.is_none_or(|bytes| bytes == written.bytes), "{text}");
    }
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

#[test]
fn draws_are_those_of_the_first_release() {
    // What was published with a seed must come out again: these lines are from before the steps were a table.
    let chains = [
        "resize(0.25..0.75) | crop(4..9) | jpeg(30..95) | webp(30..95) | noise(10..50)",
        "resize(side=16..40, kernel=lanczos, p=0.5) | resize(width=20..60, height=20..60)",
        "one_of(brightness(0.5..1.5), contrast(0.5..1.5), color(0.5..1.5), sharpness(0.5..1.5), blur(0..3), p=0.9)",
        "paper",
    ];
    let mut seen = Vec::new();
    for text in chains {
        for key in [b"a", b"b", b"c"] {
            let applied = Chain::parse(text).unwrap().apply(&picture(), 7, key).unwrap();
            seen.push(format!("{} # {}", applied.drawn.join(" | "), sum(&applied.image)));
        }
    }
    assert_eq!(seen, PUBLISHED);
}

/// A checksum that any change of pixels moves.
fn sum(image: &Image) -> u64 {
    image.data().iter().fold(0u64, |sum, &v| sum.wrapping_mul(1_000_003).wrapping_add(u64::from(v)))
}

const PUBLISHED: [&str; 12] = [
    "resize(37 x 24, bicubic) | crop(7 x 8 at 15, 8) | jpeg(80, 4:2:0) | webp(34) | noise(49.55213020702116) # 3293404626530681004",
    "resize(32 x 21, bicubic) | crop(7 x 4 at 12, 8) | jpeg(41, 4:2:0) | webp(38) | noise(11.434738774140548) # 14669306028198524519",
    "resize(15 x 10, bicubic) | crop(5 x 4 at 5, 3) | jpeg(72, 4:2:0) | webp(37) | noise(27.90486686965314) # 3021483096530425474",
    "resize skipped | resize(45 x 45, bicubic) # 2350481872779849765",
    "resize skipped | resize(45 x 42, bicubic) # 2333388524756856197",
    "resize(58 x 39, lanczos) | resize(37 x 58, bicubic) # 16579952964863879237",
    "color(0.6750645190663683) # 15371737491403807720",
    "color(1.2780455332987657) # 11256714369957267300",
    "sharpness(0.6074784864288727) # 9176462100912662997",
    "paper(resize(256 x 256, bicubic) | brightness(1.1978145340256332) | contrast(0.8921261350722379) | sharpness(1.0538892237199482) | color(1.1929429962270275) | jpeg(70, 4:2:0)) # 2347803971276316236",
    "paper(resize(810 x 540, bicubic) | brightness(1.017439270989685) | contrast(1.170679356651919) | sharpness(0.9414105125334726) | color(0.8292717576586273) | jpeg(74, 4:2:0)) # 11260308265175429013",
    "paper(resize(256 x 256, bicubic) | brightness(1.1497133421650363) | contrast(0.856820819545604) | sharpness(0.97072369290615) | color(0.8267967330245338) | jpeg(76, 4:2:0)) # 10638940160669459955",
];

/// A call of a step with nothing but what must be given: the middle of a range of numbers, the last of the words.
fn shortest(entry: &table::Entry) -> String {
    let one_of_sets = match entry.sets {
        table::Sets::One(sets) => sets[0],
        _ => &[],
    };
    let wanted = entry.parameters.iter().filter(|p| p.is_needed() || one_of_sets.contains(&p.name));
    let value = |parameter: &arguments::Parameter| match &parameter.takes {
        arguments::Takes::Word(words) => words.last().unwrap().to_string(),
        arguments::Takes::Number(numbers) | arguments::Takes::Either(numbers, _) => {
            // Near the lower end, so that the image stays as small as it is.
            ["0.5", "1", "3"].iter().find(|text| numbers.one(text).is_some()).unwrap().to_string()
        }
    };
    let arguments: Vec<String> = wanted.map(|p| format!("{}={}", p.name, value(p))).collect();
    match entry.act {
        table::Act::Change(_) => format!("{}({})", entry.name, arguments.join(", ")),
        _ => format!("{}(jpeg(50), grayscale)", entry.name),
    }
}

#[test]
fn every_step_of_the_table_is_read_written_applied_and_described() {
    let mut names = std::collections::BTreeSet::new();
    for entry in table::entries() {
        assert!(
            names.insert(entry.name) && entry.alias.is_none_or(|alias| names.insert(alias)),
            "{}",
            entry.name
        );
        assert!(
            !entry.does.is_empty() && !entry.does.contains('|') && !entry.peer.contains('|'),
            "{}",
            entry.name
        );
        let text = shortest(entry);
        let chain = Chain::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let canonical = chain.to_string();
        assert_eq!(canonical.parse::<Chain>().unwrap(), chain, "{text}");
        assert_eq!(Chain::parse(&canonical).unwrap().to_string(), canonical);
        let applied = chain.apply(&picture(), 3, b"key").unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(!applied.drawn.is_empty(), "{text}");
        assert_eq!(applied, chain.apply(&picture(), 3, b"key").unwrap());
        if let Some(alias) = entry.alias {
            assert_eq!(Chain::parse(&text.replacen(entry.name, alias, 1)).unwrap(), chain);
        }
        // Every argument by its key is known, and every one is in the error for one that is not.
        let error = Chain::parse(&format!("{}(x=1)", entry.name)).unwrap_err().to_string();
        let error = if error.contains("missing") {
            Chain::parse(&text.replacen(')', ", x=1)", 1)).map_or_else(|e| e.to_string(), |c| c.to_string())
        } else {
            error
        };
        if matches!(entry.act, table::Act::Change(_)) {
            assert!(entry.parameters.iter().all(|parameter| error.contains(parameter.name)), "{error}");
        }
    }
    for preset in Chain::presets() {
        assert!(names.insert(preset.name) && preset.source.len() > 40, "{}", preset.name);
        let chain = Chain::parse(preset.name).unwrap();
        let steps = Chain::parse(preset.chain).unwrap();
        assert_eq!(chain.to_string(), format!("all_of({})", steps.to_string().replace(" | ", ", ")));
        let applied = chain.apply(&picture(), 1, b"a").unwrap();
        assert_eq!((applied.format, applied.drawn.len()), (Some(Format::Jpeg), 2));
    }
    assert_eq!(names.len(), 27 + 1 + 5, "{names:?}");
}

#[test]
fn the_list_in_docs_is_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/chains.md");
    let docs = fs_err::read_to_string(path).unwrap();
    let code = |text: &str| format!("`{text}`");
    let mut expected =
        String::from("| step | arguments (default) | what it does | equal to |\n|---|---|---|---|\n");
    for step in Chain::steps() {
        let name =
            step.alias.map_or(code(step.name), |alias| format!("{}, {}", code(step.name), code(alias)));
        expected += &format!("| {name} | {} | {} | {} |\n", step.arguments, step.does, step.peer);
    }
    assert!(docs.contains(&expected), "docs/chains.md should hold:\n{expected}");
    let mut expected = String::from("| preset | chain | where the numbers come from |\n|---|---|---|\n");
    for preset in Chain::presets() {
        expected += &format!(
            "| {} | {} | {} |\n",
            code(preset.name),
            code(preset.chain).replace('|', "\\|"),
            preset.source
        );
    }
    assert!(docs.contains(&expected), "docs/chains.md should hold:\n{expected}");
}

#[test]
fn steps_of_a_choice_are_taken_by_weight() {
    let image = Image::from_fn(2, 2, |_, _| [9, 99, 199]);
    let chain = Chain::parse("one_of(grayscale, flip(vertical, weight=3), gamma(1, weight=0.001))").unwrap();
    let taken = |said: &str| {
        (0..400u32)
            .filter(|key| chain.apply(&image, 1, &key.to_le_bytes()).unwrap().drawn[0].starts_with(said))
            .count()
    };
    // Five standard errors of 400 draws at 3/4 are 43.
    assert!((257..=343).contains(&taken("flip")) && (57..=143).contains(&taken("grayscale")));
}

#[test]
fn odd_ranges_are_drawn_odd_with_both_ends() {
    let image = Image::from_fn(4, 4, |x, y| [x as u8, y as u8, 0]);
    let chain = Chain::parse("median(3..7)").unwrap();
    let drawn = |key: u8| chain.apply(&image, 1, &[key]).unwrap().drawn[0].clone();
    let seen: std::collections::BTreeSet<String> = (0..100).map(drawn).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["median(3)", "median(5)", "median(7)"]);
}

#[test]
fn cutout_fills_the_holes_that_it_names() {
    let image = Image::from_fn(40, 30, |_, _| [200, 100, 50]);
    let applied = Chain::parse("cutout(8, value=7)").unwrap().apply(&image, 1, b"a").unwrap();
    let numbers: Vec<u32> =
        applied.drawn[0].split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let [width, height, left, top, value] = numbers[..] else { panic!("{:?}", applied.drawn) };
    assert!(width <= 8 && height <= 8 && value == 7);
    let expected = Image::from_fn(40, 30, |x, y| {
        let inside = (left..left + width).contains(&x) && (top..top + height).contains(&y);
        if inside { [7; 3] } else { [200, 100, 50] }
    });
    assert_eq!(applied.image, expected);
}

#[test]
fn all_of_is_its_steps_in_one_stream_and_presets_are_named_by_what_they_do() {
    let applied =
        Chain::parse("all_of(flip(horizontal), jpeg(70))").unwrap().apply(&picture(), 1, b"a").unwrap();
    assert_eq!(applied.drawn, ["flip(horizontal)", "jpeg(70, 4:2:0)"]);
    assert_eq!(
        applied.image,
        Chain::parse("flip(horizontal) | jpeg(70)").unwrap().apply(&picture(), 1, b"a").unwrap().image
    );
    assert_eq!(
        Chain::parse("all_of(grayscale, p=0)").unwrap().apply(&picture(), 1, b"a").unwrap().drawn,
        ["all_of skipped"]
    );
}

#[test]
fn results_too_large_are_errors_and_so_are_images_too_small() {
    let image = picture();
    let of =
        |text: &str| Chain::parse(text).unwrap().apply(&image, 1, b"a").map(|applied| applied.image.size());
    assert_eq!(of("border(1000)"), Ok((2060, 2040)));
    let cases = [
        ("border(65500)", "131060 x 131040 is too large"),
        ("border(60) | border(8000)", "16180 x 16160 is too large"),
        ("resize(side=1000) | screenshot(100, pad=0)", "150000 x 100000 is too large"),
        ("resize(width=65500, height=1) | rotate(45, nearest, expand)", "is too large"),
        ("resize(width=3, height=3) | double_jpeg(50, 50, dx=3)", "no pixel is left without 3 columns"),
        ("resize(width=60000, height=2) | webp(50)", "16383"),
    ];
    for (text, part) in cases {
        let error = of(text).unwrap_err();
        assert!(error.kind() == "apply" && error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn hostile_texts_neither_panic_nor_take_long() {
    let words: Vec<String> = table::entries()
        .map(|entry| entry.name.to_owned())
        .chain(table::entries().flat_map(|entry| entry.parameters).map(|parameter| parameter.name.to_owned()))
        .chain(Chain::presets().iter().map(|preset| preset.name.to_owned()))
        .chain(
            "( ) ( ) , , | = .. 0 1 0.5 3..7 1e308 -1 65500 p weight tensor reflect nan \u{e9} \u{1f600}"
                .split(' ')
                .map(str::to_owned),
        )
        .collect();
    let tiny = Image::from_fn(3, 2, |x, y| [x as u8, y as u8, 200]);
    let mut draw = Draw::keyed(11, &[b"fuzz"]);
    let (mut read, mut applied) = (0, 0);
    for _ in 0..12_000 {
        let text: String = if draw.chance(0.5) {
            (0..draw.below(9) + 1).map(|_| words[draw.below(words.len() as u64) as usize].as_str()).collect()
        } else {
            let call = |draw: &mut Draw| {
                let mut word = || words[draw.below(words.len() as u64) as usize].clone();
                format!("{}({}, {}={})", word(), word(), word(), word())
            };
            format!(
                "{} | one_of({}, {})",
                shortest_of(&mut draw),
                shortest_of(&mut draw),
                if draw.chance(0.3) { call(&mut draw) } else { shortest_of(&mut draw) }
            )
        };
        let Ok(chain) = Chain::parse(&text) else { continue };
        read += 1;
        assert_eq!(Chain::parse(&chain.to_string()).unwrap(), chain, "{text}");
        // Results may be as large as the limits: only small ones are made here.
        if !text.contains("65500") {
            applied += usize::from(chain.apply(&tiny, 1, text.as_bytes()).is_ok());
        }
    }
    assert!(read > 3_000 && applied > 2_000, "{read} {applied}");
    let long = "jpeg(50)|".repeat(200_000) + "blur(";
    assert!(Chain::parse(&long).is_err());
    for text in [
        "x".repeat(1 << 20),
        "jpeg(".to_owned() + &"50,".repeat(1 << 19),
        "one_of(".repeat(1 << 17),
        "one_of(a,".repeat(7) + &"b,".repeat(1 << 18),
    ] {
        assert!(Chain::parse(&text).is_err());
    }
}

fn shortest_of(draw: &mut Draw) -> String {
    let count = table::entries().count() as u64;
    table::entries().nth(draw.below(count) as usize).map(shortest).unwrap()
}
