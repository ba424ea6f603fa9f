//! The sum of all options of hardening, in one TOML file. A run writes the resolved recipe next to its result.

use dear_image::{AugmentOptions, Chain, DecodeOptions};
use serde::{Deserialize, Serialize};

use crate::calibrate::CalibrateOptions;
use crate::error::Error;
use crate::gate::GateOptions;
use crate::head::Solver;
use crate::probe::ProbeOptions;
use crate::rad::RadOptions;

/// Everything that decides a hardened detector, besides the images and the detector it starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Seeds the hold-out, the views and the random control gate. Default 0.
    pub seed: u64,
    /// Augmented views drawn of each image and probe, up front: the equivalent of that many epochs. Default 4.
    pub views: u32,
    /// Share of the images held out for validation where no validation set is given. Default 0.2.
    pub holdout: f64,
    /// Perturbation chains that a head is asked to bear, besides images as they are: a head with a promised balance keeps it
    /// under each, and [`Pairs::Conditions`] is about them. Default `paper`.
    pub conditions: Vec<String>,
    /// What an invariant head compares. Default `views`.
    pub pairs: Pairs,
    /// How image files become pixels.
    pub decode: DecodeOptions,
    /// Diagnostic probes (method section 1).
    pub probe: ProbeOptions,
    /// Dissect (method section 2).
    pub rad: RadOptions,
    /// Prune (method section 3).
    pub gate: GateOptions,
    /// Refine (method section 4).
    pub head: Solver,
    /// Views (method section 5).
    pub augment: AugmentOptions,
    /// Probability and threshold, from the validation images as they are.
    pub calibrate: CalibrateOptions,
}

/// Pairs of vectors between which an invariant head should not change its logit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairs {
    /// Each augmented view of a training image, and the mean over the image's views: costs nothing.
    #[default]
    Views,
    /// Each whole training image under each of the recipe's conditions, and as it is: whole images go through the backbone.
    Conditions,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            seed: 0,
            views: 4,
            holdout: 0.2,
            conditions: vec!["paper".to_owned()],
            pairs: Pairs::default(),
            decode: DecodeOptions::default(),
            probe: ProbeOptions::default(),
            rad: RadOptions::default(),
            gate: GateOptions::default(),
            head: Solver::default(),
            augment: AugmentOptions::default(),
            calibrate: CalibrateOptions::default(),
        }
    }
}

impl Recipe {
    /// Read a recipe; what it does not name keeps its default, what it names must exist.
    ///
    /// # Errors
    /// [`Error::Recipe`] with the line, or the option that is out of range.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let recipe: Self = toml::from_str(text).map_err(|error| Error::Recipe(one_line(text, &error)))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The resolved recipe, every option named.
    ///
    /// # Errors
    /// [`Error::Recipe`] if an option cannot be written as TOML (a number that is not finite).
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| Error::Recipe(format!("recipe: {error}")))
    }

    /// Refuse values outside their range.
    ///
    /// # Errors
    /// The first option out of range.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=1000).contains(&self.views) {
            return Err(Error::Recipe(format!("views is {}, expected 1 to 1000", self.views)));
        }
        if !(self.holdout > 0.0 && self.holdout < 1.0) {
            return Err(Error::Recipe(format!(
                "holdout is {}, expected a share between 0 and 1",
                self.holdout
            )));
        }
        self.probe.check().map_err(Error::Recipe)?;
        self.rad.check()?;
        self.gate.check()?;
        self.augment.check().map_err(|error| Error::Recipe(error.to_string()))?;
        self.head.check()?;
        self.calibrate.check()?;
        self.conditions()?;
        Ok(())
    }

    /// The conditions, `clean` first.
    ///
    /// # Errors
    /// [`Error::Recipe`]: one that is no chain, or changes nothing.
    pub fn conditions(&self) -> Result<Vec<Chain>, Error> {
        let mut chains = vec![Chain::default()];
        for text in &self.conditions {
            let chain = Chain::parse(text)
                .map_err(|error| Error::Recipe(format!("conditions: {text:?}: {error}")))?;
            if chain.is_clean() {
                return Err(Error::Recipe(format!(
                    "conditions: {text:?} changes nothing, expected perturbation chains; images as they are always count"
                )));
            }
            chains.push(chain);
        }
        Ok(chains)
    }
}

/// The parser's message with its line, without the picture of it.
pub(crate) fn one_line(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", error.message().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::Guarantee;
    use crate::probe::Composite;

    #[test]
    fn the_written_recipe_is_read_back() {
        let recipe = Recipe { seed: 7, ..Recipe::default() };
        assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe);
        assert_eq!(Recipe::from_toml("").unwrap(), Recipe::default());
        // As recipes were written before probes had more options.
        let text = "[probe]\nseed = 3\n[probe.mask]\nmin_area = 0.05\nmax_area = 0.2\nmin_aspect = 0.5\nmax_aspect = 2.0";
        let probe = Recipe::from_toml(text).unwrap().probe;
        assert_eq!((probe.seed, probe.mask.min_area), (3, 0.05));
        assert_eq!((probe.scale, probe.composite), (4, Composite::Sharp));
    }

    #[test]
    fn unknown_keys_and_values_out_of_range_are_named() {
        let cases = [
            ("sed = 1", "sed"),
            ("[gate]\nprune_topp = 0.1", "prune_topp"),
            ("[decode]\norientation = \"exif\"", "exif"),
            ("[decode]\nmax_pixel = 1", "max_pixel"),
            ("views = 0", "views is 0"),
            ("[gate]\nprune_top = 0.6\nprune_bottom = 0.5", "prune"),
            ("[augment]\njpeg = 2.0", "augment.jpeg"),
            ("[head]\nsolver = \"l2\"\nlr = 1.0", "lr"),
            ("[head]\nsolver = \"sgd\"", "sgd"),
            ("[probe]\ncomposite = \"soft\"", "soft"),
            ("[probe]\nscale = 3", "probe.scale is 3"),
            ("[probe]\ninpainter = \"command\"", "probe.program.command is missing"),
            ("[probe.mask]\nshape = \"ellipse\"\nmax_area = 0.9", "max_area 0.9"),
            ("[calibrate]\nfpr = 5", "\"fpr\" is 5, expected a share"),
            ("[calibrate]\nguarantee = { confidence = 95 }", "\"confidence\" is 95, expected a share"),
            ("[calibrate]\nmethod = \"beta\"", "beta"),
        ];
        for (text, expected) in cases {
            let error = Recipe::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_guarantee_with_confidence_can_be_asked_for() {
        let recipe = Recipe::from_toml("[calibrate]\nguarantee = { confidence = 0.9 }").unwrap();
        assert_eq!(recipe.calibrate.guarantee, Guarantee::Confidence(0.9));
        assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe);
    }

    #[test]
    fn adam_can_be_asked_for() {
        let recipe = Recipe::from_toml("[head]\nsolver = \"adam\"\nlr = 0.001").unwrap();
        assert!(matches!(recipe.head, Solver::Adam(options) if options.lr == 0.001));
    }
}
