//! Under what detectors are judged: the images as they are, perturbation chains, and ladders of one perturbation in
//! rising strength.

use dear_image::{Chain, ChainError};

use crate::error::Error;
use crate::scores::Ladder;

/// Everything that is done to the images.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// Clean first, then those that get tables, then those that are only points of curves.
    pub chains: Vec<Chain>,
    /// How many of them get tables.
    pub tabled: usize,
    /// Points of curves, as indices into `chains`.
    pub ladders: Vec<Ladder>,
}

/// A perturbation that has a strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// JPEG quality 100 down to 30, 4:2:0.
    Jpeg,
    /// Reduction to 0.9 down to 0.35 of each side, bicubic; not enlarged again.
    Resize,
    /// Gaussian blur, sigma 0.5 to 3 pixels.
    Blur,
    /// Gaussian noise, standard deviation 2 to 20 of 255.
    Noise,
}

impl Family {
    /// All of them, in the order of curves.
    pub const ALL: [Self; 4] = [Self::Jpeg, Self::Resize, Self::Blur, Self::Noise];

    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Resize => "resize",
            Self::Blur => "blur",
            Self::Noise => "noise",
        }
    }

    /// What a level means, for an axis.
    pub fn axis(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG quality",
            Self::Resize => "side x",
            Self::Blur => "sigma in pixels",
            Self::Noise => "standard deviation of 255",
        }
    }

    /// From the mildest to the strongest.
    pub fn levels(self) -> &'static [f64] {
        match self {
            Self::Jpeg => &[100.0, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0],
            Self::Resize => &[0.9, 0.75, 0.5, 0.35],
            Self::Blur => &[0.5, 1.0, 1.5, 2.0, 3.0],
            Self::Noise => &[2.0, 5.0, 10.0, 15.0, 20.0],
        }
    }

    fn chain(self, level: f64) -> Result<Chain, ChainError> {
        Chain::parse(&match self {
            Self::Jpeg => format!("jpeg({level})"),
            Self::Resize => format!("resize({level})"),
            Self::Blur => format!("blur({level})"),
            Self::Noise => format!("noise({})", level * level),
        })
    }
}

impl Conditions {
    /// The images as they are, `chains`, and the levels of each family in `severity`. What is named twice is done once.
    ///
    /// # Errors
    /// None in practice: the chains of the families are fixed.
    pub fn new(chains: &[Chain], severity: &[Family]) -> Result<Self, Error> {
        let mut all = vec![Chain::default()];
        let mut place = |chain: &Chain| {
            all.iter().position(|other| other == chain).unwrap_or_else(|| {
                all.push(chain.clone());
                all.len() - 1
            })
        };
        let tabled = chains.iter().map(&mut place).max().map_or(1, |last| last + 1);
        let mut ladders: Vec<Ladder> = Vec::new();
        for family in severity {
            if ladders.iter().any(|ladder| ladder.name == family.name()) {
                continue;
            }
            let mut rungs = vec![(0.0, 0)];
            for &level in family.levels() {
                let chain = family.chain(level).map_err(|error| Error::Options(error.to_string()))?;
                rungs.push((level, place(&chain)));
            }
            ladders.push(Ladder { name: family.name().to_owned(), axis: family.axis().to_owned(), rungs });
        }
        Ok(Self { chains: all, tabled, ladders })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_comes_first_and_nothing_is_done_twice() {
        let chains: Vec<Chain> =
            ["paper", "clean", "jpeg(50)", "paper"].iter().map(|text| Chain::parse(text).unwrap()).collect();
        let found = Conditions::new(&chains, &[Family::Jpeg, Family::Noise, Family::Jpeg]).unwrap();
        let texts: Vec<String> = found.chains.iter().map(Chain::to_string).collect();
        assert_eq!(
            (found.tabled, &texts[..4]),
            (3, &["clean", "paper", "jpeg(50, 4:2:0)", "jpeg(100, 4:2:0)"].map(String::from)[..])
        );
        assert_eq!(texts.len(), 3 + 7 + 5);
        assert_eq!(found.ladders.len(), 2);
        // Quality 50 is the chain that was asked for; the strongest noise has a variance of 400.
        assert_eq!(found.ladders[0].rungs[6], (50.0, 2));
        assert_eq!((found.ladders[1].rungs[0], found.ladders[1].rungs.len()), ((0.0, 0), 6));
        assert_eq!(texts[found.ladders[1].rungs[5].1], "noise(400)");
        assert_eq!(Conditions::new(&[], &[]).unwrap().tabled, 1);
    }
}
