//! What a name, a label and a key may look like. Pure.

use types::{Fault, Label, codes};

/// Characters of a name or of a label in one language.
pub(crate) const NAME_CHARS_MAX: usize = 100;

fn bad(text: &str, what: &str) -> Option<String> {
    let chars = text.chars().count();
    if chars > NAME_CHARS_MAX {
        return Some(format!("{what} has {chars} characters, the limit is {NAME_CHARS_MAX}: shorten it"));
    }
    if text.chars().any(char::is_control) {
        return Some(format!("{what} holds line breaks or other control characters: remove them"));
    }
    if text.trim() != text {
        return Some(format!("{what} starts or ends with a space: remove it"));
    }
    None
}

/// A name that people read, such as a device's.
pub(crate) fn check_name(text: &str, path: &str) -> Result<(), Fault> {
    let detail =
        if text.is_empty() { Some("the name is empty: enter one".into()) } else { bad(text, "the name") };
    detail.map_or(Ok(()), |detail| Err(Fault::new("name.invalid", detail).at(path)))
}

/// A name in one or both languages; may be empty.
pub(crate) fn check_label(label: &Label, path: &str) -> Result<(), Fault> {
    let detail = bad(&label.zh, "the Chinese name").or_else(|| bad(&label.en, "the English name"));
    detail.map_or(Ok(()), |detail| Err(Fault::new("name.invalid", detail).at(path)))
}

/// A name in at least one language.
pub(crate) fn check_full_label(label: &Label, path: &str) -> Result<(), Fault> {
    if label.is_empty() {
        return Err(Fault::new("name.invalid", "the name is empty: enter one in zh or en").at(path));
    }
    check_label(label, path)
}

/// A key that programs use: letters of any script, digits, `_`, `-` and `.`.
pub(crate) fn check_key(text: &str, path: &str) -> Result<(), Fault> {
    let sound = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let shown: String = text.chars().take(NAME_CHARS_MAX).collect();
    let detail = if text.is_empty() {
        "the name is empty: enter one, such as discharge_pressure".to_string()
    } else if text.chars().count() > NAME_CHARS_MAX {
        format!("`{shown}…` is longer than {NAME_CHARS_MAX} characters: shorten it")
    } else if let Some(wrong) = text.chars().find(|c| !sound(*c)) {
        format!("`{shown}` holds `{}`: use letters, digits, _ - and . only", wrong.escape_default())
    } else {
        return Ok(());
    };
    Err(Fault::new("name.invalid", detail).arg("name", shown).at(path))
}

/// A unit by its UCUM code or a symbol people write; gives the code.
pub(crate) fn check_unit(text: &str, path: &str) -> Result<&'static str, Fault> {
    types::Unit::parse(text).map(|unit| unit.code).map_err(|error| {
        let detail = format!("{error}; choose a unit from the list, or 1 for none");
        let fault = Fault::new("unit.unknown", detail).arg("unit", error.text.as_str()).at(path);
        match error.hint {
            Some(hint) => fault.arg("hint", hint),
            None => fault,
        }
    })
}

/// Both finite, the first below the second.
pub(crate) fn check_bounds(low: f64, high: f64, path: &str) -> Result<(), Fault> {
    if low.is_finite() && high.is_finite() && low < high {
        return Ok(());
    }
    let detail = format!("{low} to {high} is no range: the first number must be below the second");
    Err(Fault::new(codes::INVALID, detail).arg("low", low).arg("high", high).at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for sound in ["discharge_pressure", "排气压力", "PT-101.PV", "a", "ß", &"x".repeat(NAME_CHARS_MAX)]
        {
            assert_eq!(check_key(sound, ""), Ok(()), "{sound}");
        }
        for wrong in ["", " ", "a b", "a/b", "=1+1", "a\n", "a,b", &"x".repeat(NAME_CHARS_MAX + 1)] {
            assert!(check_key(wrong, "").is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn labels() {
        assert_eq!(check_full_label(&Label::both("1 号空压机", ""), ""), Ok(()));
        for wrong in
            [Label::default(), Label::plain(" x"), Label::plain("a\tb"), Label::plain("长".repeat(101))]
        {
            assert!(check_full_label(&wrong, "").is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn units_and_bounds() {
        assert_eq!(check_unit("℃", ""), Ok("Cel"));
        let near = check_unit("KWH", "/unit").unwrap_err();
        assert_eq!((near.args["hint"].clone(), near.path), ("kW.h".into(), Some("/unit".into())));
        for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(check_bounds(low, high, "").is_err(), "{low} {high}");
        }
    }
}
