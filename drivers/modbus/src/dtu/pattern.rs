//! How people write down the packets of a DTU: text with fields and escapes, such as `REG:{id},{*}\r\n`. Pure.
//!
//! | written | stands for |
//! |---|---|
//! | `{id}` `{id:11}` | the registration id: printable ASCII without blanks; of 11 bytes |
//! | `{hex}` `{hex:6}` | the registration id: any bytes, shown as lower-case hex; 6 of them |
//! | `{imei}` | the registration id: 15 digits, the last of which checks the others |
//! | `{*}` `{*:4}` | bytes that do not matter; 4 of them |
//! | `\r` `\n` `\t` `\0` `\\` `\{` `\xFE` | that byte |
//!
//! A field without a length ends where the text after it begins.

use std::ops::Range;

/// The longest packet, in bytes: makers allow 40 to 80.
pub const PACKET_BYTES_MAX: usize = 128;

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(Vec<u8>),
    Id { kind: IdKind, bytes: Option<usize> },
    Any { bytes: Option<usize> },
}

/// How an id stands in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdKind {
    Text,
    Hex,
    Imei,
}

/// Digits of an IMEI (3GPP TS 23.003, 6.2.1).
pub(super) const IMEI_DIGITS: usize = 15;

/// What is wrong with a pattern; each message ends with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing in it.
    #[error("the pattern is empty: remove it, or write what the DTU sends")]
    Empty,
    /// A brace without its other half.
    #[error("a brace is not closed: write {{id}}, or \\{{ for the brace itself")]
    Brace,
    /// Not one of the fields.
    #[error(
        "there is no field {{{0}}}: write {{id}}, {{hex}}, {{imei}} or {{*}}, with a length such as {{id:11}}"
    )]
    Field(String),
    /// Not one of the escapes.
    #[error("there is no escape \\{0}: write \\r \\n \\t \\0 \\\\ \\{{ or \\x and two hex digits")]
    Escape(String),
    /// Two fields where the first has no end.
    #[error(
        "a field without a length stands before another field: give it one, such as {{id:11}}, or put text between"
    )]
    Endless,
    /// A registration needs exactly one id.
    #[error("a registration has exactly one of {{id}}, {{hex}} and {{imei}}: {0} are there")]
    Ids(usize),
    /// A heartbeat has a fixed length.
    #[error("a heartbeat takes fixed text, {{id}} and {{*:n}} only: write its bytes as they are")]
    Heartbeat,
    /// Longer than any packet.
    #[error("the pattern is longer than {PACKET_BYTES_MAX} bytes: shorten it")]
    Long,
}

/// Reads a pattern.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '{' {
            let end = rest.find('}').ok_or(PatternError::Brace)?;
            parts.push(field(&rest[1..end])?);
            rest = &rest[end + 1..];
            continue;
        }
        let (bytes, length) = if first == '\\' { escape(rest)? } else { plain(first) };
        rest = &rest[length..];
        match parts.last_mut() {
            Some(Part::Literal(literal)) => literal.extend(bytes),
            _ => parts.push(Part::Literal(bytes)),
        }
    }
    check(&parts)?;
    Ok(parts)
}

fn plain(first: char) -> (Vec<u8>, usize) {
    let mut space = [0; 4];
    (first.encode_utf8(&mut space).as_bytes().to_vec(), first.len_utf8())
}

/// The byte of an escape and how long it is written.
fn escape(text: &str) -> Result<(Vec<u8>, usize), PatternError> {
    let unknown = || PatternError::Escape(text.chars().skip(1).take(3).collect());
    let byte = match text.as_bytes().get(1) {
        Some(b'r') => b'\r',
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(plain @ (b'\\' | b'{' | b'}')) => *plain,
        Some(b'x') => {
            let digits = text.get(2..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok()).ok_or_else(unknown)?;
            return Ok((vec![byte], 4));
        }
        _ => return Err(unknown()),
    };
    Ok((vec![byte], 2))
}

fn field(name: &str) -> Result<Part, PatternError> {
    let unknown = || PatternError::Field(name.chars().take(20).collect());
    let (kind, length) = match name.split_once(':') {
        Some((kind, length)) => {
            let length: usize = length.parse().map_err(|_| unknown())?;
            if !(1..=PACKET_BYTES_MAX).contains(&length) {
                return Err(unknown());
            }
            (kind, Some(length))
        }
        None => (name, None),
    };
    Ok(match (kind, length) {
        ("id", bytes) => Part::Id { kind: IdKind::Text, bytes },
        ("hex", bytes) => Part::Id { kind: IdKind::Hex, bytes },
        ("imei", None) => Part::Id { kind: IdKind::Imei, bytes: Some(IMEI_DIGITS) },
        ("*", bytes) => Part::Any { bytes },
        _ => return Err(unknown()),
    })
}

fn check(parts: &[Part]) -> Result<(), PatternError> {
    if parts.is_empty() {
        return Err(PatternError::Empty);
    }
    let endless = |part: &Part| matches!(part, Part::Id { bytes: None, .. } | Part::Any { bytes: None });
    if parts.windows(2).any(|pair| endless(&pair[0]) && !matches!(pair[1], Part::Literal(_))) {
        return Err(PatternError::Endless);
    }
    let shortest: usize = parts.iter().map(shortest).sum();
    if shortest > PACKET_BYTES_MAX { Err(PatternError::Long) } else { Ok(()) }
}

fn shortest(part: &Part) -> usize {
    match part {
        Part::Literal(literal) => literal.len(),
        Part::Id { bytes, .. } => bytes.unwrap_or(1),
        Part::Any { bytes } => bytes.unwrap_or(0),
    }
}

/// What a literal finds in the bytes so far.
pub(super) enum Sought {
    /// There.
    At(Range<usize>),
    /// Not there yet.
    NotYet,
}

/// Where `literal` first stands at or after `from`.
pub(super) fn seek(bytes: &[u8], from: usize, literal: &[u8]) -> Sought {
    let found = bytes.get(from..).and_then(|rest| rest.windows(literal.len()).position(|w| w == literal));
    match found {
        Some(at) => Sought::At(from + at..from + at + literal.len()),
        None => Sought::NotYet,
    }
}
