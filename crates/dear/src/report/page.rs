//! A page of GitHub's Markdown, block by block.

use std::fmt::Write as _;

/// Blocks of Markdown; every text is escaped on its way in.
pub(crate) struct Page<'a>(pub(crate) &'a mut String);

impl Page<'_> {
    pub(crate) fn heading(&mut self, level: usize, text: &str) {
        self.block(&format!("{} {}", "#".repeat(level), escaped(text)));
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.block(&escaped(text));
    }

    pub(crate) fn quote(&mut self, text: &str) {
        self.block(&format!("> {}", escaped(text)));
    }

    pub(crate) fn list(&mut self, items: &[String]) {
        let lines: Vec<String> = items.iter().map(|item| format!("- {}", escaped(item))).collect();
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
            // A list or a rule, at the start of a paragraph.
            '-' | '+' | '=' if at == 0 => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

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
            ("- no list", r"\- no list"),
            ("a-b: c", "a-b: c"),
            ("Bäume 木.png", "Bäume 木.png"),
        ] {
            assert_eq!(escaped(name), expected, "{name:?}");
        }
    }
}
