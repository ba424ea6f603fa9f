//! The same code for wider registers: inner loops are compiled once for every x86-64 processor and once for AVX2.
//!
//! There is no hand-written vector code; all arithmetic is in integers, or in floats without fused operations, so both
//! versions give the same bytes.

/// Runs `work` compiled for AVX2 where the processor has it. `work` and what it calls must be inlined for that
/// (`#[inline(always)]`), else it is merely run.
#[inline(always)]
pub(crate) fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as the line above asked.
        return unsafe { with_avx2(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Defines functions that are compiled twice, for every x86-64 processor and for AVX2, and choose when called. A closure given
/// to a generic function would not do: the compiler inlines only small ones, and the others stay as they are.
macro_rules! vectorized {
    ($($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block)+) => {$(
        $(#[$meta])*
        $visibility fn $name($($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            fn body($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $kind),*) $(-> $result)? {
                    body($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has AVX2, as the line above asked.
                    return unsafe { avx2($($argument),*) };
                }
            }
            body($($argument),*)
        }
    )+};
}
pub(crate) use vectorized;

/// `value` cut to an integer and clipped to 0..=255; NaN is 0. Unlike `as`, the compiler makes one instruction of it.
#[inline(always)]
pub(crate) fn byte_f32(value: f32) -> i32 {
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    // SAFETY: the two lines above leave a number of 0..=255 (comparisons with NaN are false, so NaN became 0).
    unsafe { value.to_int_unchecked() }
}

/// [`byte_f32`] of a double.
#[inline(always)]
pub(crate) fn byte_f64(value: f64) -> i32 {
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    // SAFETY: as above.
    unsafe { value.to_int_unchecked() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_cut_and_clipped() {
        let cases = [
            (f32::NAN, 0),
            (f32::NEG_INFINITY, 0),
            (-0.5, 0),
            (0.999, 0),
            (1.0, 1),
            (254.99, 254),
            (255.0, 255),
            (1e30, 255),
            (f32::INFINITY, 255),
        ];
        for (value, byte) in cases {
            assert_eq!((byte_f32(value), byte_f64(f64::from(value))), (byte, byte), "{value}");
        }
    }

    #[test]
    fn both_versions_agree() {
        #[inline(always)]
        fn work(values: &[f64]) -> (f64, i32) {
            let mut sum = 0.0;
            for pair in values.chunks_exact(2) {
                sum += pair[0] * pair[1];
            }
            (sum, values.iter().map(|v| (*v * 1e4) as i32).fold(0, i32::wrapping_add))
        }
        let values: Vec<f64> = (0..1001).map(|i| f64::from(i).sqrt() / 7.0).collect();
        assert_eq!(vectorize(|| work(&values)), work(&values));
    }
}
