//! Text of a file as one bounded line, and a bounded list of facts.

use crate::finding::Detail;

/// Longest value in characters, without the note that says that it was cut.
const MAX_VALUE: usize = 500;

/// Most facts of a finding.
const MAX_DETAILS: usize = 64;

/// `text` without line breaks, other control characters and marks that turn the direction of writing, and cut after
/// 500 characters, which is said.
pub(crate) fn line(text: &str) -> String {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let mut out: String = text.chars().take(MAX_VALUE).map(shown).collect();
    let length = text.chars().count();
    if length > MAX_VALUE {
        out.push_str(&format!("… (cut: {MAX_VALUE} of {length} characters)"));
    }
    out
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Facts in the order in which they were added. Empty values are left out; beyond 64 the rest is counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    facts: Vec<Detail>,
    more: usize,
}

impl Details {
    pub(crate) fn add(&mut self, name: &str, value: impl AsRef<str>) {
        self.push(name, line(value.as_ref()));
    }

    pub(crate) fn add_some(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    pub(crate) fn append(&mut self, other: Details) {
        for fact in other.facts {
            self.push(&fact.name, fact.value);
        }
        self.more += other.more;
    }

    fn push(&mut self, name: &str, value: String) {
        if value.is_empty() {
            return;
        }
        match self.facts.len() < MAX_DETAILS {
            true => self.facts.push(Detail { name: name.to_owned(), value }),
            false => self.more += 1,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    pub(crate) fn into_vec(mut self) -> Vec<Detail> {
        if self.more > 0 {
            let value = format!("{} facts are left out", self.more);
            self.facts.push(Detail { name: "more".to_owned(), value });
        }
        self.facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_line() {
        let cases = [
            ("plain", "plain"),
            ("  a\nb\r\nc\td\0", "a b  c d"),
            ("a\u{1b}[31mred", "a\u{fffd}[31mred"),
            ("jpg.\u{202e}gnp", "jpg.\u{fffd}gnp"),
            ("\u{2028}", ""),
            ("éß漢字🎨", "éß漢字🎨"),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        assert_eq!(line(&"ü".repeat(500)), "ü".repeat(500));
        let cut = line(&"ü".repeat(501));
        assert_eq!(cut, format!("{}… (cut: 500 of 501 characters)", "ü".repeat(500)));
    }

    #[test]
    fn facts_beyond_the_limit_are_counted() {
        let mut details = Details::default();
        (0..66).for_each(|i| details.add("n", i.to_string()));
        details.add("empty", " \n");
        let facts = details.into_vec();
        assert_eq!(facts.len(), 65);
        assert_eq!((facts[64].name.as_str(), facts[64].value.as_str()), ("more", "2 facts are left out"));
    }
}
