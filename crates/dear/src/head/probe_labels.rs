//! What a probe view says to the head.

use serde::{Deserialize, Serialize};

use super::TrainError;

/// What a probe view, part of which is generated, counts as. Views without mask are real (0) wherever probes have labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeLabels {
    /// Generated (1) if any of the mask survived the crop (default; method section 4).
    #[default]
    AnyPixel,
    /// The share of the view inside the mask, as a soft label: what a mean over places can be asked for.
    Share,
    /// Generated (1) from this share of the view on, above 0 and at most 1; real (0) below.
    AtLeast(f64),
    /// No label: the head must not answer differently inside and outside of the mask (a penalty on `w . (mu_in - mu_bg)`).
    Regulariser,
    /// Probes take no part in the head.
    None,
}

impl ProbeLabels {
    /// Refuse a share out of range.
    pub fn check(self) -> Result<(), TrainError> {
        match self {
            Self::AtLeast(found) if !(found > 0.0 && found <= 1.0) => Err(TrainError::Option {
                key: "probe_labels",
                found,
                expected: "a share above 0 and at most 1",
            }),
            _ => Ok(()),
        }
    }

    /// The target of each view in the loss, from its share of mask; `None` where probes are not in the loss.
    pub fn targets(self, shares: &[f32]) -> Option<Vec<f64>> {
        let hard = |inside: &dyn Fn(f32) -> bool| {
            shares.iter().map(|&share| if inside(share) { 1.0 } else { 0.0 }).collect()
        };
        match self {
            Self::AnyPixel => Some(hard(&|share| share > 0.0)),
            Self::Share => Some(shares.iter().map(|&share| f64::from(share)).collect()),
            // Both sides rounded to f32, so that a share of exactly 0.7 is at least 0.7.
            Self::AtLeast(least) => Some(hard(&|share| share >= least as f32)),
            Self::Regulariser | Self::None => None,
        }
    }

    /// For solvers that know no penalties.
    pub(super) fn refuse_regulariser(self, solver: &'static str) -> Result<(), TrainError> {
        match self {
            Self::Regulariser => {
                Err(TrainError::Combination { option: "probe_labels = \"regulariser\"", solver })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_targets() {
        let shares = [0.0, 1e-6, 0.25, 0.7, 1.0];
        let cases = [
            (ProbeLabels::AnyPixel, Some([0.0, 1.0, 1.0, 1.0, 1.0])),
            (ProbeLabels::Share, Some(shares.map(f64::from))),
            (ProbeLabels::AtLeast(0.25), Some([0.0, 0.0, 1.0, 1.0, 1.0])),
            (ProbeLabels::AtLeast(0.7), Some([0.0, 0.0, 0.0, 1.0, 1.0])),
            (ProbeLabels::AtLeast(1.0), Some([0.0, 0.0, 0.0, 0.0, 1.0])),
            (ProbeLabels::Regulariser, None),
            (ProbeLabels::None, None),
        ];
        for (policy, expected) in cases {
            assert_eq!(policy.targets(&shares), expected.map(Vec::from), "{policy:?}");
        }
    }

    #[test]
    fn a_share_out_of_range_is_refused() {
        for share in [0.0, -0.1, 1.0001, f64::NAN] {
            let error = ProbeLabels::AtLeast(share).check().unwrap_err();
            assert_eq!(error.kind(), "option", "{share}");
        }
        ProbeLabels::AtLeast(1.0).check().unwrap();
    }
}
