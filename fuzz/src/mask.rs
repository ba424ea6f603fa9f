//! Masks: whatever the bytes are, a region or an error; and a region goes through every augmentation with its image, as the
//! slow way does it.
#![no_main]

use dear_image::{
    AugmentOptions, AugmentPlan, AugmentRole, DecodeOptions, Draw, Image, decode_mask, resize_mask,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = DecodeOptions { max_pixels: 1 << 16, ..DecodeOptions::default() };
    let Ok(mask) = decode_mask(bytes, &options) else { return };
    let (width, height) = mask.size();
    let size = |at: usize| 1 + u32::from(bytes.get(at).copied().unwrap_or(0));
    let resized = resize_mask(&mask, size(20), size(24));
    assert_eq!(resized.size(), (size(20), size(24)));
    assert!(resized.count_inside() == 0 || mask.count_inside() > 0);

    let image = Image::from_fn(width, height, |x, y| [x as u8, y as u8, (x * y) as u8]);
    let mut draw = Draw::keyed(1, &[bytes]);
    for role in [AugmentRole::Main, AugmentRole::Probe] {
        let plan = AugmentPlan::draw(image.size(), &AugmentOptions::default(), role, &mut draw);
        let fast = plan.apply(&image, Some(&mask));
        assert!(fast == plan.apply_whole(&image, Some(&mask)), "{plan}");
    }
});
