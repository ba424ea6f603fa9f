//! The same code for wider registers: inner loops are compiled for every x86-64 processor and for AVX2.
//!
//! All arithmetic is in integers, or in floats without fused operations, so both give the same bytes. The only
//! hand-written vector code is `resize/avx2.rs`. (AVX-512 was tried: 5 % for the paper's post-processing, and a blur that is
//! 40 % slower when two threads run.)

use std::sync::OnceLock;

/// Proof that the processor has AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor, once. `DEAR_SIMD=baseline` asks for less than it has, to compare.
    pub(crate) fn detect() -> Option<Avx2> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        #[cfg(target_arch = "x86_64")]
        let has_avx2 = || std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let has_avx2 = || false;
        let wanted = || std::env::var("DEAR_SIMD").as_deref() != Ok("baseline");
        FOUND.get_or_init(|| has_avx2() && wanted()).then_some(Avx2(()))
    }
}

/// The registers in use: `AVX2` or `baseline`. They decide how long pixels take, never what they are. The environment
/// variable `DEAR_SIMD=baseline` asks for less than the processor has.
pub fn registers() -> &'static str {
    if Avx2::detect().is_some() { "AVX2" } else { "baseline" }
}

/// Defines functions that are compiled twice, with AVX2 and without, and choose when called. A closure given to a generic function
/// would not do: the compiler inlines only small ones, and the others stay as they are.
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
                if $crate::simd::Avx2::detect().is_some() {
                    // SAFETY: the line above has the proof that the processor has AVX2.
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

    vectorized! {
        fn sums(values: &[f64]) -> (f64, i32) {
            let sum = values.chunks_exact(2).map(|pair| pair[0] * pair[1]).fold(0.0, |sum, v| sum + v);
            (sum, values.iter().map(|v| (*v * 1e4) as i32).fold(0, i32::wrapping_add))
        }
    }

    #[test]
    fn a_level_agrees_with_plain_loops() {
        let values: Vec<f64> = (0..1001).map(|i| f64::from(i).sqrt() / 7.0).collect();
        let (mut sum, mut whole) = (0.0, 0i32);
        for (at, &value) in values.iter().enumerate() {
            if at % 2 == 1 {
                sum += values[at - 1] * value;
            }
            whole = whole.wrapping_add((value * 1e4) as i32);
        }
        assert_eq!(sums(&values), (sum, whole));
    }
}
