//! How probes are made: the recipe's `[probe]`, and what divides the work.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Composite, InpainterKind, MaskOptions, ProgramOptions};

/// How probes are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeOptions {
    /// Seeds the mask of every image, together with the image's content.
    pub seed: u64,
    /// What fills the masks. Default: the embedded generator (the paper's is Stable Diffusion 1.5, see `command`).
    pub inpainter: InpainterKind,
    /// By what `resynthesis` and `null` reduce an image before they enlarge it again: 2 or 4; `null` also 1. Default 4.
    pub scale: u32,
    /// How real and generated are joined. Default `sharp`; the paper's is `reference`.
    pub composite: Composite,
    /// The masks that are drawn.
    pub mask: MaskOptions,
    /// The program of the inpainter `command`.
    pub program: ProgramOptions,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            inpainter: InpainterKind::Resynthesis,
            scale: 4,
            composite: Composite::Sharp,
            mask: MaskOptions::default(),
            program: ProgramOptions::default(),
        }
    }
}

impl ProbeOptions {
    /// Check the ranges, and that what is asked for goes together.
    ///
    /// # Errors
    /// One line naming key, value and allowed range.
    pub fn check(&self) -> Result<(), String> {
        self.mask.check()?;
        let scales: &[u32] = if self.inpainter == InpainterKind::Null { &[1, 2, 4] } else { &[2, 4] };
        if !scales.contains(&self.scale) {
            return Err(format!(
                "probe.scale is {}, expected one of {scales:?} for {}",
                self.scale,
                self.inpainter.as_str()
            ));
        }
        let names_program = !self.program.command.trim().is_empty();
        if names_program != (self.inpainter == InpainterKind::Command) {
            let (found, expected) = match names_program {
                true => ("given", "none, or the inpainter command"),
                false => ("missing", "the program that the inpainter command runs"),
            };
            return Err(format!("probe.program.command is {found}, expected {expected}"));
        }
        if self.program.batch == 0 {
            return Err("probe.program.batch is 0, expected 1 or more".to_owned());
        }
        Ok(())
    }
}

/// Every `of`-th image, beginning with number `index` (from 1): divides the work among processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// All images.
    pub const WHOLE: Self = Self { index: 1, of: 1 };

    /// Whether the image with this number (from 0) is in it.
    pub(super) fn takes(self, number: usize) -> bool {
        number % self.of as usize == self.index as usize - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    /// `2/8`: the second of eight.
    fn from_str(text: &str) -> Result<Self, String> {
        let shard =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match shard {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(format!("{text:?} is no shard, expected I/N with I from 1 to N, as 2/8")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_named() {
        let with = |change: fn(&mut ProbeOptions)| {
            let mut options = ProbeOptions::default();
            change(&mut options);
            options.check().unwrap_err()
        };
        assert_eq!(with(|o| o.scale = 3), "probe.scale is 3, expected one of [2, 4] for resynthesis");
        assert!(
            with(|o| o.inpainter = InpainterKind::Command).starts_with("probe.program.command is missing")
        );
        assert!(with(|o| o.program.command = "x".into()).starts_with("probe.program.command is given"));
        assert!(with(|o| o.mask.min_area = 0.9).contains("min_area 0.9"));
        assert_eq!(ProbeOptions::default().check(), Ok(()));
        let null = ProbeOptions { inpainter: InpainterKind::Null, scale: 1, ..ProbeOptions::default() };
        assert_eq!(null.check(), Ok(()));
    }

    #[test]
    fn shards_are_disjoint_and_together_all() {
        let takers =
            |number| (1..=3).filter(|i| format!("{i}/3").parse::<Shard>().unwrap().takes(number)).count();
        assert!((0..20).all(|number| takers(number) == 1 && Shard::WHOLE.takes(number)));
        for text in ["", "1", "0/2", "3/2", "a/b", "1/0", "-1/2"] {
            assert!(text.parse::<Shard>().unwrap_err().contains("expected I/N"), "{text}");
        }
    }
}
