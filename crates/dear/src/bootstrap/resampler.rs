//! Which units a resample holds, and how often.

use std::collections::BTreeMap;

use dear_image::Draw;

/// Most units whose counts a draw touches at random: their counters fit into the first-level cache.
const BLOCK: usize = 4096;

/// Draws how often each unit (an image, or a group of images) occurs in a resample.
#[derive(Debug)]
pub(super) struct Resampler {
    /// Unit of each sample; `None` for a sample that takes no part.
    unit_of: Vec<Option<u32>>,
    /// Units of each stratum: units are numbered stratum by stratum.
    strata: Vec<Stratum>,
    seed: u64,
}

/// Group, kind and number of a sample.
type Member = (u64, u32, usize);

#[derive(Debug)]
struct Stratum {
    /// Kinds of the samples in each of its units, ascending.
    kinds: Vec<u32>,
    units: usize,
}

impl Resampler {
    /// Prepare to draw units of samples within strata. `kinds` has one entry for each sample: its class, or a finer
    /// part, and `None` for a sample that takes no part. `groups`, where given, are as many. Units with samples of the same
    /// kinds are a stratum.
    pub(super) fn new(kinds: &[Option<u32>], groups: Option<&[u64]>, seed: u64) -> Self {
        let mut members: Vec<Member> = Vec::with_capacity(kinds.len());
        for (sample, kind) in kinds.iter().enumerate() {
            if let Some(kind) = *kind {
                members.push((groups.map_or(sample as u64, |groups| groups[sample]), kind, sample));
            }
        }
        members.sort_unstable();
        let mut strata: BTreeMap<Vec<u32>, Vec<&[Member]>> = BTreeMap::new();
        for unit in members.chunk_by(|a, b| a.0 == b.0) {
            let mut kinds: Vec<u32> = unit.iter().map(|&(_, kind, _)| kind).collect();
            kinds.dedup();
            strata.entry(kinds).or_default().push(unit);
        }
        let mut unit_of = vec![None; kinds.len()];
        for (number, unit) in strata.values().flatten().enumerate() {
            for &(_, _, sample) in *unit {
                unit_of[sample] = Some(number as u32);
            }
        }
        let strata = strata.into_iter().map(|(kinds, units)| Stratum { kinds, units: units.len() }).collect();
        Self { unit_of, strata, seed }
    }

    /// Number of units.
    pub(super) fn units(&self) -> usize {
        self.strata.iter().map(|stratum| stratum.units).sum()
    }

    /// Unit of a sample.
    pub(super) fn unit_of(&self, sample: usize) -> Option<u32> {
        self.unit_of[sample]
    }

    /// Whether some kind of sample comes from a single unit, which no resample can vary.
    pub(super) fn single_unit(&self) -> bool {
        let mut units: BTreeMap<u32, usize> = BTreeMap::new();
        for stratum in &self.strata {
            for &kind in &stratum.kinds {
                *units.entry(kind).or_default() += stratum.units;
            }
        }
        units.values().any(|&units| units == 1)
    }

    /// Write how often each unit occurs in resample number `number`: in each stratum, as many draws with replacement
    /// as it has units.
    pub(super) fn draw(&self, number: u64, times: &mut Vec<u32>) {
        times.clear();
        times.resize(self.units(), 0);
        let mut draw = Draw::keyed(self.seed, &[b"resample", &number.to_le_bytes()]);
        let mut rest = times.as_mut_slice();
        for stratum in &self.strata {
            let (counts, later) = rest.split_at_mut(stratum.units);
            spread(&mut draw, counts, BLOCK);
            rest = later;
        }
    }
}

/// Adds `counts.len()` draws, uniform and independent, to `counts`: exactly a multinomial sample, without jumping
/// over the whole slice for each draw.
///
/// The slice is covered by `2^depth` blocks of equal size, the last of which may reach beyond its end. How many of `n`
/// draws fall into the upper half of the blocks is binomial with probability 1/2: the number of ones among `n` random
/// bits. So the draws are dealt down to single blocks, and drawn one by one there. Draws beyond the end are rejected
/// and dealt again.
fn spread(draw: &mut Draw, counts: &mut [u32], largest_block: usize) {
    let mut depth = 0;
    while counts.len().div_ceil(1 << depth) > largest_block {
        depth += 1;
    }
    let block = counts.len().div_ceil(1 << depth);
    let mut left = counts.len() as u64;
    while left > 0 {
        left = deal(draw, counts, left, block, depth);
    }
}

/// Deals `n` draws over `2^depth` blocks that begin with `counts`; returns how many fell beyond its end.
fn deal(draw: &mut Draw, counts: &mut [u32], n: u64, block: usize, depth: u32) -> u64 {
    if n == 0 || counts.is_empty() {
        return n;
    }
    if depth == 0 {
        return draw_each(draw, counts, n, block as u32);
    }
    let upper = ones(draw, n);
    let (low, high) = counts.split_at_mut(counts.len().min(block << (depth - 1)));
    deal(draw, low, n - upper, block, depth - 1) + deal(draw, high, upper, block, depth - 1)
}

/// Ones among `n` random bits.
fn ones(draw: &mut Draw, n: u64) -> u64 {
    let whole: u64 = (0..n / 64).map(|_| u64::from(draw.next_u64().count_ones())).sum();
    match n % 64 {
        0 => whole,
        rest => whole + u64::from((draw.next_u64() >> (64 - rest)).count_ones()),
    }
}

/// `n` uniform draws below `block`, two from each 64 random bits; returns how many fell beyond the end of `counts`.
fn draw_each(draw: &mut Draw, counts: &mut [u32], n: u64, block: u32) -> u64 {
    let uneven = block.wrapping_neg() % block;
    let (mut left, mut beyond) = (n, 0);
    while left > 0 {
        let bits = draw.next_u64();
        for half in [bits as u32, (bits >> 32) as u32] {
            if left > 0
                && let Some(place) = below(block, uneven, half)
            {
                left -= 1;
                match counts.get_mut(place as usize) {
                    Some(count) => *count += 1,
                    None => beyond += 1,
                }
            }
        }
    }
    beyond
}

/// A uniform number below `block` from 32 random bits, or `None` where they have to be drawn again (Lemire 2019:
/// multiply; the short first interval, `uneven = 2^32 mod block` long, would make some numbers likelier).
fn below(block: u32, uneven: u32, bits: u32) -> Option<u32> {
    let product = u64::from(bits) * u64::from(block);
    (product as u32 >= uneven).then_some((product >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(labels: &[u8]) -> Vec<Option<u32>> {
        labels.iter().map(|&label| Some(u32::from(label))).collect()
    }

    /// How often each sample occurs.
    fn drawn(resampler: &Resampler, samples: usize, number: u64) -> Vec<u32> {
        let mut times = Vec::new();
        resampler.draw(number, &mut times);
        (0..samples).map(|sample| resampler.unit_of(sample).map_or(0, |unit| times[unit as usize])).collect()
    }

    #[test]
    fn a_resample_keeps_the_size_of_each_class_and_whole_groups() {
        // Members of a group need not be neighbours.
        let labels = [0, 0, 1, 0, 1, 0, 1];
        let groups = [7, 8, 9, 7, 10, 11, 11];
        let plain = Resampler::new(&kinds(&labels), None, 3);
        let grouped = Resampler::new(&kinds(&labels), Some(&groups), 3);
        assert_eq!((plain.units(), grouped.units(), grouped.single_unit()), (7, 5, false));
        for number in 0..50 {
            let times = drawn(&plain, 7, number);
            let of =
                |label| times.iter().zip(labels).filter(|(_, l)| *l == label).map(|(t, _)| t).sum::<u32>();
            assert_eq!((of(0), of(1)), (4, 3));
            let times = drawn(&grouped, 7, number);
            assert_eq!(times[0], times[3], "group 7 is drawn whole");
            assert_eq!(times[0] + times[1], 2, "two groups of real images");
            assert_eq!(times[2] + times[4], 2, "two groups of generated images");
            assert_eq!((times[5], times[6]), (1, 1), "the only mixed group");
        }
        let lone = Resampler::new(&[Some(0), Some(1), Some(0), None], None, 3);
        assert!(lone.single_unit());
        assert_eq!(drawn(&lone, 4, 1)[3], 0);
    }

    /// The probability of counts under a multinomial distribution with as many draws as units, all units alike.
    fn multinomial(counts: &[u32]) -> f64 {
        let n = counts.len() as u32;
        let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
        let ways = counts.iter().fold(factorial(n), |ways, &count| ways / factorial(count));
        ways / f64::from(n).powi(n as i32)
    }

    #[test]
    fn counts_are_exactly_multinomial_whatever_the_blocks() {
        // 5 units in one block, in blocks of 3 with one place beyond the end, and in 8 blocks of 1 with three beyond.
        for largest_block in [4096, 3, 1] {
            let draws = 200_000;
            let mut seen = BTreeMap::<[u32; 5], u32>::new();
            let mut draw = Draw::keyed(11, &[b"test"]);
            for _ in 0..draws {
                let mut counts = [0; 5];
                spread(&mut draw, &mut counts, largest_block);
                *seen.entry(counts).or_default() += 1;
            }
            // C(9, 4) ways to place 5 draws; the rarest (all in one unit) is expected 64 times.
            assert_eq!(seen.len(), 126);
            let chi_square: f64 = seen
                .iter()
                .map(|(counts, &found)| {
                    let expected = multinomial(counts) * f64::from(draws);
                    (f64::from(found) - expected).powi(2) / expected
                })
                .sum();
            // 125 degrees of freedom: five standard deviations of 15.8 on both sides.
            assert!((46.0..204.0).contains(&chi_square), "blocks of {largest_block}: {chi_square}");
        }
    }

    #[test]
    fn every_number_below_a_bound_comes_from_as_many_bits() {
        // Of 2^32 = 4 x 2^30 values every fourth is drawn again, so that each of 3 x 2^30 numbers has one.
        let block = 3 << 30;
        let found: Vec<u32> =
            (0..4_000).filter_map(|bits| below(block, block.wrapping_neg() % block, bits)).collect();
        assert_eq!(found, (0..3_000).collect::<Vec<u32>>());
    }

    #[test]
    fn a_million_units_have_the_moments_of_a_multinomial() {
        let n = 1_000_003_usize;
        let mut counts = vec![0; n];
        spread(&mut Draw::keyed(12, &[b"test"]), &mut counts, BLOCK);
        assert_eq!(counts.iter().map(|&count| u64::from(count)).sum::<u64>(), n as u64);
        // A count is nearly Poisson with mean 1: P(0) = 1/e; the mean square of (count - 1) is 1 - 1/n, with standard
        // error sqrt(2/n).
        let empty = counts.iter().filter(|&&count| count == 0).count() as f64 / n as f64;
        assert!((empty - (-1.0_f64).exp()).abs() < 5.0 * 0.00031, "{empty}");
        let product = |a: usize| (f64::from(counts[a]) - 1.0) * (f64::from(counts[(a + 1) % n]) - 1.0);
        let square: f64 =
            counts.iter().map(|&count| (f64::from(count) - 1.0).powi(2)).sum::<f64>() / n as f64;
        assert!((square - 1.0).abs() < 5.0 * 0.00142, "{square}");
        let neighbours = (0..n).map(product).sum::<f64>() / n as f64;
        assert!(neighbours.abs() < 5.0 * 0.001, "{neighbours}");
        // Totals of stretches of any length, also across blocks, are binomial.
        for (start, length) in
            [(0, 3_900), (3_000, 2_000), (499_000, 2_003), (0, 500_000), (700_000, 300_003)]
        {
            let total: u32 = counts[start..start + length].iter().sum();
            let deviation = (length as f64 * (1.0 - length as f64 / n as f64)).sqrt();
            assert!((f64::from(total) - length as f64).abs() < 5.0 * deviation, "{start} {length}: {total}");
        }
    }
}
