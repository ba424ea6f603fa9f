//! What is refused, as what, and that nothing is read as whole that is not.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::{Alpha, DecodeErrorKind, DecodeOptions, Decoded, Format, Gray16, Icc, Orientation, decode};
use support::{Cases, fixtures, picture, set_tiff_field};

fn file(name: &str) -> Vec<u8> {
    fs_err::read(fixtures().join("decode").join(name)).unwrap()
}

fn strict(bytes: &[u8]) -> Result<Decoded, dear_image::DecodeError> {
    decode(bytes, &DecodeOptions::default())
}

fn lenient() -> DecodeOptions {
    DecodeOptions { allow_truncated: true, ..DecodeOptions::default() }
}

/// Every step that a decode can have, so that every file of the folder is read.
fn everything() -> DecodeOptions {
    DecodeOptions {
        orientation: Orientation::Apply,
        gray16: Gray16::Pillow,
        alpha: Alpha::White,
        icc: Icc::Srgb,
        ..DecodeOptions::default()
    }
}

#[test]
fn each_kind_of_wrong_file_has_its_own_message() {
    let heic = [b"\0\0\0\x18ftypheic".to_vec(), vec![0; 200]].concat();
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (vec![], "empty", "empty file"),
        (b"<!DOCTYPE html><html><title>404".to_vec(), "not_an_image", "not an image (HTML)"),
        (b"just a line of text\n".to_vec(), "not_an_image", "not an image (plain text)"),
        (heic, "unsupported", "unsupported image: HEIC/HEIF"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf".to_vec(), "unsupported", "unsupported image: AVIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0".to_vec(), "unsupported", "unsupported image: JPEG 2000"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n".to_vec(),
            "not_an_image",
            "not an image (git-lfs pointer)",
        ),
        (b"%PDF-1.4\n%".to_vec(), "unsupported", "unsupported image: PDF"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), "unsupported", "unsupported image: SVG"),
        (vec![0; 1000], "not_an_image", "not an image (1000 zero bytes)"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "truncated", "png file is truncated: it ends before its pixels do"),
        (b"\xff\xd8\xff".to_vec(), "truncated", "jpeg file is truncated: it ends before its picture's size"),
        (b"GIF89a".to_vec(), "truncated", "gif file is truncated: it ends before its first frame does"),
        (b"RIFF\x20\0\0\0WEBP".to_vec(), "truncated", "webp file is truncated: it ends before its pixels do"),
        (b"\xff\xd8\xff\xd9".to_vec(), "corrupt", "jpeg file is corrupt: it ends before its picture"),
    ];
    let mut seen = Cases::new();
    for (bytes, kind, message) in &cases {
        match strict(bytes) {
            Ok(decoded) => seen.check(false, || format!("{message}: {decoded:?}")),
            Err(error) => {
                let right = (error.kind().as_str(), error.to_string().as_str()) == (*kind, *message);
                seen.check(right, || {
                    format!("{error} ({}), expected {message} ({kind})", error.kind().as_str())
                });
            }
        }
    }
    seen.finish(cases.len());
}

#[test]
fn samples_of_unknown_range_are_named_until_parity_is_asked_for() {
    let pillow = DecodeOptions { gray16: Gray16::Pillow, ..DecodeOptions::default() };
    for (name, said) in [
        ("signed16.tif", "unsupported image: TIFF with 1 signed samples of 16 bits (grey)"),
        ("signed32.tif", "unsupported image: TIFF with 1 signed samples of 32 bits (grey)"),
        ("unsigned32.tif", "unsupported image: TIFF with 1 samples of 32 bits (grey)"),
        ("float32.tif", "unsupported image: TIFF with 1 float samples of 32 bits (grey)"),
        (
            "float.pfm",
            "unsupported image: PFM: floats have no agreed range (gray16 = pillow cuts them off at 0 and 255)",
        ),
    ] {
        let error = strict(&file(name)).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (DecodeErrorKind::Unsupported, said));
        assert!(decode(&file(name), &pillow).is_ok(), "{name}");
    }
}

#[test]
fn what_is_not_read_in_a_tiff_is_named() {
    // A change to a field of a real file: tag, new value.
    let cases = [
        ("big_endian.tif", (262, 8), "LAB samples"),
        ("big_endian.tif", (262, 6), "YCbCr samples that are not JPEG"),
        ("big_endian.tif", (262, 32803), "raw camera samples"),
        ("big_endian.tif", (262, 40000), "photometric interpretation 40000"),
        ("big_endian.tif", (259, 34925), "lzma compression"),
        ("fill_order.tif", (259, 8), "reversed bits in compressed or wide samples"),
        ("white_is_zero.tif", (258, 12), "1 samples of 12 bits (grey)"),
    ];
    for (name, (tag, value), said) in cases {
        let mut bytes = file(name);
        set_tiff_field(&mut bytes, tag, value);
        let error = strict(&bytes).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::Unsupported, "{name} {tag} {value}: {error}");
        assert!(error.to_string().to_lowercase().contains(&said.to_lowercase()), "{said}: {error}");
    }
}

#[test]
fn a_jpeg_without_its_last_bytes_is_truncated() {
    for name in ["420.jpg", "444.jpg", "progressive.jpg", "gray.jpg", "restart.jpg", "cmyk_adobe.jpg"] {
        let whole = file(name);
        for cut in [2, 40, whole.len() / 2] {
            let bytes = &whole[..whole.len() - cut];
            let error = strict(bytes).unwrap_err();
            assert_eq!(error.kind(), DecodeErrorKind::Truncated, "{name} without {cut}: {error}");
            let decoded = decode(bytes, &lenient()).unwrap();
            assert!(decoded.truncated && decoded.warnings.iter().any(|w| w.contains("truncated")), "{name}");
            assert_eq!(decoded.image.size(), strict(&whole).unwrap().image.size());
        }
    }
}

#[test]
fn data_that_end_within_the_file_are_told() {
    // An end marker behind half a picture: Pillow reads it without a word, here there is one.
    let whole = file("420.jpg");
    let half = [&whole[..whole.len() / 2], b"\xff\xd9"].concat();
    let decoded = strict(&half).unwrap();
    assert!(decoded.warnings[0].contains("premature end of data"), "{:?}", decoded.warnings);
}

#[test]
fn rows_before_a_cut_are_kept_when_asked_for() {
    for (name, share) in [("rgb.png", 0.6), ("lossless.webp", 0.8), ("palette.gif", 0.7), ("rgb.bmp", 0.6)] {
        let whole = file(name);
        let image = strict(&whole).unwrap().image;
        let cut = &whole[..(whole.len() as f64 * share) as usize];
        let decoded = decode(cut, &lenient()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(decoded.truncated);
        let same = image.data().iter().zip(decoded.image.data()).filter(|(a, b)| a == b).count();
        assert!(same > image.data().len() / 4 && same < image.data().len(), "{name}: {same}");
    }
}

#[test]
fn no_cut_of_any_file_is_taken_for_the_whole() {
    let mut files = 0;
    let mut wrong = Vec::new();
    let (mut cuts, mut truncated, mut whole_again) = (0u32, 0u32, 0u32);
    for entry in fs_err::read_dir(fixtures().join("decode")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs_err::read(&path).unwrap();
        let options = DecodeOptions { gray16: Gray16::Pillow, ..DecodeOptions::default() };
        let whole = decode(&bytes, &options).unwrap();
        files += 1;
        let step = (bytes.len() / 150).max(1);
        let ends = (0..bytes.len()).step_by(step).chain(bytes.len().saturating_sub(24)..bytes.len());
        for end in ends {
            cuts += 1;
            for options in [options, DecodeOptions { allow_truncated: true, ..options }] {
                match decode(&bytes[..end], &options) {
                    Ok(decoded) if decoded.truncated && options.allow_truncated => truncated += 1,
                    Ok(decoded) if !decoded.truncated && decoded.image == whole.image => whole_again += 1,
                    // The last number of a text file may lose a digit; nothing in the file would say so.
                    Ok(_) if name.starts_with("ascii") && end + 3 > bytes.len() => {}
                    Ok(decoded) => wrong.push(format!("{name} at {end}: {decoded:?} is taken as whole")),
                    // From a little beyond its header on, a cut file of these formats has one name.
                    Err(error) => {
                        let named =
                            matches!(whole.format, Format::Jpeg | Format::Png | Format::Gif | Format::WebP);
                        if named && end >= 40 && error.kind() != DecodeErrorKind::Truncated {
                            wrong.push(format!("{name} at {end} of {}: {error}", bytes.len()));
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cuts}:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    assert_eq!(files, 206);
    assert!(cuts > 10_000 && truncated > 3_000 && whole_again > 500, "{cuts} {truncated} {whole_again}");
}

#[test]
fn no_flipped_byte_ends_the_process_or_panics() {
    // Damage of every kind: the answer may be anything but a panic, and it stays within the limit.
    let mut answers = [0u32; 2];
    for entry in fs_err::read_dir(fixtures().join("decode")).unwrap() {
        let bytes = fs_err::read(entry.unwrap().path()).unwrap();
        let options = DecodeOptions { max_pixels: 1 << 20, allow_truncated: true, ..everything() };
        for at in (0..bytes.len()).step_by((bytes.len() / 40).max(1)) {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                match decode(&damaged, &options) {
                    Ok(decoded) => {
                        answers[0] += 1;
                        let pixels = u64::from(decoded.image.width()) * u64::from(decoded.image.height());
                        assert!(pixels <= options.max_pixels);
                    }
                    Err(error) => {
                        answers[1] += 1;
                        // What catches panics says this; no damage seen here should need it.
                        assert!(!error.to_string().contains("stopped unexpectedly"), "{error}");
                    }
                }
            }
        }
    }
    assert!(answers.iter().all(|&count| count > 1_000), "{answers:?}");
}

#[test]
fn limits_come_in_pairs_for_every_format() {
    let files = [
        "420.jpg",
        "progressive.jpg",
        "cmyk_adobe.jpg",
        "rgb.png",
        "interlaced_rgb.png",
        "lossy80.webp",
        "lossless.webp",
        "animated.webp",
        "palette.gif",
        "rgb.bmp",
        "lzw.tif",
        "orientation6.tif",
        "rgb.pnm",
        "ascii.pnm",
        "rgba.ico",
        "rgb.cur",
        "dib_rgb.ico",
        "rgb.tga",
        "rgba_runs.tga",
        "palette.tif",
        "jpeg_420.tif",
    ];
    for name in files {
        let bytes = file(name);
        let image = strict(&bytes).unwrap().image;
        let pixels = u64::from(image.width()) * u64::from(image.height());
        let enough = DecodeOptions { max_pixels: pixels, ..DecodeOptions::default() };
        assert_eq!(decode(&bytes, &enough).unwrap().image, image, "{name}");
        let tight = DecodeOptions { max_pixels: pixels - 1, ..DecodeOptions::default() };
        let error = decode(&bytes, &tight).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::TooLarge, "{name}: {error}");
        assert!(
            error.to_string().contains(" x ") && error.to_string().contains("limit of 0.00"),
            "{name}: {error}"
        );
    }
}

#[test]
fn claims_of_gigapixels_are_refused_before_anything_is_allocated() {
    // Real files whose header was changed: the data behind it are far too short, and nobody looks at them.
    let mut jpeg = file("420.jpg");
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let mut gif = file("palette.gif");
    gif[6..10].copy_from_slice(&[0x60, 0xea, 0x60, 0xea]);
    let mut bmp = file("rgb.bmp");
    bmp[18..26].copy_from_slice(&[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]);
    let mut webp = file("animated.webp");
    webp[24..30].copy_from_slice(&[0x5f, 0xea, 0, 0x5f, 0xea, 0]);
    let pnm = b"P6 60000 60000 255\n".to_vec();
    for (name, bytes) in [("jpeg", jpeg), ("gif", gif), ("bmp", bmp), ("webp", webp), ("pnm", pnm)] {
        let error = strict(&bytes).unwrap_err();
        let said =
            format!("{name} of 60000 x 60000 = 3600.0 megapixels exceeds the limit of 200.0 megapixels");
        assert_eq!(error.to_string(), said);
        let allowed = DecodeOptions { allow_truncated: true, ..DecodeOptions::default() };
        assert_eq!(decode(&bytes, &allowed).unwrap_err().to_string(), said);
    }
}

#[test]
fn tiff_files_that_were_cut_off_are_truncated() {
    let lenient = DecodeOptions { allow_truncated: true, ..DecodeOptions::default() };
    // 47 x 29 pixels in one strip from byte 140 on, not packed: nine tenths are 3806 bytes.
    let whole = file("raw.tif");
    let cut = &whole[..whole.len() * 9 / 10];
    let said = "tiff file is truncated: it ends before its pixels do";
    assert_eq!(strict(cut).unwrap_err().to_string(), said);
    let decoded = decode(cut, &lenient).unwrap();
    let (there, all) = (cut.len() - 140, strict(&whole).unwrap());
    assert_eq!((decoded.truncated, decoded.image.size()), (true, (47, 29)));
    assert_eq!(decoded.image.data()[..there], all.image.data()[..there]);
    assert!(decoded.image.data()[there..].iter().all(|&value| value == 0));
    // The directory comes last, and behind it the depths of the samples.
    let packed = file("deflate.tif");
    let said = "tiff file is truncated: it ends before the depth of its samples";
    assert_eq!(strict(&packed[..packed.len() - 1]).unwrap_err().to_string(), said);
}

#[test]
fn the_extension_is_never_asked() {
    // Bytes have no name at all here; every format is found from its first bytes, also behind another's name.
    let encoded = dear_image::encode_png(&picture(8, 8)).unwrap();
    assert_eq!(strict(&encoded).unwrap().format, Format::Png);
    assert_eq!(strict(&file("lossy80.webp")).unwrap().format.as_str(), "webp");
}
