//! Whatever the bytes are: an image within the limits or an error, never a panic (also none that `decode` would catch).
#![no_main]

use dear_image::{DecodeOptions, decode, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for allow_truncated in [false, true] {
        let options = DecodeOptions { max_pixels: 1 << 22, allow_truncated, ..DecodeOptions::default() };
        match decode(bytes, &options) {
            Ok(decoded) => {
                let (width, height) = decoded.image.size();
                assert!(u64::from(width) * u64::from(height) <= options.max_pixels);
                assert!(allow_truncated || !decoded.truncated);
            }
            Err(error) => assert!(!error.to_string().contains("stopped unexpectedly"), "{error}"),
        }
    }
    inspect(bytes);
});
