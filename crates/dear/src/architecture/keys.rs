//! How a checkpoint's names and shapes differ from those of an architecture.

use std::fmt;

/// Tensors that are not as an architecture expects. At least one list has an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyProblems {
    /// Expected and absent.
    pub missing: Vec<String>,
    /// There, and of no use to the network.
    pub unexpected: Vec<String>,
    /// There, in another shape.
    pub reshaped: Vec<Reshaped>,
    /// The likely remedy, where these lists say it.
    pub hint: Option<String>,
}

/// A tensor of another shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reshaped {
    /// Its full name in the file.
    pub name: String,
    /// Its shape there.
    pub found: Vec<usize>,
    /// The shape that the network has.
    pub expected: Vec<usize>,
}

impl KeyProblems {
    /// The remedy where the names are those of nothing.
    pub(crate) const UNLIKE: &str = "the names fit no architecture that dear knows (dear import --help lists them); strip a foreign \
         prefix from them, or export the network to ONNX";

    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.reshaped.is_empty()
    }
}

impl std::error::Error for KeyProblems {}

impl fmt::Display for KeyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reshaped = |tensor: &Reshaped| {
            format!("tensor \"{}\" is {:?}, expected {:?}", tensor.name, tensor.found, tensor.expected)
        };
        let parts = [
            listed("missing", &self.missing),
            listed("unexpected", &self.unexpected),
            (!self.reshaped.is_empty()).then(|| some(self.reshaped.iter().map(reshaped))),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

fn listed(what: &str, names: &[String]) -> Option<String> {
    let tensors = if names.len() == 1 { "tensor is" } else { "tensors are" };
    (!names.is_empty()).then(|| format!("{} {tensors} {what}: {}", names.len(), some(names.iter().cloned())))
}

/// The first few, and how many more.
pub(super) fn some(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 6;
    let more = items.len().saturating_sub(SHOWN);
    let shown = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_first_of_each_kind_and_counts_the_others() {
        let problems = KeyProblems {
            missing: vec!["fc.bias".to_owned()],
            unexpected: (0..8).map(|index| format!("x{index}")).collect(),
            reshaped: vec![Reshaped {
                name: "fc.weight".to_owned(),
                found: vec![1000, 2048],
                expected: vec![1, 2048],
            }],
            hint: None,
        };
        let expected = "1 tensor is missing: fc.bias; 8 tensors are unexpected: x0, x1, x2, x3, x4, x5 and 2 more; \
                        tensor \"fc.weight\" is [1000, 2048], expected [1, 2048]";
        assert_eq!(problems.to_string(), expected);
    }
}
