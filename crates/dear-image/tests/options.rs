//! What a decode says that it did.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::{
    Alpha, AlphaUse, DecodeOptions, Decoded, Gray16, Icc, Orientation, ProfileUse, decode, decode_mask,
};
use support::fixtures;

fn with(name: &str, options: &DecodeOptions) -> Decoded {
    decode(&fs_err::read(fixtures().join("decode").join(name)).unwrap(), options).unwrap()
}

#[test]
fn orientation_is_reported_applied_or_not() {
    let cases = [
        ("turn6.jpg", 6, false, true),
        ("turn0.jpg", 1, false, false),
        ("turn9.jpg", 1, false, false),
        ("turn9.png", 1, false, false),
        ("turn3.png", 3, false, true),
        ("turn3.webp", 3, false, true),
        ("orientation8.tif", 8, true, true),
        ("orientation1.tif", 1, false, false),
        ("rgb.png", 1, false, false),
    ];
    for (name, orientation, pillow, apply) in cases {
        for (rule, oriented) in
            [(Orientation::Pillow, pillow), (Orientation::Apply, apply), (Orientation::Ignore, false)]
        {
            let options = DecodeOptions { orientation: rule, ..DecodeOptions::default() };
            let treatment = with(name, &options).treatment;
            assert_eq!(
                (treatment.orientation, treatment.oriented),
                (orientation, oriented),
                "{name} {rule:?}"
            );
        }
    }
}

#[test]
fn alpha_is_reported() {
    for (name, present) in [
        ("rgba_hidden.png", true),
        ("palette_transparent.png", true),
        ("rgb.png", false),
        ("lossy_alpha.webp", true),
        ("lossy80.webp", false),
        ("transparent.gif", true),
        ("palette.gif", false),
        ("extra_alpha.tif", true),
        ("extra_nothing.tif", false),
        ("la.tga", true),
        ("dib_rgb.ico", true),
        ("420.jpg", false),
    ] {
        for (rule, used) in [
            (Alpha::Drop, AlphaUse::Dropped),
            (Alpha::White, AlphaUse::White),
            (Alpha::Black, AlphaUse::Black),
        ] {
            let options = DecodeOptions { alpha: rule, ..DecodeOptions::default() };
            let expected = if present { used } else { AlphaUse::None };
            let decoded = with(name, &options);
            assert_eq!(decoded.treatment.alpha, expected, "{name} {rule:?}");
            assert!(decoded.warnings.is_empty(), "{name}: {:?}", decoded.warnings);
        }
    }
}

#[test]
fn a_profile_that_cannot_be_used_is_told() {
    let srgb = DecodeOptions { icc: Icc::Srgb, ..DecodeOptions::default() };
    let plain = DecodeOptions::default();
    for (name, used) in [
        ("profile.jpg", ProfileUse::Converted),
        ("profile_gray.jpg", ProfileUse::Converted),
        ("profile.webp", ProfileUse::Converted),
        ("profile.tif", ProfileUse::Converted),
        ("rgb.png", ProfileUse::None),
        ("broken_icc.png", ProfileUse::Unusable),
    ] {
        let (decoded, as_stored) = (with(name, &srgb), with(name, &plain));
        assert_eq!(decoded.treatment.profile, used, "{name}");
        let ignored = if used == ProfileUse::None { ProfileUse::None } else { ProfileUse::Ignored };
        assert_eq!(as_stored.treatment.profile, ignored, "{name}");
        assert_eq!(decoded.image != as_stored.image, used == ProfileUse::Converted, "{name}");
        assert!(as_stored.warnings.is_empty());
        let told = if used == ProfileUse::Unusable { 1 } else { 0 };
        assert_eq!(decoded.warnings.len(), told, "{name}: {:?}", decoded.warnings);
    }
    // A profile for another kind of picture: the grey one in a file of colours.
    let mut bytes = fs_err::read(fixtures().join("decode/profile.jpg")).unwrap();
    let at = bytes.windows(4).position(|four| four == b"RGB ").unwrap();
    bytes[at..at + 4].copy_from_slice(b"GRAY");
    let decoded = decode(&bytes, &srgb).unwrap();
    assert_eq!(decoded.treatment.profile, ProfileUse::Unusable);
    assert!(decoded.warnings[0].starts_with("the colour profile is not used: "), "{:?}", decoded.warnings);
}

#[test]
fn parity_for_wide_grey_has_no_warning_and_the_sane_value_has() {
    for name in ["gray16.png", "gray16.tif", "gray16.pnm"] {
        let sane = with(name, &DecodeOptions::default());
        assert_eq!(sane.warnings.len(), 1, "{name}");
        let pillow = with(name, &DecodeOptions { gray16: Gray16::Pillow, ..DecodeOptions::default() });
        assert!(pillow.warnings.is_empty() && pillow.image != sane.image, "{name}");
    }
}

#[test]
fn a_mask_turns_with_its_picture() {
    let bytes = fs_err::read(fixtures().join("decode/turn6.png")).unwrap();
    let mask = |orientation| {
        decode_mask(&bytes, &DecodeOptions { orientation, ..DecodeOptions::default() }).unwrap().size()
    };
    assert_eq!((mask(Orientation::Pillow), mask(Orientation::Apply)), ((9, 5), (5, 9)));
    let tight = DecodeOptions { max_pixels: 44, ..DecodeOptions::default() };
    assert!(decode_mask(&bytes, &tight).is_err());
}
