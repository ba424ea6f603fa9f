//! A step of a chain: an entry of the table with its arguments.

use super::arguments::{Numbers, Reader, Setting};
use super::error::ChainError;
use super::parse::{self, Call};
use super::pixels::Pixels;
use super::presets::PRESETS;
use super::table::{Act, Entry, Given, Sets, entries};
use crate::Draw;
use std::fmt;

/// A step, and how often it is taken.
#[derive(Debug, Clone)]
pub(super) struct Step {
    entry: &'static Entry,
    /// One for each parameter of the entry.
    settings: Vec<Option<Setting>>,
    /// What `one_of` and `all_of` are about.
    steps: Vec<Step>,
    probability: f64,
    /// Among the steps of a `one_of`.
    weight: f64,
}

/// An image on its way through a chain, and what was drawn so far.
pub(super) struct State<'a> {
    pub(super) pixels: Pixels<'a>,
    pub(super) drawn: Vec<String>,
}

/// Whether a step stands in a `one_of`, where it may have a weight.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Chain,
    Choice,
}

impl Step {
    /// Gives a call its meaning.
    pub(super) fn new(call: &Call) -> Result<Step, ChainError> {
        Step::at(Place::Chain, call)
    }

    fn at(place: Place, call: &Call) -> Result<Step, ChainError> {
        let named = |name: &str| entries().find(|entry| entry.name == name || entry.alias == Some(name));
        let preset = PRESETS.iter().find(|preset| preset.name == call.name);
        let (entry, name) = match (preset, named(&call.name)) {
            (Some(preset), _) => (named("all_of").expect("the table has it"), preset.name),
            (None, Some(entry)) => (entry, entry.name),
            (None, None) => return Err(unknown(call)),
        };
        let mut reader = Reader::new(name, call);
        let probability = reader.number("p", &Numbers::real(0.0, 1.0))?.unwrap_or(1.0);
        let weight = match place {
            Place::Choice => reader.number("weight", &Numbers::real(0.001, 1000.0))?.unwrap_or(1.0),
            Place::Chain => 1.0,
        };
        let settings = settings(entry, &mut reader)?;
        let all = |place, calls: Vec<Call>| {
            calls.iter().map(|call| Step::at(place, call)).collect::<Result<Vec<Step>, ChainError>>()
        };
        let steps = match (preset, &entry.act) {
            (Some(preset), _) => all(Place::Chain, parse::parse(preset.chain)?)?,
            (None, Act::OneOf) => all(Place::Choice, reader.calls()?)?,
            (None, Act::AllOf) => all(Place::Chain, reader.calls()?)?,
            (None, Act::Change(_)) => Vec::new(),
        };
        reader.finish(|| if preset.is_some() { "only p".to_owned() } else { entry.known() })?;
        Ok(Step { entry, settings, steps, probability, weight })
    }

    /// Draws what is to be drawn, changes the image, and says so.
    pub(super) fn apply<'a>(&self, mut state: State<'a>, draw: &mut Draw) -> Result<State<'a>, ChainError> {
        if self.probability < 1.0 && !draw.chance(self.probability) {
            state.drawn.push(format!("{} skipped", self.entry.name));
            return Ok(state);
        }
        match &self.entry.act {
            Act::OneOf => match self.chosen(draw) {
                Some(step) => step.apply(state, draw),
                None => Ok(state),
            },
            Act::AllOf => self.steps.iter().try_fold(state, |state, step| step.apply(state, draw)),
            Act::Change(change) => {
                let mut given = Given { entry: self.entry, settings: &self.settings, draw };
                let (width, height) = state.pixels.size();
                let changed = state.pixels.into_image().and_then(|image| change(&mut given, &image));
                let made = changed.map_err(|detail| ChainError::Apply {
                    step: self.entry.name,
                    width,
                    height,
                    detail,
                })?;
                state.drawn.push(made.said);
                Ok(State { pixels: made.pixels, drawn: state.drawn })
            }
        }
    }

    /// One of the steps, by weight. Equal weights take the draw of an integer.
    fn chosen(&self, draw: &mut Draw) -> Option<&Step> {
        if self.steps.iter().all(|step| step.weight == 1.0) {
            return self.steps.get(draw.below(self.steps.len() as u64) as usize);
        }
        let total: f64 = self.steps.iter().map(|step| step.weight).sum();
        let mut left = draw.uniform(0.0, total);
        for step in &self.steps {
            left -= step.weight;
            if left < 0.0 {
                return Some(step);
            }
        }
        self.steps.last()
    }
}

/// The value of each parameter, given or standing for it.
fn settings(entry: &'static Entry, reader: &mut Reader) -> Result<Vec<Option<Setting>>, ChainError> {
    let mut settings = Vec::with_capacity(entry.parameters.len());
    let sets = entry.sets.all();
    // A set that is named by a key takes the places of the others' arguments.
    let keyed = sets.iter().position(|set| set.iter().any(|name| reader.has_key(name)));
    for parameter in entry.parameters {
        let other = sets.iter().position(|set| set.contains(&parameter.name));
        let placed = parameter.placed && (other.is_none() || keyed.is_none() || keyed == other);
        let given = reader.take(parameter, placed)?;
        if given.is_none() && parameter.is_needed() {
            return Err(reader.missing(parameter.name, &parameter.takes.to_string()));
        }
        settings.push(given.or_else(|| parameter.default()));
    }
    let is_given = |name: &str| {
        let index = entry.parameters.iter().position(|parameter| parameter.name == name);
        index.is_some_and(|index| settings[index].is_some())
    };
    let touched = sets.iter().filter(|set| set.iter().any(|name| is_given(name))).count();
    let whole = sets.iter().filter(|set| set.iter().all(|name| is_given(name))).count();
    let right = match entry.sets {
        Sets::None => true,
        Sets::One(_) => touched == 1 && whole == 1,
        Sets::AtMostOne(_) => touched <= 1,
    };
    if !right {
        let texts: Vec<String> = sets.iter().map(|set| set.join(" and ")).collect();
        let (last, others) = texts.split_last().expect("a rule about sets has some");
        let listed = format!("{}, or {last}", others.join(", "));
        let expected = match entry.sets {
            Sets::AtMostOne(_) => format!("at most one of {listed}"),
            _ if others.len() > 1 => format!("one of {listed}"),
            _ => listed,
        };
        return Err(reader.missing(sets[0][0], &expected));
    }
    Ok(settings)
}

fn unknown(call: &Call) -> ChainError {
    let names: Vec<&'static str> =
        entries().map(|entry| entry.name).chain(PRESETS.iter().map(|preset| preset.name)).collect();
    ChainError::UnknownStep {
        position: call.position,
        found: call.name.clone(),
        nearest: names
            .iter()
            .min_by_key(|name| distance(name, &call.name.to_lowercase()))
            .copied()
            .unwrap_or_default(),
        known: names.join(", "),
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Step) -> bool {
        self.entry.name == other.entry.name
            && (&self.settings, &self.steps, self.probability, self.weight)
                == (&other.settings, &other.steps, other.probability, other.weight)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arguments = Vec::new();
        // By place as long as no place before is empty.
        let mut in_order = true;
        for (parameter, setting) in self.entry.parameters.iter().zip(&self.settings) {
            let by_place = parameter.placed && in_order;
            match setting {
                Some(setting) if by_place => arguments.push(setting.to_string()),
                Some(setting) => arguments.push(format!("{}={setting}", parameter.name)),
                None => in_order &= !parameter.placed,
            }
        }
        arguments.extend(self.steps.iter().map(Step::to_string));
        if self.probability < 1.0 {
            arguments.push(format!("p={}", self.probability));
        }
        if self.weight != 1.0 {
            arguments.push(format!("weight={}", self.weight));
        }
        f.write_str(self.entry.name)?;
        if arguments.is_empty() { Ok(()) } else { write!(f, "({})", arguments.join(", ")) }
    }
}

/// Edits (insert, delete, replace) from one name to another.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance() {
        for (from, to, edits) in [("resize", "resise", 1), ("", "abc", 3), ("jpeg", "jpg", 1), ("a", "a", 0)]
        {
            assert_eq!(distance(from, to), edits, "{from} {to}");
        }
    }
}
