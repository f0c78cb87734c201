//! InfluxDB line protocol, byte by byte. Pure.
//!
//! ```text
//! line      = key ' ' fields [ ' ' time ] '\n'          empty lines and lines that start with '#' are none
//! key       = measurement { ',' name '=' value }        \, \= and "\ " stand for the character itself
//! fields    = name '=' field { ',' name '=' field }
//! field     = 1.5 | 15i | 15u | true | t | "text"       in text \" and \\ stand for the character itself
//! time      = integer since 1970, in the precision of the request
//! ```
//!
//! Source: InfluxDB documentation, "Line protocol reference" (v2). As there, a backslash before any other character is a
//! backslash, and a text may hold line breaks. Floats that are not finite are refused, as there.

use std::borrow::Cow;

/// A line cut into its parts, which are as they stand in the request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line<'a> {
    /// Its number in the request, from 1: where it starts.
    pub number: usize,
    /// Measurement and tags.
    pub key: &'a [u8],
    /// All fields.
    fields: &'a [u8],
    /// In the precision of the request; `None` when the line names none.
    pub time: Option<i64>,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {what}")]
pub struct LineError {
    /// Its number in the request, from 1.
    pub number: usize,
    /// What is wrong and what would be right.
    pub what: String,
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// `1.5`
    Float(f64),
    /// `15i`
    Integer(i64),
    /// `15u`
    Unsigned(u64),
    /// `true`
    Boolean(bool),
    /// `"text"`, without the quotes and with its escapes: see [`unescape_text`].
    Text(&'a [u8]),
}

/// The lines of a request, one after the other. A bad one costs that line only.
pub struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    /// Of a request's body.
    pub fn of(body: &'a [u8]) -> Lines<'a> {
        Lines { rest: body, number: 1 }
    }

    fn skip(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.number += passed.iter().filter(|byte| **byte == b'\n').count();
        self.rest = rest;
    }

    /// Up to and with the next line break.
    fn skip_line(&mut self) {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        self.skip(end.map_or(self.rest.len(), |end| end + 1));
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, LineError>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.rest.first()? {
                b'#' => self.skip_line(),
                b'\n' => self.skip(1),
                b' ' | b'\r' | b'\t' => self.rest = &self.rest[1..],
                _ => break,
            }
        }
        let number = self.number;
        match cut(self.rest) {
            Ok((mut line, end, breaks)) => {
                line.number = number;
                self.rest = &self.rest[end..];
                self.number += breaks;
                Some(Ok(line))
            }
            Err(what) => {
                self.skip_line();
                Some(Err(LineError { number, what: what.into() }))
            }
        }
    }
}

/// The first line of some bytes, how many bytes it takes, and how many line breaks are among them.
fn cut(bytes: &[u8]) -> Result<(Line<'_>, usize, usize), &'static str> {
    let key_end = end_of_key(bytes)?;
    let key = &bytes[..key_end];
    if key.starts_with(b",") {
        return Err("the measurement has no name: write one before the first comma");
    }
    let fields_at = key_end + bytes[key_end..].iter().take_while(|byte| **byte == b' ').count();
    let (fields_end, mut breaks) = end_of_fields(bytes, fields_at)?;
    let fields = &bytes[fields_at..fields_end];
    if fields.is_empty() {
        return Err("there are no fields: write measurement,tag=value field=1.5 time");
    }
    let rest = &bytes[fields_end..];
    let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let time = match rest[..length].trim_ascii() {
        [] => None,
        digits => {
            Some(integer(digits).ok_or("the time is not an integer: write it as digits, or leave it out")?)
        }
    };
    let mut end = fields_end + length;
    if end < bytes.len() {
        end += 1;
        breaks += 1;
    }
    Ok((Line { number: 0, key, fields, time }, end, breaks))
}

fn end_of_key(bytes: &[u8]) -> Result<usize, &'static str> {
    const NONE: &str =
        "there is no space between tags and fields: write measurement,tag=value field=1.5 time";
    let mut at = 0;
    loop {
        match bytes.get(at) {
            Some(b' ') => return Ok(at),
            Some(b'\\') => at += escape_length(bytes, at),
            Some(b'\n') | None => return Err(NONE),
            Some(_) => at += 1,
        }
    }
}

/// The end, and how many line breaks stand in texts.
fn end_of_fields(bytes: &[u8], from: usize) -> Result<(usize, usize), &'static str> {
    let (mut at, mut breaks) = (from, 0);
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\n' | b'\r') | None => return Ok((at.min(bytes.len()), breaks)),
            Some(b'\\') => at += 2,
            // Only where a value begins: in a name it is a character like any other.
            Some(b'"') if at > from && bytes[at - 1] == b'=' => {
                let length = end_of_text(&bytes[at + 1..]).ok_or("a text does not end: close it with \"")?;
                breaks += bytes[at + 1..at + 1 + length].iter().filter(|byte| **byte == b'\n').count();
                at += length + 2;
            }
            Some(_) => at += 1,
        }
    }
}

/// Where a text's closing quote stands.
fn end_of_text(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' if matches!(bytes.get(at + 1), Some(b'"' | b'\\')) => at += 2,
            _ => at += 1,
        }
    }
}

impl<'a> Line<'a> {
    /// Name and value of each field, in order; ends after a mistake.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: self.fields }
    }

    /// Measurement and tags, with escapes resolved.
    ///
    /// # Errors
    /// What is wrong: a tag without a value, bytes that are not UTF-8.
    pub fn names(&self) -> Result<Names, String> {
        let mut parts = split(self.key, b',').into_iter();
        let measurement = unescaped(parts.next().unwrap_or_default())?;
        let mut tags = Vec::new();
        for part in parts {
            let sides = split(part, b'=');
            let [name, value] = sides.as_slice() else {
                return Err(format!("`{}` is not a tag: write name=value", shown(part)));
            };
            if name.is_empty() || value.is_empty() {
                return Err(format!("`{}` is not a tag: write name=value", shown(part)));
            }
            tags.push((unescaped(name)?, unescaped(value)?));
        }
        tags.sort();
        Ok(Names { measurement, tags })
    }
}

/// What a series is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Measurement.
    pub measurement: String,
    /// Tags, in the order of their names.
    pub tags: Vec<(String, String)>,
}

/// See [`Line::fields`].
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    /// The name is as it stands in the line: see [`unescaped`].
    type Item = Result<(&'a [u8], FieldValue<'a>), String>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.rest);
        let mut at = 0;
        loop {
            match whole.get(at) {
                Some(b'=') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Some(Err(format!("`{}` is not a field: write name=value", shown(whole)))),
            }
        }
        let (name, value_at) = (&whole[..at], at + 1);
        if name.is_empty() {
            return Some(Err(format!("`{}` is not a field: write name=value", shown(whole))));
        }
        let (value, end) = if whole.get(value_at) == Some(&b'"') {
            let Some(length) = end_of_text(&whole[value_at + 1..]) else {
                return Some(Err("a text does not end: close it with \"".into()));
            };
            let text = &whole[value_at + 1..value_at + 1 + length];
            (Ok(FieldValue::Text(text)), value_at + length + 2)
        } else {
            let length = whole[value_at..].iter().position(|byte| *byte == b',');
            let end = length.map_or(whole.len(), |length| value_at + length);
            (plain(&whole[value_at..end]), end)
        };
        match whole.get(end) {
            None => {}
            Some(b',') if end + 1 < whole.len() => self.rest = &whole[end + 1..],
            Some(_) => {
                return Some(Err(format!(
                    "after field `{}` stands something else: separate fields with one comma",
                    shown(name)
                )));
            }
        }
        Some(value.map(|value| (name, value)).map_err(|value| {
            format!("field `{}`: `{value}` is no value: write 1.5, 15i, 15u, true or \"text\"", shown(name))
        }))
    }
}

/// A value that is not a text.
fn plain(bytes: &[u8]) -> Result<FieldValue<'static>, String> {
    let wrong = || shown(bytes);
    Ok(match bytes {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => FieldValue::Boolean(true),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => FieldValue::Boolean(false),
        [digits @ .., b'i'] => FieldValue::Integer(integer(digits).ok_or_else(wrong)?),
        [digits @ .., b'u'] => {
            let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
            FieldValue::Unsigned(text.and_then(|text| text.parse().ok()).ok_or_else(wrong)?)
        }
        // A word such as `nan` or `infinity` would be read as a float too.
        [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => {
            let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
            let value: f64 = text.parse().map_err(|_| wrong())?;
            FieldValue::Float(Some(value).filter(|value| value.is_finite()).ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    })
}

fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // 19 digits never overflow a u64.
        value = value * 10 + u64::from(digit);
    }
    match negative {
        true => 0_i64.checked_sub_unsigned(value),
        false => i64::try_from(value).ok(),
    }
}

/// How far a backslash in a name reaches. Of two, the first is a character like any other: `\\,` is a backslash and a comma.
fn escape_length(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') { 1 } else { 2 }
}

/// Cut at a character that no backslash stands before.
fn split(bytes: &[u8], at: u8) -> Vec<&[u8]> {
    let (mut parts, mut begin, mut place) = (Vec::new(), 0, 0);
    while place < bytes.len() {
        if bytes[place] == b'\\' {
            place += escape_length(bytes, place);
            continue;
        }
        if bytes[place] == at {
            parts.push(&bytes[begin..place]);
            begin = place + 1;
        }
        place += 1;
    }
    parts.push(&bytes[begin..]);
    parts
}

/// A name with its escapes resolved.
///
/// # Errors
/// Bytes that are not UTF-8.
pub fn unescaped(bytes: &[u8]) -> Result<String, String> {
    without_backslashes(bytes, |next| matches!(next, b',' | b'=' | b' ')).map(Cow::into_owned)
}

/// A text value with its escapes resolved.
///
/// # Errors
/// Bytes that are not UTF-8.
pub fn unescape_text(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    without_backslashes(bytes, |next| matches!(next, b'"' | b'\\'))
}

fn without_backslashes(bytes: &[u8], escaped: impl Fn(u8) -> bool) -> Result<Cow<'_, str>, String> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| format!("`{}` is not UTF-8: send UTF-8", shown(bytes)))?;
    if !bytes.contains(&b'\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(found) = chars.next() {
        let next = chars.peek().and_then(|next| u8::try_from(*next).ok());
        if found == '\\' && next.is_some_and(&escaped) {
            continue_with(&mut plain, &mut chars);
        } else {
            plain.push(found);
        }
    }
    Ok(Cow::Owned(plain))
}

fn continue_with(plain: &mut String, chars: &mut impl Iterator<Item = char>) {
    plain.extend(chars.next());
}

/// For messages: shortened, and never more than text.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 60;
    let text: String = String::from_utf8_lossy(bytes).chars().take(CHARS_MAX).collect();
    text.escape_debug().collect()
}

#[cfg(test)]
mod tests;
