//! `sinew.toml`: one file, typed keys, unknown keys refused; any key can be set by environment under one rule.
//!
//! The rule: `SINEW_` + section + `_` + key in capitals, so `server.listen` is `SINEW_SERVER_LISTEN`. Lists are separated by
//! commas. Everything that is not about this one process (devices, points, users) is data in the record store.

use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf};

/// The whole file. Every key has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) storage: Storage,
    pub(crate) records: Records,
    pub(crate) log: Log,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Where console and API listen. Only loopback addresses: this version has no TLS.
    pub(crate) listen: SocketAddr,
    /// Host names under which browsers reach this node through a proxy.
    pub(crate) hosts: Vec<String>,
    /// Where PostgreSQL clients ask; without it, nowhere. Only loopback addresses: this version has no TLS.
    pub(crate) postgres: Option<SocketAddr>,
    /// A proxy in front speaks TLS: mark cookies Secure.
    pub(crate) behind_tls: bool,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            postgres: None,
            hosts: Vec::new(),
            behind_tls: false,
        }
    }
}

/// `[storage]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storage {
    /// Everything this node keeps is below it.
    pub(crate) dir: PathBuf,
    /// Memory for samples that are not yet in a segment, in MiB.
    pub(crate) memory_mib: usize,
    /// Raises stored history to the format of this release, which the release before cannot open.
    pub(crate) confirm_format: bool,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage { dir: PathBuf::from("data"), memory_mib: 64, confirm_format: false }
    }
}

/// `[records]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Records {
    /// `postgres://…` to keep documents in PostgreSQL; empty for the embedded store.
    pub(crate) url: String,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// error, warn, info, debug or trace; or per module, such as `info,runtime=debug`.
    pub(crate) level: String,
}

impl Default for Log {
    fn default() -> Log {
        Log { level: "info".into() }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{file}: {error}")]
    Read { file: PathBuf, error: std::io::Error },
    #[error("{origin}: {message}\nKnown keys: {}", known_keys())]
    Wrong { origin: String, message: String },
}

const KEYS: &[(&str, &str)] = &[
    ("server", "listen"),
    ("server", "postgres"),
    ("server", "hosts"),
    ("server", "behind_tls"),
    ("storage", "dir"),
    ("storage", "memory_mib"),
    ("storage", "confirm_format"),
    ("records", "url"),
    ("log", "level"),
];

fn known_keys() -> String {
    KEYS.iter().map(|(section, key)| format!("{section}.{key}")).collect::<Vec<_>>().join(", ")
}

/// The environment of this process. A variable that is not UTF-8 cannot be one of ours.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Rules that a type cannot hold.
fn check(config: &Config) -> Result<(), ConfigError> {
    let wrong = |origin: &str, message: String| Err(ConfigError::Wrong { origin: origin.into(), message });
    if !MEMORY_MIB.contains(&config.storage.memory_mib) {
        let (least, most) = (MEMORY_MIB.start(), MEMORY_MIB.end());
        return wrong(
            "storage.memory_mib",
            format!("{}: choose {least} to {most}", config.storage.memory_mib),
        );
    }
    let words = config.log.level.split(',').map(|part| part.rsplit('=').next().unwrap_or(part).trim());
    for word in words {
        if !["off", "error", "warn", "info", "debug", "trace"].contains(&word) {
            return wrong("log.level", format!("`{word}`: choose off, error, warn, info, debug or trace"));
        }
    }
    Ok(())
}

/// What `storage.memory_mib` may be: less makes a segment of every few rows, more is beyond any machine of today.
const MEMORY_MIB: std::ops::RangeInclusive<usize> = 1..=65_536;

/// The file, if there is one, with the environment over it.
pub(crate) fn load(
    file: Option<&std::path::Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let (origin, text) = match file {
        Some(file) => {
            let read = std::fs::read_to_string(file);
            (
                file.display().to_string(),
                read.map_err(|error| ConfigError::Read { file: file.into(), error })?,
            )
        }
        None => ("sinew.toml".into(), String::new()),
    };
    let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| ConfigError::Wrong {
        origin: origin.clone(),
        message: e.to_string(),
    })?;
    // Parsed from text first, so that a mistake in the file is shown with its line.
    toml::from_str::<Config>(&text)
        .map_err(|e| ConfigError::Wrong { origin: origin.clone(), message: e.to_string() })?;
    for (name, value) in environment {
        let Some(key) = name.strip_prefix("SINEW_") else { continue };
        let wrong = |message: String| ConfigError::Wrong { origin: name.clone(), message };
        let lower = key.to_lowercase();
        let Some((section, key)) = KEYS.iter().find(|(s, k)| lower == format!("{s}_{k}")) else {
            // SINEW_DATA names a folder of data sets for tests; it is no key of this file.
            if lower == "data" {
                continue;
            }
            return Err(wrong("there is no such key".into()));
        };
        let section = table.entry(*section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let Some(section) = section.as_table_mut() {
            section.insert((*key).into(), typed(key, &value));
        }
        table.clone().try_into::<Config>().map_err(|e| wrong(e.to_string()))?;
    }
    let config = table
        .try_into()
        .map_err(|e: toml::de::Error| ConfigError::Wrong { origin, message: e.to_string() })?;
    check(&config)?;
    Ok(config)
}

/// Text from the environment as the key's type.
fn typed(key: &str, value: &str) -> toml::Value {
    match key {
        "hosts" => value
            .split(',')
            .filter(|h| !h.is_empty())
            .map(|h| toml::Value::from(h.trim()))
            .collect::<Vec<_>>()
            .into(),
        "memory_mib" => value.parse::<i64>().map_or_else(|_| toml::Value::from(value), toml::Value::from),
        "behind_tls" | "confirm_format" => {
            value.parse::<bool>().map_or_else(|_| toml::Value::from(value), toml::Value::from)
        }
        _ => toml::Value::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let dir = std::env::temp_dir().join(format!(
            "sinew-config-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("sinew.toml");
        std::fs::write(&file, text).unwrap();
        load(Some(&file), environment.iter().map(|(k, v)| (k.to_string(), v.to_string())))
    }

    #[test]
    fn environment_goes_over_the_file() {
        let config = from("[server]\nlisten = \"127.0.0.1:9000\"", &[("SINEW_SERVER_HOSTS", "a,b")]).unwrap();
        assert_eq!((config.server.listen.port(), config.server.hosts.len()), (9000, 2));
    }

    #[test]
    fn a_wrong_key_is_named_with_its_place() {
        let error = from("[server]\nlisten = \"127.0.0.1:9000\"\nport = 1", &[]).unwrap_err().to_string();
        assert!(error.contains("port") && error.contains("line 3"), "{error}");
        let error = from("", &[("SINEW_SERVER_PORT", "1")]).unwrap_err().to_string();
        assert!(error.contains("SINEW_SERVER_PORT") && error.contains("server.listen"), "{error}");
        for (name, value) in [
            ("SINEW_STORAGE_MEMORY_MIB", "much"),
            ("SINEW_STORAGE_MEMORY_MIB", "0"),
            ("SINEW_LOG_LEVEL", "inof"),
        ] {
            assert!(from("", &[(name, value)]).is_err(), "{name}={value}");
        }
        assert!(from("", &[("SINEW_LOG_LEVEL", "info,runtime=debug")]).is_ok());
    }
}
