//! All steps in one table: what each takes, does, and equals. The parser, the texts, the errors, `dear perturb --list`
//! and `docs/chains.md` come from it.

use super::arguments::{Numbers, Otherwise, Parameter, Range, Setting};
use super::pixels::Pixels;
use super::{colors, files, filters, sizes};
use crate::{Draw, Image};
use std::borrow::Cow;

/// One step.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// Another name that is read and never written.
    pub(super) alias: Option<&'static str>,
    pub(super) parameters: &'static [Parameter],
    pub(super) sets: Sets,
    pub(super) does: &'static str,
    pub(super) peer: &'static str,
    pub(super) act: Act,
}

/// Sets of arguments that exclude one another.
#[derive(Debug)]
pub(super) enum Sets {
    None,
    /// Exactly one set is given, whole.
    One(&'static [&'static [&'static str]]),
    /// At most one is.
    AtMostOne(&'static [&'static [&'static str]]),
}

/// What a step does with an image.
#[derive(Debug)]
pub(super) enum Act {
    Change(fn(&mut Given, &Image) -> Result<Made, String>),
    /// Takes one of its steps.
    OneOf,
    /// Takes its steps one after another.
    AllOf,
}

/// What a step made.
pub(super) struct Made {
    pub(super) pixels: Pixels<'static>,
    /// What was drawn, in the chain's own words.
    pub(super) said: String,
}

/// The arguments of a step as it is applied, drawn in the order in which they are asked for.
pub(super) struct Given<'a> {
    pub(super) entry: &'static Entry,
    pub(super) settings: &'a [Option<Setting>],
    pub(super) draw: &'a mut Draw,
}

/// Most pixels that a step may make. Few where texts are fuzzed: some filters on 200 million would pass for a hang.
const MOST_PIXELS: u64 = if cfg!(fuzzing) { 200_000 } else { 200_000_000 };
/// Longest side that a step may make: JPEG's.
pub(super) const LONGEST: u32 = 65_500;

/// All steps, in the order of the documentation.
pub(super) fn entries() -> impl Iterator<Item = &'static Entry> {
    [sizes::ENTRIES, files::ENTRIES, colors::ENTRIES, filters::ENTRIES, CHOICES].into_iter().flatten()
}

const CHOICES: &[Entry] = &[
    Entry {
        name: "one_of",
        does: "one of its steps, each as likely as its weight=",
        act: Act::OneOf,
        ..Entry::PLAIN
    },
    Entry { name: "all_of", does: "its steps one after another", act: Act::AllOf, ..Entry::PLAIN },
];

impl Entry {
    /// To be filled in.
    pub(super) const PLAIN: Entry = Entry {
        name: "",
        alias: None,
        parameters: &[],
        sets: Sets::None,
        does: "",
        peer: "",
        act: Act::AllOf,
    };

    /// The names of all arguments, for an error.
    pub(super) fn known(&self) -> String {
        let names: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name).collect();
        match self.act {
            Act::Change(_) if names.is_empty() => "only p".to_owned(),
            Act::Change(_) => format!("{}, p", names.join(", ")),
            Act::OneOf | Act::AllOf => "steps and p".to_owned(),
        }
    }

    /// All arguments with what they may be and what stands for them, for the list of steps.
    pub(super) fn usage(&self) -> String {
        let one = |parameter: &Parameter| {
            let key = if parameter.placed { ":" } else { "=" };
            let default = match (&parameter.default, parameter.default()) {
                (_, Some(setting)) => format!(" ({setting})"),
                (Otherwise::Absent, _) => " (none)".to_owned(),
                (Otherwise::Unwritten(word), _) => format!(" ({word})"),
                _ => String::new(),
            };
            format!("{}{key} {}{default}", parameter.name, parameter.takes.brief())
        };
        match self.act {
            Act::Change(_) => self.parameters.iter().map(one).collect::<Vec<_>>().join("; "),
            Act::OneOf | Act::AllOf => "steps".to_owned(),
        }
    }
}

impl Sets {
    pub(super) fn all(&self) -> &'static [&'static [&'static str]] {
        match self {
            Sets::None => &[],
            Sets::One(sets) | Sets::AtMostOne(sets) => sets,
        }
    }
}

impl Given<'_> {
    fn setting(&self, name: &str) -> Option<Setting> {
        let index = self.entry.parameters.iter().position(|parameter| parameter.name == name);
        self.settings[index.expect("a step asks for arguments of its own list")]
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.setting(name).is_some()
    }

    fn range(&self, name: &str) -> Range {
        match self.setting(name) {
            Some(Setting::Number(range)) => range,
            other => unreachable!("argument {name} is {other:?} where the list says it is a number"),
        }
    }

    pub(super) fn real(&mut self, name: &str) -> f64 {
        self.range(name).draw(self.draw)
    }

    pub(super) fn integer(&mut self, name: &str) -> u32 {
        self.range(name).draw_integer(self.draw) as u32
    }

    pub(super) fn odd(&mut self, name: &str) -> u32 {
        self.range(name).draw_odd(self.draw) as u32
    }

    /// The word that an argument is, if it is one.
    pub(super) fn word(&self, name: &str) -> Option<&'static str> {
        match self.setting(name) {
            Some(Setting::Word(word)) => Some(word),
            _ => None,
        }
    }
}

impl Made {
    pub(super) fn new(image: Image, said: String) -> Made {
        Made { pixels: Pixels::Image(Cow::Owned(image)), said }
    }
}

/// Whether a result of this size may be made.
pub(super) fn fits(width: u64, height: u64) -> Result<(), String> {
    let longest = u64::from(LONGEST);
    if width > longest || height > longest || width * height > MOST_PIXELS {
        return Err(format!(
            "{width} x {height} is too large, sides end at {LONGEST} and pixels at {MOST_PIXELS}"
        ));
    }
    Ok(())
}

/// Columns, rows and other lengths in pixels.
pub(super) const SIDES: Numbers = Numbers::integer(1, LONGEST);
