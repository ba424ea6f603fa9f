//! Why a head cannot be trained.

use thiserror::Error;

use super::bias::BiasError;

/// Why there is no head. A `set` is "main", "probe", "validation", a kind of difference or the name of an operating set.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// An option is out of range.
    #[error("head option {key:?} is {found}, expected {expected}")]
    Option {
        /// The option's name.
        key: &'static str,
        /// Its value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// An option is a list of nothing.
    #[error("head option {key:?} is empty, expected {expected}")]
    Empty {
        /// The option's name.
        key: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
    /// An option that the solver cannot follow.
    #[error("head option {option} is not for solver {solver:?}, expected solver \"l2\"")]
    Combination {
        /// Option and value.
        option: &'static str,
        /// The solver's name.
        solver: &'static str,
    },
    /// An option needs data that are not there.
    #[error("head option {option} needs {input}, none given")]
    Missing {
        /// Option and value.
        option: &'static str,
        /// What it needs.
        input: &'static str,
    },
    /// Features do not fit the gate.
    #[error("{set} features have {found} channels, expected {expected} as in the gate")]
    Channels {
        /// Which rows.
        set: String,
        /// Their channels.
        found: usize,
        /// The gate's channels.
        expected: usize,
    },
    /// Features do not fit their labels, or are no whole number of rows.
    #[error("{set} features have {found} values, expected {expected} (rows x channels)")]
    Length {
        /// Which rows.
        set: String,
        /// Number of values.
        found: usize,
        /// Rows times channels.
        expected: usize,
    },
    /// A label is neither 0 nor 1.
    #[error("label of {set} row {row} is {found}, expected 0 (real) or 1 (generated)")]
    Label {
        /// Which rows.
        set: String,
        /// Row of the label.
        row: usize,
        /// Its value.
        found: u8,
    },
    /// A mask share is no share.
    #[error("mask share of probe row {row} is {found}, expected a number from 0 to 1")]
    Share {
        /// Row of the share.
        row: usize,
        /// Its value.
        found: f32,
    },
    /// A feature is NaN or infinite.
    #[error("{set} row {row} has {value} in channel {channel}, expected a finite number")]
    NonFinite {
        /// Which rows.
        set: String,
        /// Row of the feature.
        row: usize,
        /// Channel of the feature.
        channel: usize,
        /// Its value.
        value: f32,
    },
    /// A set is empty.
    #[error("no {set} rows given, expected at least one")]
    NoRows {
        /// Which rows.
        set: String,
    },
    /// A set holds one class, so nothing can be told apart.
    #[error("every {set} row has label {label}, expected both classes")]
    OneClass {
        /// Which rows.
        set: String,
        /// The only label.
        label: u8,
    },
    /// The gate keeps nothing.
    #[error("the gate prunes all {channels} channels, expected at least one kept")]
    NoChannels {
        /// Number of channels.
        channels: usize,
    },
    /// Nothing varies, so nothing can be learned.
    #[error(
        "all {kept} kept channels are constant over the training rows, expected at least one that varies"
    )]
    ConstantChannels {
        /// Channels that the gate keeps.
        kept: usize,
    },
    /// The head to start from or to compare with has a number that is none.
    #[error("{what} of the base head is {value}, expected a finite number")]
    Base {
        /// "bias" or "weight of channel K".
        what: String,
        /// Its value.
        value: f32,
    },
    /// Nothing of the base head is left to move.
    #[error(
        "all {kept} weights of the base head that the gate keeps are 0, expected at least one that is not"
    )]
    ZeroBase {
        /// Channels that the gate keeps.
        kept: usize,
    },
    /// A fixed batch names a row that does not exist.
    #[error("batch {batch} names {set} row {row}, expected a row below {rows}")]
    Row {
        /// Number of the batch.
        batch: usize,
        /// "main" or "probe".
        set: &'static str,
        /// The row.
        row: u32,
        /// How many there are.
        rows: usize,
    },
    /// No strength of the grid reached its optimum.
    #[error(
        "gradient norm is {gradient_norm:e} after {iterations} iterations, expected at most {tolerance:e}"
    )]
    NotConverged {
        /// Smallest gradient norm of the grid.
        gradient_norm: f64,
        /// Iterations allowed.
        iterations: u32,
        /// Norm asked for.
        tolerance: f64,
    },
    /// No validated head was better than the zero head.
    #[error("no head beat the zero head's balanced accuracy of 0.5 in {steps} steps")]
    NoImprovement {
        /// Steps taken.
        steps: u64,
    },
    /// A weight does not fit f32.
    #[error("weight of channel {channel} is {value}, expected a finite number")]
    Weight {
        /// The channel.
        channel: usize,
        /// Its weight.
        value: f32,
    },
    /// Logits so large that no f32 bias moves them.
    #[error(
        "no f32 bias keeps the promised accuracy on real images, expected logits within the range of f32"
    )]
    NoBias,
    /// The logits of the base head bear no shift.
    #[error("base head on validation rows: {0}")]
    Bias(#[from] BiasError),
}

impl TrainError {
    /// Stable name of the error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Option { .. } | Self::Empty { .. } => "option",
            Self::Combination { .. } => "combination",
            Self::Missing { .. } => "missing",
            Self::Channels { .. } => "channels",
            Self::Length { .. } => "length",
            Self::Label { .. } => "label",
            Self::Share { .. } => "share",
            Self::NonFinite { .. } => "non_finite",
            Self::NoRows { .. } => "no_rows",
            Self::OneClass { .. } => "one_class",
            Self::NoChannels { .. } => "no_channels",
            Self::ConstantChannels { .. } => "constant_channels",
            Self::Base { .. } => "base",
            Self::ZeroBase { .. } => "zero_base",
            Self::Row { .. } => "row",
            Self::NotConverged { .. } => "not_converged",
            Self::NoImprovement { .. } => "no_improvement",
            Self::Weight { .. } => "weight",
            Self::NoBias => "no_bias",
            Self::Bias(_) => "bias",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NonFinite { .. } => "leave out the image, and check the backbone's weights and precision",
            Self::OneClass { .. } => "give real and generated images",
            Self::Combination { .. } => "use the l2 solver, or another value of the option",
            Self::Missing { .. } => "give what it needs, or leave the option out",
            Self::ConstantChannels { .. } => {
                "check that the images differ and that the backbone answers, or keep more channels"
            }
            Self::ZeroBase { .. } => {
                "keep a channel that the base head uses, or train a new head with the l2 solver"
            }
            Self::NotConverged { .. } => {
                "allow more iterations, or leave out the weakest strengths of the grid or the strongest penalties"
            }
            Self::NoImprovement { .. } => "use the l2 solver, or a higher learning rate or patience",
            Self::Weight { .. } => "the channel's activations are too small for f32 weights: prune it",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
