//! What a head is trained from: rows of pooled features with their labels.

use super::{Head, TrainError};
use crate::gate::Gate;

/// Pooled features and their labels.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// Row-major `[rows, channels]`.
    pub features: &'a [f32],
    /// Number of channels.
    pub channels: usize,
    /// 1 for generated, 0 for real; one for each row.
    pub labels: &'a [u8],
}

impl<'a> Samples<'a> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The features of one row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.features[row * self.channels..][..self.channels]
    }

    pub(super) fn check(&self, set: &str, channels: usize) -> Result<(), TrainError> {
        check_features(set, self.features, self.channels, self.labels.len(), channels)?;
        match self.labels.iter().position(|&label| label > 1) {
            Some(row) => Err(TrainError::Label { set: set.to_owned(), row, found: self.labels[row] }),
            None => Ok(()),
        }
    }

    fn check_both_classes(&self, set: &str) -> Result<(), TrainError> {
        let Some(&label) = self.labels.first() else {
            return Err(TrainError::NoRows { set: set.to_owned() });
        };
        if self.labels.iter().all(|other| *other == label) {
            return Err(TrainError::OneClass { set: set.to_owned(), label });
        }
        Ok(())
    }
}

/// Pooled features of probe views. What their share of mask means for the loss is an option
/// ([`ProbeLabels`](super::ProbeLabels)).
#[derive(Debug, Clone, Copy)]
pub struct Probes<'a> {
    /// Row-major `[rows, channels]`.
    pub features: &'a [f32],
    /// Number of channels.
    pub channels: usize,
    /// Share of the view inside the mask, 0 to 1; one for each row. 0 where the crop left nothing of it.
    pub shares: &'a [f32],
}

impl Probes<'_> {
    pub(super) fn check(&self, channels: usize) -> Result<(), TrainError> {
        check_features("probe", self.features, self.channels, self.shares.len(), channels)?;
        if self.shares.is_empty() {
            return Err(TrainError::NoRows { set: "probe".to_owned() });
        }
        match self.shares.iter().position(|share| !(0.0..=1.0).contains(share)) {
            Some(row) => Err(TrainError::Share { row, found: self.shares[row] }),
            None => Ok(()),
        }
    }
}

/// Whole images in one condition, by which a head's accuracy on each class is judged.
#[derive(Debug, Clone, Copy)]
pub struct Operating<'a> {
    /// The condition, for example "clean" or a perturbation chain.
    pub name: &'a str,
    /// The images.
    pub samples: Samples<'a>,
}

/// Everything that a head can be trained from. Which of the optional parts are used is up to the solver's options.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// The detector's own training images.
    pub main: Samples<'a>,
    /// Diagnostic probes.
    pub probes: Option<Probes<'a>>,
    /// `[n, channels]`: `mu_in - mu_bg` of each sound probe view.
    pub probe_differences: Option<&'a [f32]>,
    /// `[n, channels]`: pooled features of a perturbed view minus those of the image as it was (or a view minus the mean over
    /// its image's views).
    pub view_differences: Option<&'a [f32]>,
    /// Images on which the strength or the step is chosen.
    pub validation: Samples<'a>,
    /// Whole validation images, clean and perturbed, on which a balance is kept.
    pub operating: &'a [Operating<'a>],
    /// The head that the detector came with.
    pub base: Option<&'a Head>,
    /// Channels that may have a weight.
    pub gate: &'a Gate,
}

impl<'a> Training<'a> {
    /// Training from labelled images alone.
    pub fn new(main: Samples<'a>, validation: Samples<'a>, gate: &'a Gate) -> Self {
        Self {
            main,
            probes: None,
            probe_differences: None,
            view_differences: None,
            validation,
            operating: &[],
            base: None,
            gate,
        }
    }

    /// Refuse what cannot be trained from, used or not.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let channels = self.gate.channels();
        self.main.check("main", channels)?;
        if let Some(probes) = self.probes {
            probes.check(channels)?;
        }
        let differences =
            [("probe difference", self.probe_differences), ("view difference", self.view_differences)];
        for (set, rows) in differences {
            let Some(rows) = rows else { continue };
            let count = rows.len() / channels.max(1);
            check_features(set, rows, channels, count, channels)?;
            if count == 0 {
                return Err(TrainError::NoRows { set: set.to_owned() });
            }
        }
        self.validation.check("validation", channels)?;
        if self.gate.kept() == 0 {
            return Err(TrainError::NoChannels { channels });
        }
        self.main.check_both_classes("main")?;
        self.validation.check_both_classes("validation")?;
        for set in self.operating {
            set.samples.check(set.name, channels)?;
            set.samples.check_both_classes(set.name)?;
        }
        self.base.map_or(Ok(()), |base| check_base(base, channels))?;
        self.check_variation()
    }

    /// A channel that is the same in every training row carries nothing.
    fn check_variation(&self) -> Result<(), TrainError> {
        let first = self.main.row(0);
        let probes = self.probes.map_or(&[][..], |probes| probes.features);
        let rows = || [self.main.features, probes].into_iter().flat_map(|set| set.chunks_exact(first.len()));
        let varies = |channel: usize| rows().any(|row| row[channel] != first[channel]);
        let kept = || (0..first.len()).filter(|&channel| self.gate.keep[channel]);
        if kept().any(varies) { Ok(()) } else { Err(TrainError::ConstantChannels { kept: kept().count() }) }
    }
}

fn check_base(base: &Head, channels: usize) -> Result<(), TrainError> {
    if base.weight.len() != channels {
        let set = "base head".to_owned();
        return Err(TrainError::Channels { set, found: base.weight.len(), expected: channels });
    }
    if !base.bias.is_finite() {
        return Err(TrainError::Base { what: "bias".to_owned(), value: base.bias });
    }
    match base.weight.iter().position(|weight| !weight.is_finite()) {
        Some(channel) => Err(TrainError::Base {
            what: format!("weight of channel {channel}"),
            value: base.weight[channel],
        }),
        None => Ok(()),
    }
}

/// Shape and finiteness of rows.
fn check_features(
    set: &str,
    features: &[f32],
    found: usize,
    rows: usize,
    channels: usize,
) -> Result<(), TrainError> {
    let set = || set.to_owned();
    if found != channels {
        return Err(TrainError::Channels { set: set(), found, expected: channels });
    }
    let expected = rows * channels;
    if features.len() != expected {
        return Err(TrainError::Length { set: set(), found: features.len(), expected });
    }
    if let Some(index) = features.iter().position(|value| !value.is_finite()) {
        let (row, channel, value) = (index / channels, index % channels, features[index]);
        return Err(TrainError::NonFinite { set: set(), row, channel, value });
    }
    Ok(())
}
