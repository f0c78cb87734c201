//! Sealing: secrets on disk can be read only together with the node's seal key, which lies beside the stores and not in
//! them, so that a copy of the records alone gives nothing away.
//!
//! ChaCha20-Poly1305 (RFC 8439) with a random nonce; the organisation and the place are authenticated, so that a sealed
//! text is worth nothing elsewhere.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};
use types::{Fault, OrgId, Random, codes, random_bytes};

/// The only key of the object that stands in a configuration in place of a secret.
const MARK: &str = "$sealed";
/// First part of a sealed text: the form of what follows.
const FORM: &str = "1.";

/// The node's seal; clones share the key.
#[derive(Clone)]
pub struct Seal {
    key: Arc<LessSafeKey>,
    random: Random,
}

impl Seal {
    /// Bytes of a seal key.
    pub const KEY_BYTES: usize = 32;

    /// With this key.
    ///
    /// # Errors
    /// A key that is not [`Seal::KEY_BYTES`] long.
    pub fn with_key(key: &[u8], random: Random) -> Result<Seal, Fault> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| {
            let detail = format!(
                "the seal key has {} bytes instead of {}: put the right file back from a backup",
                key.len(),
                Seal::KEY_BYTES
            );
            Fault::new("seal.key", detail)
        })?;
        Ok(Seal { key: Arc::new(LessSafeKey::new(key)), random })
    }

    /// Closes a secret for one place of one organisation.
    pub fn close(&self, org: OrgId, place: &str, plain: &[u8]) -> Result<String, Fault> {
        let nonce: [u8; NONCE_LEN] = random_bytes(&self.random);
        let mut bytes = plain.to_vec();
        let sealed = self.key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(about(org, place)),
            &mut bytes,
        );
        sealed.map_err(|_| Fault::new(codes::LIMIT, "the secret is too long to be sealed: shorten it"))?;
        Ok(format!("{FORM}{}", BASE64.encode([&nonce[..], &bytes].concat())))
    }

    /// Opens what was closed for the same place of the same organisation.
    pub fn open(&self, org: OrgId, place: &str, sealed: &str) -> Result<Vec<u8>, Fault> {
        let foreign = || {
            Fault::new(
                "seal.foreign",
                "this secret was sealed by another node or for another place: enter it again",
            )
        };
        let bytes =
            sealed.strip_prefix(FORM).and_then(|text| BASE64.decode(text).ok()).ok_or_else(foreign)?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(foreign)?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.key.open_in_place(nonce, Aad::from(about(org, place)), &mut rest);
        Ok(plain.map_err(|_| foreign())?.to_vec())
    }

    /// The configuration as it is stored: every text whose key the schema calls `writeOnly` is sealed. Sealed ones stay.
    pub fn close_config(
        &self,
        org: OrgId,
        place: &str,
        schema: &Value,
        config: &Value,
    ) -> Result<Value, Fault> {
        let mut secret = BTreeSet::new();
        secret_keys(schema, &mut secret);
        self.close_below(org, place, &secret, config)
    }

    fn close_below(
        &self,
        org: OrgId,
        place: &str,
        secret: &BTreeSet<String>,
        config: &Value,
    ) -> Result<Value, Fault> {
        Ok(match config {
            Value::Object(fields) => {
                let close = |(key, value): (&String, &Value)| {
                    let closed = match value {
                        Value::String(plain) if !plain.is_empty() && secret.contains(key) => {
                            serde_json::json!({ MARK: self.close(org, &at(place, key), plain.as_bytes())? })
                        }
                        _ => self.close_below(org, place, secret, value)?,
                    };
                    Ok((key.clone(), closed))
                };
                Value::Object(fields.iter().map(close).collect::<Result<_, Fault>>()?)
            }
            Value::Array(items) => {
                let close = |item| self.close_below(org, place, secret, item);
                Value::Array(items.iter().map(close).collect::<Result<_, _>>()?)
            }
            plain => plain.clone(),
        })
    }

    /// The configuration as a driver takes it: nothing is sealed in it. A sealed text opens only under the key that it was
    /// sealed under: moved to a field that is shown, logged or sent, it would tell the secret to whoever moved it.
    ///
    /// # Errors
    /// A text that this node did not seal, or not for this field, with its place.
    pub fn open_config(&self, org: OrgId, place: &str, config: &Value) -> Result<Value, Fault> {
        self.open_below(org, place, "", config)
    }

    fn open_below(&self, org: OrgId, place: &str, key: &str, config: &Value) -> Result<Value, Fault> {
        Ok(match config {
            Value::Object(fields) => {
                if let (1, Some(Value::String(sealed))) = (fields.len(), fields.get(MARK)) {
                    let plain = self.open(org, &at(place, key), sealed)?;
                    return Ok(Value::String(String::from_utf8_lossy(&plain).into_owned()));
                }
                let open = |(key, value): (&String, &Value)| {
                    let opened = self.open_below(org, place, key, value).map_err(|fault| {
                        let below = fault.path.clone().unwrap_or_default();
                        fault.at(format!("/{key}{below}"))
                    })?;
                    Ok((key.clone(), opened))
                };
                Value::Object(fields.iter().map(open).collect::<Result<_, Fault>>()?)
            }
            Value::Array(items) => {
                let open = |item| self.open_below(org, place, "", item);
                Value::Array(items.iter().map(open).collect::<Result<_, _>>()?)
            }
            plain => plain.clone(),
        })
    }
}

/// The place of one field. No leaf has a `/` in its id, so that it is nobody else's place.
fn at(place: &str, key: &str) -> String {
    format!("{place}/config/{key}")
}

fn about(org: OrgId, place: &str) -> Vec<u8> {
    [&org.bytes()[..], place.as_bytes()].concat()
}

/// Names of all properties that the schema calls `writeOnly`, wherever they stand in it.
fn secret_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                let secret = properties.iter().filter(|(_, of)| of["writeOnly"] == Value::Bool(true));
                keys.extend(secret.map(|(key, _)| key.clone()));
            }
            fields.values().for_each(|below| secret_keys(below, keys));
        }
        Value::Array(items) => items.iter().for_each(|below| secret_keys(below, keys)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ORG: OrgId = OrgId::from_bytes([1; 16]);

    fn seal(key: u8) -> Seal {
        Seal::with_key(&[key; Seal::KEY_BYTES], sdk::fake::seeded_random(1)).unwrap()
    }

    #[test]
    fn only_the_same_node_opens_it_in_the_same_place() {
        let closed = seal(7).close(ORG, "opcua", b"hunter2").unwrap();
        assert!(!closed.contains("hunter2"));
        assert_eq!(seal(7).open(ORG, "opcua", &closed).unwrap(), b"hunter2");
        assert!(seal(8).open(ORG, "opcua", &closed).is_err());
        assert!(seal(7).open(ORG, "mqtt", &closed).is_err());
        assert!(seal(7).open(OrgId::from_bytes([2; 16]), "opcua", &closed).is_err());
        for cut in 0..closed.len() {
            assert!(seal(7).open(ORG, "opcua", &closed[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn the_schema_says_what_is_secret() {
        let schema = json!({ "properties": { "user": { "oneOf": [
            { "type": "object", "properties": { "name": {}, "password": { "writeOnly": true } } }
        ] } } });
        let config =
            json!({ "url": "x", "user": { "name": "anna", "password": "p" }, "list": [{ "password": "q" }] });
        let closed = seal(7).close_config(ORG, "opcua", &schema, &config).unwrap();
        assert_eq!(closed["user"]["name"], "anna");
        assert!(
            closed["user"]["password"][MARK].is_string() && closed["list"][0]["password"][MARK].is_string()
        );
        assert_eq!(seal(7).close_config(ORG, "opcua", &schema, &closed).unwrap(), closed, "sealed ones stay");
        assert_eq!(seal(7).open_config(ORG, "opcua", &closed).unwrap(), config);
        let fault = seal(8).open_config(ORG, "opcua", &closed).unwrap_err();
        assert!(fault.path.is_some_and(|path| path.ends_with("/password")));
    }

    #[test]
    fn a_sealed_text_that_is_moved_to_another_field_stays_closed() {
        let schema = json!({ "properties": { "password": { "writeOnly": true }, "topic": {} } });
        let closed = seal(7).close_config(ORG, "mqtt", &schema, &json!({ "password": "hunter2" })).unwrap();
        let sealed = &closed["password"];
        assert!(seal(7).open_config(ORG, "mqtt", &json!({ "password": sealed })).is_ok());
        for moved in [
            json!({ "topic": sealed }),
            json!({ "password": [sealed] }),
            json!({ "x": { "y": sealed } }),
            sealed.clone(),
        ] {
            assert_eq!(seal(7).open_config(ORG, "mqtt", &moved).unwrap_err().code, "seal.foreign", "{moved}");
        }
    }
}
