//! The arguments of a call: taken by key or by place, checked against what a step allows.

use super::error::ChainError;
use super::parse::{Argument, Call, Value};
use crate::Draw;
use std::fmt;

/// A number, or a range that is drawn from uniformly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

/// Which numbers an argument may be.
pub(super) struct Numbers {
    lo: f64,
    hi: f64,
    integer: bool,
}

impl Numbers {
    pub(super) fn real(lo: f64, hi: f64) -> Numbers {
        Numbers { lo, hi, integer: false }
    }

    pub(super) fn integer(lo: i64, hi: i64) -> Numbers {
        Numbers { lo: lo as f64, hi: hi as f64, integer: true }
    }

    fn read(&self, text: &str) -> Option<f64> {
        let value: f64 = text.trim().parse().ok()?;
        let allowed = value >= self.lo && value <= self.hi && (!self.integer || value.fract() == 0.0);
        allowed.then_some(value)
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.integer { "an integer" } else { "a number" };
        write!(f, "{what} of {}..{} or a range of them", self.lo, self.hi)
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

    /// The argument `key`, else the first without a key if `place` is given.
    pub(super) fn optional(
        &mut self,
        key: &str,
        place: Option<usize>,
        numbers: &Numbers,
    ) -> Result<Option<Range>, ChainError> {
        let Some(argument) = self.take(key, place.is_some())? else { return Ok(None) };
        let Value::Word(word) = &argument.value else {
            return Err(self.wrong(argument, key, &numbers.to_string()));
        };
        let range = match word.split_once("..") {
            // A probability is a number; drawing one from a range would say nothing more.
            Some((lo, hi)) if key != "p" => {
                numbers.read(lo).zip(numbers.read(hi)).filter(|(lo, hi)| lo <= hi)
            }
            _ => numbers.read(word).map(|value| (value, value)),
        };
        match range {
            Some((lo, hi)) => Ok(Some(Range { lo, hi })),
            None => Err(self.wrong(argument, key, &numbers.to_string())),
        }
    }

    pub(super) fn required(&mut self, key: &str, numbers: &Numbers) -> Result<Range, ChainError> {
        match self.optional(key, Some(0), numbers)? {
            Some(range) => Ok(range),
            None => Err(self.missing(key, &numbers.to_string())),
        }
    }

    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, ChainError> {
        let Some(argument) = self.take(key, true)? else { return Ok(None) };
        if let Value::Word(word) = &argument.value
            && let Some((_, value)) = words.iter().find(|(name, _)| name == word)
        {
            return Ok(Some(*value));
        }
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        Err(self.wrong(argument, key, &format!("one of {}", names.join(", "))))
    }

    /// All arguments without a key, as calls.
    pub(super) fn calls(&mut self) -> Result<Vec<Call>, ChainError> {
        let (steps, left): (Vec<&Argument>, Vec<&Argument>) = self.left.iter().partition(|a| a.key.is_none());
        self.left = left;
        if steps.is_empty() {
            return Err(self.missing("step", "at least one step"));
        }
        let call = |argument: &&Argument| match &argument.value {
            Value::Call(call) => call.clone(),
            Value::Word(name) => {
                Call { name: name.clone(), position: argument.position, arguments: Vec::new() }
            }
        };
        Ok(steps.iter().map(call).collect())
    }

    /// Whatever nobody took is an error.
    pub(super) fn finish(self) -> Result<(), ChainError> {
        let Some(argument) = self.left.first() else { return Ok(()) };
        let name = argument.key.clone().unwrap_or_else(|| argument.text());
        let known = match self.step {
            "resize" => "factor, side, width, height, kernel, p",
            "crop" => "size, width, height, p",
            "jpeg" => "quality, subsampling, p",
            "webp" => "quality, p",
            "blur" => "sigma, p",
            "noise" => "var, p",
            "grayscale" | "paper" => "only p",
            "one_of" => "steps and p",
            _ => "factor, p",
        };
        Err(self.wrong(
            argument,
            &name,
            &format!("no such argument or not twice; {} takes {known}", self.step),
        ))
    }

    fn take(&mut self, key: &str, by_place: bool) -> Result<Option<&'a Argument>, ChainError> {
        let named = self.left.iter().position(|argument| argument.key.as_deref() == Some(key));
        let placed = || self.left.iter().position(|argument| by_place && argument.key.is_none());
        Ok(named.or_else(placed).map(|index| self.left.remove(index)))
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

impl Argument {
    fn text(&self) -> String {
        match &self.value {
            Value::Word(word) => word.clone(),
            Value::Call(call) => format!("{}(...)", call.name),
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
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lo == self.hi { write!(f, "{}", self.lo) } else { write!(f, "{}..{}", self.lo, self.hi) }
    }
}
