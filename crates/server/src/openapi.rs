//! The OpenAPI 3.1 document, made from the routes themselves: what is not a route is not in it, and the other way round.

use sdk::http::{Method, NamedSchema, Permission, ProblemBody, Route};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

/// A mounted route: where it was mounted and what it is.
pub(crate) struct Mounted<'a> {
    pub(crate) prefix: String,
    pub(crate) tag: &'static str,
    pub(crate) route: &'a Route,
}

/// The whole document.
pub(crate) fn document(routes: &[Mounted<'_>]) -> Value {
    let mut schemas = Map::new();
    let mut paths: Map<String, Value> = Map::new();
    note_schema(&mut schemas, "Problem", ProblemBody::schema(), ProblemBody::schemas);
    for mounted in routes {
        let path = format!("{}{}", mounted.prefix, mounted.route.path);
        let entry = paths.entry(path.clone()).or_insert_with(|| json!({}));
        entry[method_name(mounted.route.method)] = operation(mounted, &path, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sinew",
            "version": "v1",
            "description": "Additive only: a field or route that is here stays. Errors are application/problem+json.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": crate::gate::COOKIE,
                    "description": "followed by _ and the port when the address names one" },
                "token": { "type": "http", "scheme": "bearer" }
            }
        }
    })
}

fn operation(mounted: &Mounted<'_>, path: &str, schemas: &mut Map<String, Value>) -> Value {
    let route = mounted.route;
    let operation = &route.operation;
    let parameters: Vec<Value> = path_parameters(path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .chain(operation.query.iter().map(|(name, description, required)| {
            json!({ "name": name, "in": "query", "required": required, "description": description,
                    "schema": { "type": "string" } })
        }))
        .collect();
    let mut made = json!({
        "summary": operation.summary,
        "tags": [mounted.tag],
        "operationId": operation_id(route.method, path),
        "x-permission": route.permission,
        "parameters": parameters,
        "responses": responses(operation, schemas),
    });
    if route.permission != Permission::Public {
        made["security"] = json!([{ "session": [] }, { "token": [] }]);
    }
    if let Some(body) = &operation.body {
        made["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": reference(schemas, body) } } });
    } else if let Some(content) = operation.body_content {
        made["requestBody"] =
            json!({ "required": true, "content": { content: { "schema": { "type": "string" } } } });
    }
    made
}

fn responses(operation: &sdk::http::Operation, schemas: &mut Map<String, Value>) -> Value {
    let (status, schema) = match &operation.returns {
        Some((status, schema)) => (*status, schema.as_ref()),
        None => (200, None),
    };
    let mut success = json!({ "description": "done" });
    if let Some(schema) = schema {
        success["content"] = json!({ "application/json": { "schema": reference(schemas, schema) } });
    } else if let Some(content) = operation.returns_content {
        success["content"] = json!({ content: { "schema": { "type": "string" } } });
    }
    let problem = json!({
        "description": "what went wrong, where, and what to do next",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
    });
    let mut responses = Map::new();
    responses.insert(status.to_string(), success);
    responses.insert("default".into(), problem);
    Value::Object(responses)
}

fn reference(schemas: &mut Map<String, Value>, named: &NamedSchema) -> Value {
    for (name, schema) in &named.others {
        schemas.entry(name.clone()).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
    }
    schemas
        .entry(named.name.clone())
        .or_insert_with(|| serde_json::to_value(&named.schema).unwrap_or_default());
    json!({ "$ref": format!("#/components/schemas/{}", named.name) })
}

type Schemas = Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>;

fn note_schema(
    schemas: &mut Map<String, Value>,
    name: &str,
    schema: utoipa::openapi::RefOr<utoipa::openapi::Schema>,
    others: impl FnOnce(&mut Schemas),
) {
    schemas.insert(name.into(), serde_json::to_value(schema).unwrap_or_default());
    let mut referred = Vec::new();
    others(&mut referred);
    for (name, schema) in referred {
        schemas.entry(name).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
    }
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Put => "put",
        Method::Patch => "patch",
        Method::Delete => "delete",
    }
}

fn operation_id(method: Method, path: &str) -> String {
    let words = path.trim_start_matches("/api/v1/").split(['/', '.', '-']);
    let words: Vec<&str> = words.map(|w| w.trim_matches(['{', '}'])).filter(|w| !w.is_empty()).collect();
    format!("{}_{}", method_name(method), words.join("_"))
}
