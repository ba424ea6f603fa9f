//! Limits of memory, also those of the machine: a refusal, never the end of the process.

// clippy.toml allows this in tests, and does not see that these files are.
#![allow(clippy::unwrap_used)]

mod support;

use dear_image::{DecodeErrorKind, DecodeOptions, JpegOptions, Orientation, decode, encode_jpeg_gray};
use std::path::Path;
use std::process::{Command, Output};
use support::{fixtures, set_tiff_field};

fn file(name: &str) -> Vec<u8> {
    fs_err::read(fixtures().join("decode").join(name)).unwrap()
}

/// A PNG of zeros; `bytes` is what a pixel takes, grey or RGB.
fn black(width: u32, height: u32, bytes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(if bytes == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().unwrap();
    let mut stream = writer.stream_writer().unwrap();
    let row = vec![0; (bytes * width) as usize];
    for _ in 0..height {
        std::io::Write::write_all(&mut stream, &row).unwrap();
    }
    stream.finish().unwrap();
    writer.finish().unwrap();
    out
}

/// The checksum of the header of a PNG of 60000 x 60000 pixels in RGB.
const HEADER_SUM: [u8; 4] = [0x0f, 0xb0, 0xe2, 0x15];

/// The header of a PNG of 60000 x 60000 pixels, and next to nothing behind it.
fn header_of_a_gigapixel() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0".to_vec();
    bytes.extend(HEADER_SUM);
    bytes.extend(*b"\0\0\0\x09IDAT\x78\x9c\x63\0\0\0\0\xff\xffabcd\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

/// A progressive JPEG whose header claims 12000 x 12000 pixels.
fn large_progressive() -> Vec<u8> {
    let mut bytes = file("progressive.jpg");
    let frame = bytes.windows(2).position(|two| two == [0xff, 0xc2]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x2e, 0xe0, 0x2e, 0xe0]);
    bytes
}

/// A TIFF of grey pixels with JPEG inside: `data` from byte 8 on, then a directory of the usual fields and `more`.
fn jpeg_tiff((width, height): (u32, u32), more: &[(u16, Vec<u32>)], data: &[u8]) -> Vec<u8> {
    let usual = [(256, width), (257, height), (258, 8), (259, 7), (262, 1), (277, 1)];
    let mut fields: Vec<(u16, Vec<u32>)> = usual.map(|(tag, value)| (tag, vec![value])).to_vec();
    fields.extend_from_slice(more);
    fields.sort();
    let mut bytes = b"II*\0".to_vec();
    bytes.extend((8 + data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes.extend((fields.len() as u16).to_le_bytes());
    let behind = bytes.len() + 12 * fields.len() + 4;
    let mut lists: Vec<u8> = Vec::new();
    for (tag, values) in &fields {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(4u16.to_le_bytes());
        bytes.extend((values.len() as u32).to_le_bytes());
        match values.as_slice() {
            [value] => bytes.extend(value.to_le_bytes()),
            values => {
                bytes.extend(((behind + lists.len()) as u32).to_le_bytes());
                lists.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
    }
    bytes.extend([0; 4]);
    [bytes, lists].concat()
}

/// What the child below does; it is run by the test after it, never by itself.
#[test]
#[ignore = "the child of a_machine_without_memory_gives_errors"]
fn child() {
    let path = std::env::var("DEAR_TEST_FILE").unwrap();
    let bytes = fs_err::read(Path::new(&path)).unwrap();
    let options = DecodeOptions {
        max_pixels: u64::MAX,
        max_memory: u64::MAX,
        allow_truncated: true,
        orientation: Orientation::Apply,
        ..DecodeOptions::default()
    };
    match decode(&bytes, &options) {
        Ok(decoded) => println!("decoded {:?}", decoded.image),
        Err(error) => println!("refused as {}: {error}", error.kind().as_str()),
    }
}

/// This test's program again, with 600 MB of address space.
#[cfg(target_os = "linux")]
fn with_little_memory(path: &Path) -> Output {
    Command::new("sh")
        .args(["-c", "ulimit -v 600000 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env("DEAR_TEST_FILE", path)
        .env("MALLOC_ARENA_MAX", "2")
        .output()
        .unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_memory_gives_errors() {
    let folder = std::env::temp_dir().join(format!("dear-limits-{}", std::process::id()));
    fs_err::create_dir_all(&folder).unwrap();
    let cases = [
        ("20000 x 20000 png", black(20_000, 20_000, 3), "refused as too_large: png needs "),
        ("60000 x 60000 header", header_of_a_gigapixel(), "refused as too_large: png needs "),
        ("progressive jpeg", large_progressive(), "refused as too_large: jpeg needs "),
        ("small png", file("rgb.png"), "decoded Image(61 x 37)"),
    ];
    for (name, bytes, said) in cases {
        // A small file; what it claims to hold is not.
        assert!(bytes.len() < 30_000_000, "{name}: {}", bytes.len());
        let path = folder.join(name);
        fs_err::write(&path, bytes).unwrap();
        let output = with_little_memory(&path);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{name}: {text} {output:?}");
        assert!(text.contains(said), "{name}: {text}");
        assert!(!said.starts_with("refused") || text.contains("would not give"), "{name}: {text}");
    }
    fs_err::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_large_grey_photograph_is_read_and_a_bomb_is_not() {
    // Pillow refuses 192 megapixels; the limit here is in pixels, and 187 kB of file are no reason.
    let decoded = decode(&black(16_000, 12_000, 1), &DecodeOptions::default()).unwrap();
    assert_eq!(decoded.image.size(), (16_000, 12_000));
    let error = decode(&black(20_000, 20_000, 3), &DecodeOptions::default()).unwrap_err();
    let said = "png of 20000 x 20000 = 400.0 megapixels exceeds the limit of 200.0 megapixels";
    assert_eq!(error.to_string(), said);
}

#[test]
fn memory_limits_come_in_pairs_for_every_format() {
    for name in [
        "420.jpg",
        "progressive.jpg",
        "cmyk_adobe.jpg",
        "rgb.png",
        "lossless.webp",
        "animated.webp",
        "palette.gif",
        "rgba.bmp",
        "lzw.tif",
        "planar.tif",
        "jpeg_420.tif",
        "jpeg_tables.tif",
        "orientation6.tif",
        "rgb.pnm",
        "rgba.ico",
        "rgb.cur",
        "rgba.tga",
    ] {
        let bytes = file(name);
        let with = |max_memory| decode(&bytes, &DecodeOptions { max_memory, ..DecodeOptions::default() });
        let error = with(1 << 20).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::TooLarge, "{name}: {error}");
        // The message says how much is enough.
        let text = error.to_string();
        let needed: u64 = text.split(' ').find_map(|word| word.parse().ok()).unwrap();
        assert!(with(needed).is_ok(), "{name}: {text}");
        assert!(with(needed - 1).is_err(), "{name}: {text}");
    }
}

#[test]
fn the_default_memory_admits_200_megapixels_of_every_photograph() {
    // Headers alone; a file that has no pixels behind its header is truncated, and not too large.
    let mut progressive = large_progressive();
    let frame = progressive.windows(2).position(|two| two == [0xff, 0xc2]).unwrap();
    progressive[frame + 5..frame + 9].copy_from_slice(&[0x2e, 0xe0, 0x40, 0x00]);
    let plenty = DecodeOptions::default();
    // 12000 x 16384 pixels, no subsampling counted: 3 bytes of RGB and 6 of coefficients each.
    assert!(9 * 12_000 * 16_384 < plenty.max_memory);
    // WebP: at most 16383 x 12207 pixels, 3 bytes of RGB, 12 of the compositor, 4 of a lossless frame.
    assert!(19 * 200_000_000 < plenty.max_memory);
    match decode(&progressive, &plenty) {
        Ok(_) => {}
        Err(error) => assert_ne!(error.kind(), DecodeErrorKind::TooLarge, "{error}"),
    }
}

#[test]
fn turning_a_picture_has_the_same_limits() {
    // The headers of files that ask to be turned, changed to 60000 x 60000.
    let mut jpeg = file("turn6.jpg");
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let mut png = file("turn6.png");
    png[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    png[29..33].copy_from_slice(&HEADER_SUM);
    let mut webp = file("turn6.webp");
    // WebP holds 16383 each way at most, twice in its header.
    webp[24..30].copy_from_slice(&[0xfe, 0x3f, 0, 0xfe, 0x3f, 0]);
    let lossless = webp.windows(4).position(|four| four == b"VP8L").unwrap();
    webp[lossless + 9..lossless + 13].copy_from_slice(&(0x3ffe_u32 | 0x3ffe << 14).to_le_bytes());
    let mut tiff = file("turn6_again.tif");
    for tag in [256, 257] {
        set_tiff_field(&mut tiff, tag, 60_000);
    }
    let turned = DecodeOptions { orientation: Orientation::Apply, ..DecodeOptions::default() };
    for (name, bytes, whole) in [
        ("jpeg", jpeg, "turn6.jpg"),
        ("png", png, "turn6.png"),
        ("webp", webp, "turn6.webp"),
        ("tiff", tiff, "turn6_again.tif"),
    ] {
        let error = decode(&bytes, &turned).unwrap_err().to_string();
        let claim = if name == "webp" { "16383 x 16383 = 268.4" } else { "60000 x 60000 = 3600.0" };
        let said = format!("{name} of {claim} megapixels exceeds the limit of 200.0 megapixels");
        assert_eq!(error, said);
        let pixels = |max_pixels| decode(&file(whole), &DecodeOptions { max_pixels, ..turned });
        let image = pixels(45).unwrap();
        assert!(image.treatment.oriented && image.image.size() == (5, 9), "{name}");
        assert!(pixels(44).is_err(), "{name}");
    }
}

#[test]
fn a_tile_larger_than_memory_is_refused_before_it_is_allocated() {
    let tiled = |side: u32| {
        let fields = [(322, vec![side]), (323, vec![side]), (324, vec![8]), (325, vec![4])];
        jpeg_tiff((8, 8), &fields, b"\xff\xd8\xff\xd9")
    };
    let bytes = tiled(65_535);
    assert!(bytes.len() < 200, "{}", bytes.len());
    let error = decode(&bytes, &DecodeOptions::default()).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::TooLarge, "{error}");
    let said = " bytes of memory, more than the limit of 4294967296 bytes";
    assert!(error.to_string().ends_with(said), "{error}");
    // A tile whose bytes no counter holds.
    let unlimited = DecodeOptions { max_memory: u64::MAX, ..DecodeOptions::default() };
    let error = decode(&tiled(u32::MAX), &unlimited).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::TooLarge, "{error}");
}

#[test]
fn strips_may_share_their_bytes_within_a_limit() {
    let gray: Vec<u8> = (0..64).map(|at| at * 4).collect();
    let mut strip = encode_jpeg_gray(8, 8, &gray, &JpegOptions::default()).unwrap();
    let shared = |strip: &[u8], count: u32| {
        let at = |value: u32| vec![value; count as usize];
        let fields = [(273, at(8)), (278, vec![8]), (279, at(strip.len() as u32))];
        jpeg_tiff((8, 8 * count), &fields, strip)
    };
    let read = |bytes: &[u8]| decode(bytes, &DecodeOptions::default());
    let image = read(&shared(&strip, 3)).unwrap().image;
    assert_eq!(image.size(), (8, 24));
    let thirds: Vec<&[u8]> = image.data().chunks_exact(3 * 64).collect();
    assert!(thirds[0] == thirds[1] && thirds[1] == thirds[2]);
    assert_ne!(thirds[0][0], thirds[0][3 * 63]);
    // Nobody looks at what lies behind the end of a strip's picture, but it is copied with it.
    strip.resize(100_000, 0);
    assert!(read(&shared(&strip, 60)).is_ok());
    let bytes = shared(&strip, 1_000);
    let error = read(&bytes).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::Corrupt, "{error}");
    let said = format!("its strips or tiles are 100000000 bytes together, in a file of {}", bytes.len());
    assert!(error.to_string().ends_with(&said), "{error}");
}

#[test]
fn a_side_has_a_limit_of_its_own() {
    let read = |header: &[u8]| decode(header, &DecodeOptions::default()).unwrap_err();
    let error = read(b"P5 1000001 1 255\n");
    let said = "pnm of 1000001 x 1 pixels has a side above the limit of 1000000";
    assert_eq!((error.kind(), error.to_string().as_str()), (DecodeErrorKind::TooLarge, said));
    assert!(error.hint().is_some());
    assert_eq!(read(b"P5 1000000 1 255\n").kind(), DecodeErrorKind::Truncated);
}
