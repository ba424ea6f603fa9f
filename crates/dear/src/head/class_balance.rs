//! How much the classes of the main rows weigh in the loss.

use serde::{Deserialize, Serialize};

/// Weights of the classes of the main rows. Probes are not concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassBalance {
    /// Each row weighs the same, as in the paper: the larger class weighs more (default).
    #[default]
    None,
    /// Each class weighs the same: the main loss is the mean of the two classes' mean losses
    /// (`class_weight="balanced"` of scikit-learn). Training rows that are 9 : 1 pull the head towards the larger class's
    /// verdict; this takes the pull away without leaving out an image.
    Balanced,
}

impl ClassBalance {
    /// The weight of each row; their mean is 1. `rows / (2 x rows of its class)` where classes are balanced.
    ///
    /// `labels` are 0 or 1, with both there.
    pub fn weights(self, labels: &[u8]) -> Vec<f64> {
        match self {
            Self::None => vec![1.0; labels.len()],
            Self::Balanced => {
                let fake = labels.iter().filter(|&&label| label == 1).count();
                let class = [labels.len() - fake, fake].map(|rows| labels.len() as f64 / (2.0 * rows as f64));
                labels.iter().map(|&label| class[usize::from(label)]).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_half_of_the_weight() {
        let labels = [0, 0, 0, 1, 0, 0, 1, 0];
        let weights = ClassBalance::Balanced.weights(&labels);
        assert_eq!(weights[0], 8.0 / 12.0);
        assert_eq!(weights[3], 2.0);
        assert_eq!(weights.iter().sum::<f64>(), 8.0);
        assert_eq!(ClassBalance::None.weights(&labels), [1.0; 8]);
    }
}
