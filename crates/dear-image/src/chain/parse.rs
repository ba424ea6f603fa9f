//! Text to calls: names, arguments and where they stand. What they mean is `step.rs`'s business.

use super::error::ChainError;

/// `name(argument, ...)` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) position: usize,
    pub(super) arguments: Vec<Argument>,
}

/// One argument: `value`, `key=value`, or a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) key: Option<String>,
    pub(super) value: Value,
    pub(super) position: usize,
}

/// What an argument says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A number, a range, a word: taken apart by the step that wants it. A bare word may also be a step.
    Word(String),
    /// A step with brackets.
    Call(Call),
}

impl Argument {
    /// Its text, unless it is a call.
    pub(super) fn word(&self) -> Option<&str> {
        match &self.value {
            Value::Word(word) => Some(word),
            Value::Call(_) => None,
        }
    }

    /// Itself as a step; a word is one without arguments.
    pub(super) fn as_call(&self) -> Call {
        match &self.value {
            Value::Call(call) => call.clone(),
            Value::Word(name) => Call { name: name.clone(), position: self.position, arguments: Vec::new() },
        }
    }

    /// What an error shows of it.
    pub(super) fn text(&self) -> String {
        match &self.value {
            Value::Word(word) => word.clone(),
            Value::Call(call) => format!("{}(...)", call.name),
        }
    }
}

/// Deepest nesting of `one_of` and `all_of`.
const DEEPEST: usize = 8;

/// Reads `call | call | ...`; an empty text is no call at all.
pub(super) fn parse(text: &str) -> Result<Vec<Call>, ChainError> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    let mut calls = Vec::new();
    reader.skip_space();
    if reader.peek().is_none() {
        return Ok(calls);
    }
    loop {
        calls.push(reader.call(0)?);
        match reader.peek() {
            None => return Ok(calls),
            Some('|') => reader.at += 1,
            Some(_) => return Err(reader.expected("`|` or the end")),
        }
    }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn call(&mut self, depth: usize) -> Result<Call, ChainError> {
        self.skip_space();
        let position = self.at + 1;
        let name = self.word();
        if name.is_empty() {
            return Err(self.expected("the name of a step"));
        }
        self.skip_space();
        let arguments = if self.peek() == Some('(') { self.arguments(depth)? } else { Vec::new() };
        self.skip_space();
        Ok(Call { name, position, arguments })
    }

    /// From `(` to `)`.
    fn arguments(&mut self, depth: usize) -> Result<Vec<Argument>, ChainError> {
        if depth >= DEEPEST {
            return Err(self.expected(&format!("at most {DEEPEST} levels of brackets")));
        }
        self.at += 1;
        let mut arguments = Vec::new();
        self.skip_space();
        if self.peek() == Some(')') {
            self.at += 1;
            return Ok(arguments);
        }
        loop {
            arguments.push(self.argument(depth)?);
            self.skip_space();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(')') => {
                    self.at += 1;
                    return Ok(arguments);
                }
                _ => return Err(self.expected("`,` or `)`")),
            }
        }
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, ChainError> {
        self.skip_space();
        let mut position = self.at + 1;
        let mut word = self.word();
        if word.is_empty() {
            return Err(self.expected("an argument"));
        }
        self.skip_space();
        let mut key = None;
        if self.peek() == Some('=') {
            self.at += 1;
            self.skip_space();
            key = Some(word);
            position = self.at + 1;
            word = self.word();
            if word.is_empty() {
                return Err(self.expected("a value"));
            }
            self.skip_space();
        }
        let value = if self.peek() == Some('(') {
            let arguments = self.arguments(depth + 1)?;
            Value::Call(Call { name: word, position, arguments })
        } else {
            Value::Word(word)
        };
        Ok(Argument { key, value, position })
    }

    /// The longest run of characters that mean nothing to the grammar.
    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| !c.is_whitespace() && !"()|,=".contains(c)) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn expected(&self, expected: &str) -> ChainError {
        let found = self.peek().map_or("the end".to_owned(), |c| format!("{c:?}"));
        ChainError::Syntax { position: self.at + 1, found, expected: expected.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_their_positions() {
        let calls = parse(" resize( 0.5,kernel = box )|one_of(blur(1), grayscale)").unwrap();
        assert_eq!((calls[0].name.as_str(), calls[0].position), ("resize", 2));
        assert_eq!(calls[0].arguments[1].key.as_deref(), Some("kernel"));
        assert_eq!(calls[0].arguments[1].position, 23);
        assert!(matches!(&calls[1].arguments[0].value, Value::Call(call) if call.name == "blur"));
        assert_eq!(parse("  ").unwrap(), []);
    }

    #[test]
    fn errors_say_what_stands_where() {
        let cases = [
            ("a |", 4, "the end"),
            ("| a", 1, "'|'"),
            ("a b", 3, "'b'"),
            ("a(", 3, "the end"),
            ("a(1", 4, "the end"),
            ("a(1,)", 5, "')'"),
            ("a(k=)", 5, "')'"),
            ("a)", 2, "')'"),
            ("a(1 2)", 5, "'2'"),
        ];
        for (text, at, what) in cases {
            match parse(text).unwrap_err() {
                ChainError::Syntax { position, found, .. } => {
                    assert_eq!((position, found.as_str()), (at, what), "{text}")
                }
                other => panic!("{text}: {other}"),
            }
        }
        assert!(parse(&"a(".repeat(100_000)).is_err());
    }
}
