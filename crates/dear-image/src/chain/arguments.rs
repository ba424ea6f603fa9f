//! The arguments of a call: which a step takes, and how they are read, by key or by place.

use super::error::ChainError;
use super::parse::{Argument, Call};
use crate::Draw;
use std::fmt;

/// One argument that a step takes.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// Whether it may also go by place, in the order of the step's list.
    pub(super) placed: bool,
    pub(super) default: Otherwise,
}

/// What an argument may be.
#[derive(Debug)]
pub(super) enum Takes {
    Number(Numbers),
    Word(&'static [&'static str]),
    /// A number or the word.
    Either(Numbers, &'static str),
}

/// What stands for an argument that is not given.
#[derive(Debug)]
pub(super) enum Otherwise {
    /// Nothing: it must be given.
    Needed,
    /// Nothing: the step does without.
    Absent,
    Number(f64, f64),
    Word(&'static str),
    /// This word, which is not written out: chains from before it was an argument keep their text.
    Unwritten(&'static str),
}

/// The value of an argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Setting {
    Number(Range),
    Word(&'static str),
}

/// A number, or a range that is drawn from uniformly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

/// Which numbers an argument may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) lo: f64,
    pub(super) hi: f64,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Real,
    Integer,
    Odd,
}

impl Parameter {
    /// A number that must be given, also by place.
    pub(super) const fn number(name: &'static str, numbers: Numbers) -> Parameter {
        Parameter { name, takes: Takes::Number(numbers), placed: true, default: Otherwise::Needed }
    }

    /// A word that may also go by place.
    pub(super) const fn word(
        name: &'static str,
        words: &'static [&'static str],
        default: &'static str,
    ) -> Parameter {
        Parameter { name, takes: Takes::Word(words), placed: true, default: Otherwise::Word(default) }
    }

    pub(super) const fn otherwise(mut self, default: Otherwise) -> Parameter {
        self.default = default;
        self
    }

    pub(super) const fn keyed(mut self) -> Parameter {
        self.placed = false;
        self
    }

    /// The value of an argument with this text.
    fn read(&self, text: &str) -> Option<Setting> {
        let number = |numbers: &Numbers| numbers.range(text).map(Setting::Number);
        match &self.takes {
            Takes::Number(numbers) => number(numbers),
            Takes::Word(words) => words.iter().find(|word| **word == text).map(|word| Setting::Word(word)),
            Takes::Either(_, word) if text == *word => Some(Setting::Word(word)),
            Takes::Either(numbers, _) => number(numbers),
        }
    }

    pub(super) fn is_needed(&self) -> bool {
        matches!(self.default, Otherwise::Needed)
    }

    /// What stands for it where it is not given.
    pub(super) fn default(&self) -> Option<Setting> {
        match self.default {
            Otherwise::Needed | Otherwise::Absent | Otherwise::Unwritten(_) => None,
            Otherwise::Number(lo, hi) => Some(Setting::Number(Range { lo, hi })),
            Otherwise::Word(word) => Some(Setting::Word(word)),
        }
    }
}

impl Numbers {
    pub(super) const fn real(lo: f64, hi: f64) -> Numbers {
        Numbers { lo, hi, kind: Kind::Real }
    }

    pub(super) const fn integer(lo: u32, hi: u32) -> Numbers {
        Numbers { lo: lo as f64, hi: hi as f64, kind: Kind::Integer }
    }

    pub(super) const fn odd(lo: u32, hi: u32) -> Numbers {
        Numbers { lo: lo as f64, hi: hi as f64, kind: Kind::Odd }
    }

    pub(super) fn one(&self, text: &str) -> Option<f64> {
        let value: f64 = text.trim().parse().ok()?;
        let whole = match self.kind {
            Kind::Real => true,
            Kind::Integer => value.fract() == 0.0,
            Kind::Odd => value % 2.0 == 1.0,
        };
        // Adding 0 makes -0 the 0 that it is.
        (value >= self.lo && value <= self.hi && whole).then_some(value + 0.0)
    }

    fn range(&self, text: &str) -> Option<Range> {
        let (lo, hi) = match text.split_once("..") {
            Some((lo, hi)) => (self.one(lo)?, self.one(hi)?),
            None => self.one(text).map(|value| (value, value))?,
        };
        (lo <= hi).then_some(Range { lo, hi })
    }

    fn what(&self) -> &'static str {
        match self.kind {
            Kind::Real => "a number",
            Kind::Integer => "an integer",
            Kind::Odd => "an odd integer",
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}..{}", self.what(), self.lo, self.hi)
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Takes::Number(numbers) => write!(f, "{numbers} or a range of them"),
            Takes::Word(words) => write!(f, "one of {}", words.join(", ")),
            Takes::Either(numbers, word) => write!(f, "{numbers}, a range of them, or {word}"),
        }
    }
}

impl Takes {
    /// For a table.
    pub(super) fn brief(&self) -> String {
        let range = |numbers: &Numbers| {
            let kind = match numbers.kind {
                Kind::Real => "",
                Kind::Integer => "integer ",
                Kind::Odd => "odd ",
            };
            format!("{kind}{}..{}", numbers.lo, numbers.hi)
        };
        match self {
            Takes::Number(numbers) => range(numbers),
            Takes::Word(words) => words.join(" or "),
            Takes::Either(numbers, word) => format!("{} or {word}", range(numbers)),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Number(Range { lo, hi }) if lo == hi => write!(f, "{lo}"),
            Setting::Number(Range { lo, hi }) => write!(f, "{lo}..{hi}"),
            Setting::Word(word) => f.write_str(word),
        }
    }
}

impl Range {
    pub(super) fn draw(self, draw: &mut Draw) -> f64 {
        if self.lo == self.hi { self.lo } else { draw.uniform(self.lo, self.hi) }
    }

    pub(super) fn draw_integer(self, draw: &mut Draw) -> i64 {
        draw.int(self.lo as i64..=self.hi as i64)
    }

    pub(super) fn draw_odd(self, draw: &mut Draw) -> i64 {
        let lo = self.lo as i64;
        lo + 2 * draw.int(0..=(self.hi as i64 - lo) / 2)
    }
}

/// Takes the arguments of one call, by key or by place.
pub(super) struct Reader<'a> {
    step: &'static str,
    position: usize,
    left: Vec<&'a Argument>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(step: &'static str, call: &'a Call) -> Reader<'a> {
        Reader { step, position: call.position, left: call.arguments.iter().collect() }
    }

    /// Whether `key` is there, and not taken yet.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.left.iter().any(|argument| argument.key.as_deref() == Some(key))
    }

    /// The value of `parameter` if it is given: by its key, else as the first without a key if `placed`.
    pub(super) fn take(
        &mut self,
        parameter: &Parameter,
        placed: bool,
    ) -> Result<Option<Setting>, ChainError> {
        let named = self.left.iter().position(|argument| argument.key.as_deref() == Some(parameter.name));
        let first = || self.left.iter().position(|argument| placed && argument.key.is_none());
        let Some(index) = named.or_else(first) else { return Ok(None) };
        let argument = self.left.remove(index);
        match argument.word().and_then(|word| parameter.read(word)) {
            Some(Setting::Word(word)) if matches!(parameter.default, Otherwise::Unwritten(same) if same == word) => {
                Ok(None)
            }
            Some(setting) => Ok(Some(setting)),
            None => Err(self.wrong(argument, parameter.name, &parameter.takes.to_string())),
        }
    }

    /// One number by its key: a range would say nothing more of a probability or a weight.
    pub(super) fn number(&mut self, key: &str, numbers: &Numbers) -> Result<Option<f64>, ChainError> {
        let Some(index) = self.left.iter().position(|argument| argument.key.as_deref() == Some(key)) else {
            return Ok(None);
        };
        let argument = self.left.remove(index);
        match argument.word().and_then(|word| numbers.one(word)) {
            Some(value) => Ok(Some(value)),
            None => Err(self.wrong(argument, key, &numbers.to_string())),
        }
    }

    /// All arguments without a key, as calls.
    pub(super) fn calls(&mut self) -> Result<Vec<Call>, ChainError> {
        let (steps, left): (Vec<&Argument>, Vec<&Argument>) = self.left.iter().partition(|a| a.key.is_none());
        self.left = left;
        if steps.is_empty() {
            return Err(self.missing("step", "at least one step"));
        }
        Ok(steps.iter().map(|argument| argument.as_call()).collect())
    }

    /// Whatever nobody took is an error; `known` is what the step takes.
    pub(super) fn finish(self, known: impl FnOnce() -> String) -> Result<(), ChainError> {
        let Some(argument) = self.left.first() else { return Ok(()) };
        let name = argument.key.clone().unwrap_or_else(|| argument.text());
        let expected = format!("no such argument or not twice; {} takes {}", self.step, known());
        Err(self.wrong(argument, &name, &expected))
    }

    fn wrong(&self, argument: &Argument, name: &str, expected: &str) -> ChainError {
        ChainError::Argument {
            position: argument.position,
            step: self.step,
            argument: name.to_owned(),
            found: format!("{:?}", argument.text()),
            expected: expected.to_owned(),
        }
    }

    pub(super) fn missing(&self, name: &str, expected: &str) -> ChainError {
        ChainError::Argument {
            position: self.position,
            step: self.step,
            argument: name.to_owned(),
            found: "missing or given twice".to_owned(),
            expected: expected.to_owned(),
        }
    }
}
