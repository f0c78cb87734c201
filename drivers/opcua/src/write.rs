//! Writes: a value in the node's own type and read back, or a method called with typed arguments.

use opcua::types::*;
use sdk::{BoundPoint, WriteOrder, Written};
use serde_json::Value as Json;
use types::{Fault, Value, ValueType, codes};

use crate::{
    address::{Address, Node, Target},
    facts::{Facts, attribute_of, read, value_of},
    fault::{self, Trouble, name},
    value,
    wire::Wire,
};

/// Why nothing was written, as far as is known.
pub(crate) enum Failure {
    /// The server or we refused; the connection is well.
    Refused(Fault),
    /// The connection is gone; whether the server took it is unknown.
    Lost(Trouble),
}

/// Answers an order; whoever gave it may have gone.
pub(crate) fn answer(order: WriteOrder, outcome: Result<Written, Fault>) {
    let _gone = order.reply.send(outcome);
}

pub(crate) fn unknown_point() -> Fault {
    Fault::new(codes::NOT_FOUND, "this device has no such point; look at its list of points")
}

/// Carries out one write.
pub(crate) async fn write(
    wire: &Wire,
    facts: &Facts,
    point: &BoundPoint,
    address: &Address,
    value: &Value,
) -> Result<Written, Failure> {
    let order = Order { wire, facts, point };
    match &address.target {
        Target::Value { node, element } => order.value(node, *element, value).await,
        Target::Method { object, method } => order.call(object, method, value).await,
    }
}

struct Order<'a> {
    wire: &'a Wire,
    facts: &'a Facts,
    point: &'a BoundPoint,
}

impl Order<'_> {
    fn refused(&self, reason: &str, next: &str) -> Failure {
        Failure::Refused(fault::write_refused(&self.point.address, reason, next))
    }

    fn status(&self, status: StatusCode) -> Failure {
        let next = match status {
            StatusCode::BadNotWritable | StatusCode::BadUserAccessDenied => {
                "give this client's user the right to write in the server"
            }
            StatusCode::BadTypeMismatch => "check the type of the point against the node",
            StatusCode::BadOutOfRange => "look up the node's range in the server",
            StatusCode::BadNodeIdUnknown | StatusCode::BadNodeIdInvalid | StatusCode::BadMethodInvalid => {
                "browse the server and choose the node again"
            }
            _ => "look the status up in the server's manual or log",
        };
        self.refused(&format!("the server answered {}", name(status)), next)
    }

    /// Refusals are answers; all else ends the connection.
    fn failed(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Refused { status, .. } if !crate::subscription::is_session(status) => {
                self.status(status)
            }
            trouble => Failure::Lost(trouble),
        }
    }

    fn resolve(&self, node: &Node) -> Result<NodeId, Failure> {
        let next = "browse the server and choose the node again";
        node.resolve(&self.facts.namespaces)
            .ok_or_else(|| self.refused("the server has no such namespace", next))
    }

    async fn read_one(&self, asked: ReadValueId) -> Result<DataValue, Failure> {
        let values = read(self.wire, &[asked], 1).await.map_err(|trouble| self.failed(trouble))?;
        values.into_iter().next().ok_or_else(|| self.status(StatusCode::BadUnknownResponse))
    }

    async fn value(&self, node: &Node, element: Option<u32>, value: &Value) -> Result<Written, Failure> {
        let node = self.resolve(node)?;
        let asked = ReadValueId {
            index_range: element.map_or(NumericRange::None, NumericRange::Index),
            ..value_of(node.clone())
        };
        let now = self.read_one(asked.clone()).await?;
        if let Some(status) =
            now.status.filter(|status| value::quality(*status) == types::Quality::BAD_ADDRESS)
        {
            return Err(self.status(status));
        }
        let of = match now.value.as_ref().and_then(Variant::scalar_type_id) {
            Some(of) => of,
            None => self.declared(node).await?,
        };
        let is_array = now.value.as_ref().is_some_and(Variant::is_array);
        let Some(native) = value::written(value, self.point.scaling, of, is_array) else {
            let reason = format!("{value} does not fit the node, which holds {of:?}");
            return Err(self.refused(&reason, "change the value, or the point's type and scaling"));
        };
        let request = WriteRequest {
            request_header: RequestHeader::dummy(),
            nodes_to_write: Some(vec![WriteValue {
                node_id: asked.node_id.clone(),
                attribute_id: asked.attribute_id,
                index_range: asked.index_range.clone(),
                // Most servers refuse a write with a status or timestamp.
                value: DataValue { value: Some(native), ..DataValue::null() },
            }]),
        };
        let response = self.wire.call(request).await.map_err(|trouble| self.failed(trouble))?;
        let status = response.results.into_iter().flatten().next().unwrap_or(StatusCode::BadUnknownResponse);
        if status.is_bad() {
            return Err(self.status(status));
        }
        // It is written now: that it cannot be read again is not a failure of the write.
        let read_back = match self.read_one(asked).await {
            Ok(data) => {
                let data = value::element_of(&data, element);
                value::shown(&data, self.point.scaling, self.point.value_type).0
            }
            Err(_) => None,
        };
        Ok(Written { read_back })
    }

    /// The type that a node without a value declares.
    async fn declared(&self, node: NodeId) -> Result<VariantScalarTypeId, Failure> {
        let data = self.read_one(attribute_of(node, AttributeId::DataType)).await?;
        let declared = match &data.value {
            Some(Variant::NodeId(id)) => VariantScalarTypeId::try_from(&**id).ok(),
            _ => None,
        };
        let next = "wait until the server has a value for it, or write to another node";
        declared.ok_or_else(|| self.refused("the node has no value whose type could be taken", next))
    }

    async fn call(&self, object: &Node, method: &Node, value: &Value) -> Result<Written, Failure> {
        let (object_id, method_id) = (self.resolve(object)?, self.resolve(method)?);
        let wanted = self.arguments(&method_id).await?;
        let given = arguments(value, &wanted);
        let given = given
            .map_err(|reason| self.refused(&reason, "write a JSON array with one value for each argument"))?;
        let call = CallMethodRequest { object_id, method_id, input_arguments: Some(given) };
        let request =
            CallRequest { request_header: RequestHeader::dummy(), methods_to_call: Some(vec![call]) };
        let response = self.wire.call(request).await.map_err(|trouble| self.failed(trouble))?;
        let Some(result) = response.results.into_iter().flatten().next() else {
            return Err(self.status(StatusCode::BadUnknownResponse));
        };
        if result.status_code.is_bad() {
            return Err(self.status(result.status_code));
        }
        Ok(Written {
            read_back: returned(&result.output_arguments.unwrap_or_default(), self.point.value_type),
        })
    }

    /// The method's input arguments; none when it has no such property.
    async fn arguments(&self, method: &NodeId) -> Result<Vec<Argument>, Failure> {
        let request = BrowseRequest {
            request_header: RequestHeader::dummy(),
            view: ViewDescription::default(),
            requested_max_references_per_node: 0,
            nodes_to_browse: Some(vec![BrowseDescription {
                node_id: method.clone(),
                browse_direction: BrowseDirection::Forward,
                reference_type_id: ReferenceTypeId::HasProperty.into(),
                include_subtypes: true,
                node_class_mask: NodeClass::Variable as u32,
                result_mask: BrowseDescriptionResultMask::RESULT_MASK_BROWSE_NAME.bits(),
            }]),
        };
        let response = self.wire.call(request).await.map_err(|trouble| self.failed(trouble))?;
        let found =
            response.results.into_iter().flatten().flat_map(|result| result.references.unwrap_or_default());
        let property =
            found.into_iter().find(|property| property.browse_name.name.as_ref() == "InputArguments");
        let Some(property) = property else { return Ok(Vec::new()) };
        let data = self.read_one(value_of(property.node_id.node_id)).await?;
        let Some(Variant::Array(array)) = data.value else { return Ok(Vec::new()) };
        let argument = |variant: &Variant| match variant {
            Variant::ExtensionObject(object) => object.inner_as::<Argument>().cloned(),
            _ => None,
        };
        Ok(array.values.iter().filter_map(argument).collect())
    }
}

/// What was written, as the arguments that a method takes.
fn arguments(value: &Value, wanted: &[Argument]) -> Result<Vec<Variant>, String> {
    let given: Vec<Json> = match (value, wanted) {
        // A method without arguments is called by writing anything that is not a list.
        (value, []) if !is_list(value) => Vec::new(),
        (Value::String(text), _) if is_list(value) => serde_json::from_str(text)
            .map_err(|error| format!("`{}` is no JSON array: {error}", shorten(text)))?,
        (value, _) => vec![value.to_json()],
    };
    if given.len() != wanted.len() {
        let names: Vec<&str> = wanted.iter().map(|argument| argument.name.as_ref()).collect();
        return Err(format!(
            "{} arguments were given, the method takes {} ({})",
            given.len(),
            wanted.len(),
            names.join(", ")
        ));
    }
    let typed = |(json, argument): (&Json, &Argument)| {
        let of = VariantScalarTypeId::try_from(&argument.data_type);
        let of =
            of.map_err(|_| format!("argument `{}` has a type that cannot be written here", argument.name))?;
        let wrong =
            || format!("`{}` is no {of:?} for argument `{}`", shorten(&json.to_string()), argument.name);
        match json {
            Json::Array(elements) if argument.value_rank >= 1 => {
                let elements: Option<Vec<Variant>> =
                    elements.iter().map(|element| scalar(element, of)).collect();
                let array = Array::new(of, elements.ok_or_else(wrong)?).map_err(|_| wrong())?;
                Ok(Variant::Array(Box::new(array)))
            }
            json => scalar(json, of).ok_or_else(wrong),
        }
    };
    given.iter().zip(wanted).map(typed).collect()
}

fn is_list(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.trim_start().starts_with('['))
}

fn scalar(json: &Json, of: VariantScalarTypeId) -> Option<Variant> {
    let value_type = value::value_type(of as u32)?;
    value::variant(&Value::from_json(value_type, json).ok()?, of)
}

/// What a method returned: one output as it is, several as a JSON array; `None` for none.
fn returned(outputs: &[Variant], wanted: ValueType) -> Option<Value> {
    let json = |variant: &Variant| match variant {
        Variant::Array(array) => Json::Array(
            array.values.iter().map(|v| value::native(v).map_or(Json::Null, |v| v.to_json())).collect(),
        ),
        scalar => value::native(scalar).map_or(Json::Null, |v| v.to_json()),
    };
    match outputs {
        [] => None,
        [only] if value::native(only).is_some_and(|v| sdk::poll::fit(v, wanted).is_ok()) => {
            value::native(only).and_then(|v| sdk::poll::fit(v, wanted).ok())
        }
        many if wanted == ValueType::String => {
            Some(Value::String(Json::Array(many.iter().map(json).collect()).to_string().into()))
        }
        _ => None,
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn argument(name: &str, of: DataTypeId, value_rank: i32) -> Argument {
        Argument { name: name.into(), data_type: of.into(), value_rank, ..Argument::default() }
    }
    fn text(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn arguments_take_the_types_of_the_method() {
        let wanted = [argument("speed", DataTypeId::Float, -1), argument("count", DataTypeId::UInt16, -1)];
        let given = arguments(&text(r#"[1.5, 7]"#), &wanted).unwrap();
        assert_eq!(given, [Variant::Float(1.5), Variant::UInt16(7)]);
        assert!(arguments(&text("[1.5, -7]"), &wanted).unwrap_err().contains("count"));
        assert!(arguments(&text("[1.5]"), &wanted).unwrap_err().contains("speed, count"));
        assert!(arguments(&text("[1.5"), &wanted).unwrap_err().contains("JSON"));
        let one = [argument("id", DataTypeId::Int64, -1)];
        assert_eq!(arguments(&Value::I64(i64::MIN), &one), Ok(vec![Variant::Int64(i64::MIN)]));
        assert_eq!(
            arguments(&text("9007199254740993"), &one),
            Ok(vec![Variant::Int64(9_007_199_254_740_993)])
        );
        assert_eq!(
            arguments(&Value::Bool(true), &[]),
            Ok(vec![]),
            "any value calls a method without arguments"
        );
        let list = [argument("values", DataTypeId::Double, 1)];
        let Variant::Array(array) = &arguments(&text("[[1, 2.5]]"), &list).unwrap()[0] else { panic!() };
        assert_eq!(array.values, [Variant::Double(1.0), Variant::Double(2.5)]);
    }

    #[test]
    fn outputs_come_back() {
        assert_eq!(returned(&[], ValueType::String), None);
        assert_eq!(returned(&[Variant::Float(0.5)], ValueType::F64), Some(Value::F64(0.5)));
        let two = [Variant::Int32(1), Variant::String("ok".into())];
        assert_eq!(returned(&two, ValueType::String), Some(text(r#"["1","ok"]"#)));
        assert_eq!(returned(&two, ValueType::F64), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(given in "\\PC{0,30}") {
            let wanted = [argument("a", DataTypeId::Int32, -1)];
            drop(arguments(&text(&given), &wanted));
            drop(arguments(&text(&format!("[{given}]")), &wanted));
        }
    }
}
