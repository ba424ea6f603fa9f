//! A page of GitHub's Markdown, block by block.

use std::fmt::Write as _;

/// Blocks of Markdown; every text is escaped on its way in.
pub(crate) struct Page<'a>(pub(crate) &'a mut String);

impl Page<'_> {
    pub(crate) fn heading(&mut self, level: usize, text: &str) {
        self.block(&format!("{} {}", "#".repeat(level), escaped(text)));
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.block(&opening(text));
    }

    pub(crate) fn quote(&mut self, text: &str) {
        self.block(&format!("> {}", opening(text)));
    }

    pub(crate) fn list(&mut self, items: &[String]) {
        let lines: Vec<String> = items.iter().map(|item| format!("- {}", opening(item))).collect();
        if !lines.is_empty() {
            self.block(&lines.join("\n"));
        }
    }

    pub(crate) fn table(&mut self, heads: &[String], rows: impl Iterator<Item = Vec<String>>) {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut block = line(heads);
        let _ = writeln!(block, "|{}", " --- |".repeat(heads.len()));
        for row in rows {
            block.push_str(&line(&row));
        }
        self.block(block.trim_end());
    }

    fn block(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(text);
        self.0.push('\n');
    }
}

/// [`escaped`], for the start of a block, where a dash, a plus or a number would begin a list.
fn opening(text: &str) -> String {
    let text = escaped(text);
    let number = text.bytes().take_while(u8::is_ascii_digit).count();
    let at = if text.starts_with(['-', '+', '=']) {
        0
    } else if number > 0 && text[number..].starts_with(['.', ')']) {
        number
    } else {
        return text;
    };
    format!("{}\\{}", &text[..at], &text[at..])
}

/// `text` as it shall be read: on one line, and nothing in it is Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // Neither a mention nor a link to an address.
            '@' => out.push_str("&#64;"),
            ':' if text[at..].starts_with("://") => out.push_str("&#58;"),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, opening};

    #[test]
    fn no_text_begins_a_list() {
        for (text, expected) in [
            ("- a", r"\- a"),
            ("+1 a", r"\+1 a"),
            ("12. a", r"12\. a"),
            ("3) a", r"3\) a"),
            ("3 a", "3 a"),
            ("a-b", "a-b"),
            ("", ""),
        ] {
            assert_eq!(opening(text), expected, "{text:?}");
        }
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        for (name, expected) in [
            ("plain name.png", "plain name.png"),
            ("a|b", r"a\|b"),
            ("<img src=x onerror=alert(1)>.png", r"&lt;img src=x onerror=alert(1)&gt;.png"),
            ("![x](http://a/b)", r"\!\[x\](http&#58;//a/b)"),
            ("`code`", r"\`code\`"),
            ("two\nlines\t", "two\\nlines\\t"),
            ("@someone & all", "&#64;someone &amp; all"),
            ("a-b: c", "a-b: c"),
            ("Bäume 木.png", "Bäume 木.png"),
        ] {
            assert_eq!(escaped(name), expected, "{name:?}");
        }
    }
}
