//! Whatever the text is: an error that names a place in it, or a chain whose canonical text means the same and which can be
//! applied or says why not.
#![no_main]

use dear_image::{Chain, Image};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Chain::parse(text) {
        Ok(chain) => {
            let canonical = chain.to_string();
            let again = Chain::parse(&canonical).expect("the canonical text is a chain");
            assert_eq!(again, chain);
            assert_eq!(again.to_string(), canonical);
            let image = Image::from_fn(3, 2, |x, y| [(80 * x) as u8, (120 * y) as u8, 200]);
            if let Ok(applied) = chain.apply(&image, 1, b"fuzz") {
                assert!(applied.image.width() > 0 && applied.format.is_some() == applied.encoded.is_some());
            }
        }
        Err(error) => assert!(!error.to_string().contains('\n') || text.contains('\n'), "{error}"),
    }
});
