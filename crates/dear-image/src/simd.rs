//! The same code for wider registers: inner loops are compiled once for every x86-64 processor and once for AVX2.
//!
//! All arithmetic is in integers, or in floats without fused operations, so both versions give the same bytes. The only
//! hand-written vector code is `resize/avx2.rs`.

/// Proof that the processor has AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Avx2> {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Some(Avx2(()));
        }
        None
    }
}

/// Runs `work` compiled for AVX2 where the processor has it. `work` and what it calls must be inlined for that
/// (`#[inline(always)]`), else it is merely run.
#[inline(always)]
pub(crate) fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if Avx2::detect().is_some() {
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

#[cfg(test)]
mod tests {
    use super::*;

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
