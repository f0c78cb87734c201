//! Functions of PostgreSQL that its clients ask the server with, beside those that the wire has.

use std::sync::Arc;

use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_string_array;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::VERSION;

/// For every connection.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let nothing =
        ["pg_get_serial_sequence", "pg_get_function_result", "pg_get_function_arguments", "pg_get_indexdef"];
    let seen = ["pg_type_is_visible", "pg_collation_is_visible", "pg_function_is_visible"];
    let mut functions =
        vec![Told::new("version", Answer::Version), Told::new("current_setting", Answer::Setting)];
    functions.extend(nothing.map(|name| Told::new(name, Answer::Nothing)));
    functions.push(Told::new("to_regtype", Answer::NoNumber));
    functions.extend(seen.map(|name| Told::new(name, Answer::Yes)));
    functions.into_iter().map(|told| Arc::new(ScalarUDF::from(told))).collect()
}

/// Settings that are told, all of them fixed.
pub(super) const SETTINGS: [(&str, &str); 12] = [
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("default_transaction_read_only", "on"),
    ("integer_datetimes", "on"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", "16.6"),
    ("server_version_num", "160006"),
    ("standard_conforming_strings", "on"),
    ("transaction_isolation", "read committed"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Answer {
    Version,
    /// Of a name; with a second argument that is true, null for one that is unknown.
    Setting,
    Nothing,
    NoNumber,
    Yes,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Told {
    name: &'static str,
    answer: Answer,
    signature: Signature,
}

impl Told {
    fn new(name: &'static str, answer: Answer) -> Told {
        let signature = match answer {
            Answer::Version => Signature::nullary(Volatility::Stable),
            _ => Signature::variadic_any(Volatility::Stable),
        };
        Told { name, answer, signature }
    }
}

impl ScalarUDFImpl for Told {
    fn name(&self) -> &str {
        self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.answer {
            Answer::Yes => DataType::Boolean,
            Answer::NoNumber => DataType::Int32,
            Answer::Version | Answer::Setting | Answer::Nothing => DataType::Utf8,
        })
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let text = |text: Option<String>| Ok(ColumnarValue::Scalar(ScalarValue::Utf8(text)));
        match self.answer {
            Answer::Version => text(Some(format!("PostgreSQL {VERSION}"))),
            Answer::Nothing => text(None),
            Answer::NoNumber => Ok(ColumnarValue::Scalar(ScalarValue::Int32(None))),
            Answer::Yes => Ok(ColumnarValue::Scalar(ScalarValue::from(true))),
            Answer::Setting => {
                let may_miss =
                    matches!(args.args.get(1), Some(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true)))));
                let Some(names) = args.args.first() else { return exec_err!("current_setting needs a name") };
                let names = names.to_array(args.number_rows)?;
                let names = cast(&names, &DataType::Utf8)?;
                let values: StringArray = as_string_array(&names)?
                    .iter()
                    .map(|name| match name.map(|name| (name, setting(name))) {
                        Some((_, Some(value))) => Ok(Some(value)),
                        Some((name, None)) if !may_miss => exec_err!("there is no setting `{name}`"),
                        _ => Ok(None),
                    })
                    .collect::<Result<_>>()?;
                Ok(ColumnarValue::Array(Arc::new(values)))
            }
        }
    }
}

fn setting(name: &str) -> Option<&'static str> {
    SETTINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}
