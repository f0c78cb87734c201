//! Reading Rust sources as text: enough of the lexer to tell code from comments and literals, and no parser.
//!
//! The rule tests look for words and count lines. A full parser would cost more to build than all of them together.

/// The source with comments and the contents of literals blanked out; lines and byte columns stay where they were.
pub fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !in_word(bytes, at) => raw_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    // Only whole literals and comments were replaced, by ASCII: what is left is UTF-8 still.
    String::from_utf8(out).unwrap_or_default()
}

/// The byte before belongs to the same word, apart from the `b` and `c` of a literal's prefix.
fn in_word(bytes: &[u8], at: usize) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match at.checked_sub(1).map(|before| bytes[before]) {
        Some(b'b' | b'c') => at >= 2 && word(bytes[at - 2]),
        Some(before) => word(before),
        None => false,
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n)
}

fn block_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|b| **b == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let found = bytes[open + 1..].windows(close.len()).position(|window| window == close);
    Some(found.map_or(bytes.len(), |n| open + 1 + n + close.len()))
}

/// `None` for a lifetime.
fn char_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start + 1) == Some(&b'\\') {
        let close = bytes.get(start + 3..)?.iter().position(|b| *b == b'\'')?;
        return Some(start + 3 + close + 1);
    }
    // One character of up to four bytes between two quotes.
    (start + 2..=start + 5).find(|end| bytes.get(*end) == Some(&b'\'')).and_then(|end| {
        let one = std::str::from_utf8(&bytes[start + 1..end]).ok()?;
        (one.chars().count() == 1).then_some(end + 1)
    })
}

/// The masked source without its `#[cfg(test)]` modules; the lines stay where they were.
pub fn without_tests(masked: &str) -> String {
    let mut text = masked.to_string();
    let mut from = 0;
    while let Some(found) = text[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = item_end(&text, start + "#[cfg(test)]".len());
        let blank: String = text[start..end]
            .chars()
            .map(|c| if c == '\n' { "\n".into() } else { " ".repeat(c.len_utf8()) })
            .collect();
        text.replace_range(start..end, &blank);
        from = end;
    }
    text
}

/// The end of the item that starts here: its `;`, or the brace that closes its body.
fn item_end(masked: &str, start: usize) -> usize {
    match masked[start..].find(['{', ';']) {
        Some(n) if masked.as_bytes()[start + n] == b'{' => brace_end(masked, start + n),
        Some(n) => start + n + 1,
        None => masked.len(),
    }
}

fn brace_end(masked: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (n, byte) in masked.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return n + 1;
                }
            }
            _ => {}
        }
    }
    masked.len()
}

/// One function of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of its `fn`, from 1.
    pub line: usize,
    /// Lines from `fn` to its closing brace, both counted.
    pub lines: usize,
}

/// Every function with a body in a masked source, nested ones too.
pub fn functions(masked: &str) -> Vec<Function> {
    words(masked)
        .filter(|(_, word)| *word == "fn")
        .filter_map(|(at, _)| {
            let name: String = masked[at + 2..]
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            // A type such as `fn(u8)` has no name; a method without a body ends in `;` outside of brackets.
            if name.is_empty() {
                return None;
            }
            let open = body_start(masked, at)?;
            let end = brace_end(masked, open);
            let line = masked[..at].matches('\n').count() + 1;
            Some(Function { name, line, lines: masked[at..end].matches('\n').count() + 1 })
        })
        .collect()
}

fn body_start(masked: &str, at: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (n, byte) in masked.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(n),
            _ => {}
        }
    }
    None
}

/// Words (identifiers and keywords) with their byte offsets.
pub fn words(masked: &str) -> impl Iterator<Item = (usize, &str)> {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + masked[at..].find(inside)?;
        let length = masked[start..].find(|c| !inside(c)).unwrap_or(masked.len() - start);
        at = start + length;
        Some((start, &masked[start..at]))
    })
}

/// Names of the test functions of a source.
pub fn test_names(text: &str) -> Vec<String> {
    let masked = mask(text);
    let mut names = Vec::new();
    let mut pending = false;
    for line in masked.lines().map(str::trim) {
        pending |= ["#[test]", "#[tokio::test"].iter().any(|attribute| line.starts_with(attribute));
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let (true, Some(rest)) = (pending, function) {
            names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            pending = false;
        }
    }
    // proptest's macro takes functions with `in` arguments; they carry #[test] as well and were found above.
    names
}

/// Every string literal of a source with its byte offset, escapes as written; tests and comments included.
pub fn strings(text: &str) -> Vec<(usize, String)> {
    let masked = mask(text);
    let (bytes, blank) = (text.as_bytes(), masked.as_bytes());
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if blank[at] == b' ' && bytes[at] == b'/' {
            // A comment: skip what was blanked.
            at = if bytes.get(at + 1) == Some(&b'/') { line_end(bytes, at) } else { block_end(bytes, at) };
        } else if blank[at] == b' ' && bytes[at] == b'"' {
            let end = string_end(bytes, at);
            found.push((at, text[at + 1..end.saturating_sub(1).max(at + 1)].to_string()));
            at = end;
        } else if blank[at] == b' ' && bytes[at] == b'r' {
            at = raw_end(bytes, at).unwrap_or(at + 1);
        } else if blank[at] == b' ' && bytes[at] == b'\'' {
            at = char_end(bytes, at).unwrap_or(at + 1);
        } else {
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_lines_stay() {
        let text = "let a = \"x.unwrap()\"; // b.unwrap()\nlet c = r#\"d\"e\"#; /* f /* g */ h */ let i = 'j';\nfn k<'l>(m: &'l str) { b\"n\"; '\\''; 'é'; }";
        let masked = mask(text);
        assert_eq!(masked.lines().count(), 3);
        assert_eq!(masked.len(), text.len());
        for gone in ["unwrap", "d\"e", "h */", "'j'", "n\"", "é"] {
            assert!(!masked.contains(gone), "{gone} is still in {masked}");
        }
        for kept in ["let a =", "let i =", "fn k<'l>(m: &'l str) {"] {
            assert!(masked.contains(kept), "{kept} is gone from {masked}");
        }
    }

    #[test]
    fn test_modules_are_left_out() {
        let text = "fn a() { x.unwrap() }\n#[cfg(test)]\nmod tests { fn b() { y.unwrap() } }\nfn c() {}\n#[cfg(test)]\nmod far;\nfn d() {}";
        let left = without_tests(&mask(text));
        assert!(left.contains("x.unwrap") && !left.contains("y.unwrap"));
        assert!(left.contains("fn c") && !left.contains("far") && left.contains("fn d"));
    }

    #[test]
    fn functions_are_measured() {
        let text =
            "trait T { fn open(&self, n: [u8; 4]); }\nfn long(\n  f: fn(u8),\n) {\n  let s = \"}\";\n}\n";
        let found = functions(&mask(text));
        assert_eq!(found, [Function { name: "long".into(), line: 2, lines: 5 }]);
    }

    #[test]
    fn tests_and_strings_are_found() {
        let text = "#[test]\nfn a() {}\n#[tokio::test(start_paused = true)]\nasync fn b() { c(\"d \\\" e\") }\nfn f() {}";
        assert_eq!(test_names(text), ["a", "b"]);
        assert_eq!(strings(text).into_iter().map(|s| s.1).collect::<Vec<_>>(), ["d \\\" e"]);
    }
}
