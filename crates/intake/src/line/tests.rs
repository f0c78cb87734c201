//! Cases of the specification, and bytes of any kind.

use super::*;
use proptest::prelude::*;

fn read(body: &str) -> Vec<Result<String, String>> {
    Lines::of(body.as_bytes())
        .map(|line| {
            let line = line.map_err(|error| error.to_string())?;
            let names = line.names()?;
            let mut text = format!("{} {}", line.number, names.measurement);
            for (name, value) in names.tags {
                text += &format!(" [{name}={value}]");
            }
            for field in line.fields() {
                let (name, value) = field?;
                let value = match value {
                    FieldValue::Text(text) => format!("{:?}", unescape_text(text)?),
                    other => format!("{other:?}"),
                };
                text += &format!(" {}={value}", unescaped(name)?);
            }
            Ok(text + &line.time.map(|time| format!(" @{time}")).unwrap_or_default())
        })
        .collect()
}

#[test]
fn the_examples_of_the_specification() {
    for (body, expected) in [
        (
            "myMeasurement,tag1=value1,tag2=value2 fieldKey=\"fieldValue\" 1556813561098000000",
            "1 myMeasurement [tag1=value1] [tag2=value2] fieldKey=\"fieldValue\" @1556813561098000000",
        ),
        ("m f=1", "1 m f=Float(1.0)"),
        ("m f=1i", "1 m f=Integer(1)"),
        ("m f=-12485903i", "1 m f=Integer(-12485903)"),
        ("m f=12485903u", "1 m f=Unsigned(12485903)"),
        ("m f=-1.234456e+78", "1 m f=Float(-1.234456e78)"),
        ("m a=t,b=T,c=FALSE,d=f", "1 m a=Boolean(true) b=Boolean(true) c=Boolean(false) d=Boolean(false)"),
        (r#"my\ Measurement f="s""#, "1 my Measurement f=\"s\""),
        (
            r#"m,tag\ Key1=tag\ Value1,tag\=2=a\,b f\ 1=1i"#,
            "1 m [tag Key1=tag Value1] [tag=2=a,b] f 1=Integer(1)",
        ),
        (r#"m f="string \"with\" \\ and a \ one" 5"#, r#"1 m f="string \"with\" \\ and a \\ one" @5"#),
        // As Telegraf writes a distinguished name with a backslash and a comma.
        (r"ldap,dn=CN\=Smith\\,\ John on=true", r"1 ldap [dn=CN=Smith\, John] on=Boolean(true)"),
        (r"win,dir=C:\\ D: f=1 5", r"1 win [dir=C:\ D:] f=Float(1.0) @5"),
        ("m f=\"two\nlines\" 7", "1 m f=\"two\\nlines\" @7"),
        (r#"m,t="a f"b=1,c="d" 5"#, r#"1 m [t="a] f"b=Float(1.0) c="d" @5"#),
        ("测量,站=3号 温度=21.5 1", "1 测量 [站=3号] 温度=Float(21.5) @1"),
        ("m f=1 -5\r\n", "1 m f=Float(1.0) @-5"),
        ("m,b=2,a=1 f=1 ", "1 m [a=1] [b=2] f=Float(1.0)"),
        (
            "m f=9223372036854775807i,g=-9223372036854775808i,h=18446744073709551615u",
            "1 m f=Integer(9223372036854775807) g=Integer(-9223372036854775808) h=Unsigned(18446744073709551615)",
        ),
    ] {
        assert_eq!(read(body), [Ok(expected.to_string())], "{body}");
    }
}

#[test]
fn a_bad_line_is_named_and_costs_that_line_only() {
    let body = "a f=1 1\n# note\n\n  b f=x 2\nc 3\nd\ne f=1 x\n,t=1 f=1\nf f=\"open 1\ng f=2 9";
    let read = read(body);
    assert_eq!(read[0], Ok("1 a f=Float(1.0) @1".into()));
    assert_eq!(read.last().unwrap(), &Ok("10 g f=Float(2.0) @9".to_string()));
    let bad: Vec<String> = read.into_iter().filter_map(Result::err).collect();
    assert_eq!(bad.len(), 6, "{bad:#?}");
    for wanted in [
        "field `f`: `x` is no value",
        "`3` is not a field",
        "line 6: there is no space",
        "line 7: the time",
        "line 8: the measurement",
        "line 9: a text does not end",
    ] {
        assert!(bad.iter().any(|text| text.contains(wanted)), "{wanted}: {bad:#?}");
    }
}

#[test]
fn what_is_no_value_is_refused() {
    for value in [
        "",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "1e999",
        "i",
        "-u",
        "+1u",
        "1.5i",
        "9223372036854775808i",
        "-1u",
        "1 2 3",
        "tr",
        "\"a\"b",
        "1,",
        "1,g",
        "1,g=",
        "1,=2",
        "0x10",
        "--1",
        "1_000",
    ] {
        let body = format!("m f={value}");
        assert!(read(&body).iter().any(Result::is_err), "{value}: {:?}", read(&body));
    }
}

#[test]
fn tags_are_names_with_values() {
    for tags in [",a", ",a=", ",=1", ",a=1=2", ",,a=1"] {
        assert!(read(&format!("m{tags} f=1"))[0].is_err(), "{tags}");
    }
    assert!(Lines::of(b"m,t=\xff f=1").next().unwrap().unwrap().names().is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end(body in proptest::collection::vec(
        prop_oneof![Just(b' '), Just(b','), Just(b'='), Just(b'"'), Just(b'\\'), Just(b'\n'), Just(b'1'), Just(b'i'), any::<u8>()], 0..200))
    {
        let mut lines = 0;
        for line in Lines::of(&body).flatten() {
            lines += 1;
            let _ = line.names();
            let _ = line.fields().count();
        }
        prop_assert!(lines <= body.len());
    }

    #[test]
    fn what_is_written_is_read_again(names in proptest::collection::vec("[ -~\u{4e00}-\u{4e10}]{1,8}", 3), value: f64, text in "[ -~\n]{0,20}", time: i64) {
        prop_assume!(value.is_finite() && !names.iter().any(|name| name.ends_with('\\')) && !names[0].starts_with(['#', ' ']));
        let escaped = |name: &str| name.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ");
        // In a measurement an equals sign needs no escape, and may have one.
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let body = format!("{},{}={} f={value:?},s=\"{quoted}\" {time}\n", escaped(&names[0]), escaped(&names[1]), escaped(&names[2]));
        let line = Lines::of(body.as_bytes()).next().unwrap().unwrap();
        let found = line.names().unwrap();
        prop_assert_eq!(&found.measurement, &names[0]);
        prop_assert_eq!(&found.tags, &[(names[1].clone(), names[2].clone())]);
        let fields: Vec<_> = line.fields().map(Result::unwrap).collect();
        prop_assert_eq!(fields[0], (&b"f"[..], FieldValue::Float(value)));
        let FieldValue::Text(raw) = fields[1].1 else { panic!() };
        prop_assert_eq!(unescape_text(raw).unwrap(), text);
        prop_assert_eq!(line.time, Some(time));
    }
}
