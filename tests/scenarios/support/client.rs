//! An HTTP client as any program would be one: a base address and a session token.

use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    token: Option<String>,
}

/// Status and JSON body (null when there is none).
pub(crate) type Answer = (u16, Value);

impl Client {
    pub(crate) fn new(address: impl std::fmt::Display) -> Client {
        Client { base: format!("http://{address}/api/v1"), token: None }
    }
    pub(crate) fn with_token(&self, token: &str) -> Client {
        Client { token: Some(token.into()), ..self.clone() }
    }
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://").trim_end_matches("/api/v1")
    }
    /// The same caller at the root of the server, where clients of other people's protocols come.
    pub(crate) fn at_root(&self) -> Client {
        Client { base: self.base.trim_end_matches("/api/v1").into(), ..self.clone() }
    }
    pub(crate) fn websocket(&self) -> String {
        format!("{}/live", self.base.replacen("http", "ws", 1))
    }
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().expect("signed in")
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_send(method, path, body).expect("the node answers")
    }

    /// `None` when the node cannot be reached or breaks off.
    pub(crate) fn try_send(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let bytes = body.map_or_else(Vec::new, |b| b.to_string().into_bytes());
        let (status, bytes) =
            self.try_send_bytes(method, path, &[("content-type", "application/json")], bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Status and bytes; `None` when the node cannot be reached or breaks off.
    pub(crate) fn try_send_bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Option<(u16, Vec<u8>)> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(std::time::Duration::from_secs(30)))
            .allow_non_standard_methods(true)
            .build()
            .into();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(body).expect("a request")).ok()?;
        let status = response.status().as_u16();
        Some((status, response.body_mut().with_config().limit(256 << 20).read_to_vec().ok()?))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }
    pub(crate) fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.send("POST", path, Some(&body));
        assert!((200..300).contains(&status), "POST {path} {body}: {status} {answer}");
        answer
    }
    pub(crate) fn put(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.send("PUT", path, Some(&body));
        assert!((200..300).contains(&status), "PUT {path} {body}: {status} {answer}");
        answer
    }
}

/// The id of an object that the API gave back.
pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_string()
}
