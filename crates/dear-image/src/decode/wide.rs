//! Samples whose range a file does not say, as Pillow shows them: cut off at 0 and 255.

/// A float; the fraction is cut, and what is no number is 0.
pub(super) fn clip_float(value: f32) -> u8 {
    // The cast saturates.
    value as u8
}

/// A whole number.
pub(super) fn clip_whole(value: i64) -> u8 {
    value.clamp(0, 255) as u8
}
