//! Time-series servers that take line protocol over HTTP: how each is made ready, started and asked.

use serde_json::Value;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    harness::{
        contest::OURS,
        machine,
        process::{self, Launch, Process},
    },
    node::Node,
};

pub(crate) const INFLUXDB: &str = "influxdb";
pub(crate) const QUESTDB: &str = "questdb";
pub(crate) const VICTORIAMETRICS: &str = "victoriametrics";
pub(crate) const ALL: [&str; 3] = [INFLUXDB, QUESTDB, VICTORIAMETRICS];

const QUESTDB_ARCHIVE: &str = "questdb-9.3.4.jar";

/// A running server over an empty folder.
pub(crate) struct Server {
    name: &'static str,
    pub(crate) process: Process,
    pub(crate) folder: PathBuf,
    address: SocketAddr,
    agent: ureq::Agent,
    /// What a request shows at the door; empty where nobody asks.
    token: String,
}

/// # Errors
/// It is unknown, or not to be had.
pub(crate) fn program(name: &str) -> Result<PathBuf, String> {
    match name {
        INFLUXDB => super::debian(name, &["influxdb"], "usr/bin/influxd"),
        QUESTDB => super::maven(name, "org.questdb:questdb:9.3.4", QUESTDB_ARCHIVE),
        VICTORIAMETRICS => super::go(name, "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics"),
        _ => Err(format!("unknown server `{name}`: {}", ALL.join(", "))),
    }
}

/// What the program says of itself.
pub(crate) fn version(name: &str, program: &Path) -> String {
    let path = program.display().to_string();
    match name {
        INFLUXDB => machine::said(&path, &["version"]),
        VICTORIAMETRICS => {
            let said = machine::said("go", &["version", "-m", &path]);
            let module = said.lines().find(|line| line.contains("VictoriaMetrics/VictoriaMetrics\t"));
            module.map_or_else(String::new, |line| {
                line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ")
            })
        }
        _ => QUESTDB_ARCHIVE.trim_end_matches(".jar").to_string(),
    }
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(name: &str, program: &Path) -> Result<Server, String> {
        let name = ALL.into_iter().find(|known| *known == name).ok_or("unknown server")?;
        let (folder, address) = (process::fresh_folder(name)?, process::free_address()?);
        let mut process = Process::start(launch(name, program, &folder, address)?, None)?;
        process.listens(address)?;
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let server = Server { name, process, folder, address, agent, token: String::new() };
        if name == INFLUXDB {
            server.post("/query", &[("q", "CREATE DATABASE bench")], b"")?;
        }
        Ok(server)
    }

    /// Ours, through the same door as the others.
    ///
    /// # Errors
    /// It does not say where it listens.
    pub(crate) fn of_node(node: Node) -> Result<Server, String> {
        let address = node.client.address().parse().map_err(|e| format!("{}: {e}", node.client.address()))?;
        let token = node.client.token().to_string();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Ok(Server { name: OURS, process: node.process, folder: PathBuf::new(), address, agent, token })
    }

    /// Hands over lines; they are durable in the sense of the server when this returns.
    ///
    /// # Errors
    /// The server refuses them.
    pub(crate) fn write(&self, lines: &[u8]) -> Result<(), String> {
        let parameters: &[(&str, &str)] = match self.name {
            INFLUXDB => &[("db", "bench"), ("precision", "ns")],
            QUESTDB => &[("precision", "n")],
            _ => &[("precision", "ns")],
        };
        self.post("/write", parameters, lines).map(|_| ())
    }

    /// How many values of `fields` fields `f0`, `f1` … of `cpu` the server has, and their sum.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) fn counted(&self, fields: usize, until_s: i64) -> Result<(u64, f64), String> {
        let both = |answer: [f64; 2]| (answer[0] as u64, answer[1]);
        match self.name {
            OURS => {
                let answer = self.sql("select count(value), sum(value) from samples")?;
                let row = &answer["rows"][0];
                let count = row[0].as_str().and_then(|count| count.parse().ok()).unwrap_or_default();
                Ok((count, row[1].as_f64().unwrap_or_default()))
            }
            INFLUXDB => {
                let ask = |of: &str| self.influx(&format!("SELECT {of}(*) FROM cpu"));
                Ok(both([ask("count")?, ask("sum")?]))
            }
            QUESTDB => {
                let sum: Vec<String> = (0..fields).map(|field| format!("sum(f{field})")).collect();
                let query = format!("SELECT count() * {fields}, {} FROM cpu", sum.join(" + "));
                let answer = self.get("/exec", &[("query", &query)])?;
                let cell = |n: usize| answer["dataset"][0][n].as_f64().unwrap_or_default();
                Ok(both([cell(0), cell(1)]))
            }
            _ => {
                self.get_text("/internal/force_flush", &[])?;
                let ask = |of: &str| {
                    let query = format!("sum({of}_over_time({{__name__=~\"cpu_.*\"}}[10d]))");
                    let answer =
                        self.get("/api/v1/query", &[("query", &query), ("time", &until_s.to_string())])?;
                    let value = &answer["data"]["result"][0]["value"][1];
                    Ok::<f64, String>(value.as_str().and_then(|v| v.parse().ok()).unwrap_or_default())
                };
                Ok(both([ask("count")?, ask("sum")?]))
            }
        }
    }

    /// The sum of all numbers that a query of influxdb gives, times left out.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) fn influx(&self, query: &str) -> Result<f64, String> {
        let answer = self.get("/query", &[("db", "bench"), ("q", query)])?;
        if let Some(why) = answer["results"][0]["error"].as_str() {
            return Err(why.to_string());
        }
        let series = answer["results"][0]["series"].as_array().cloned().unwrap_or_default();
        let rows = series.iter().flat_map(|s| s["values"].as_array().into_iter().flatten());
        Ok(rows.flat_map(|row| row.as_array().into_iter().flatten().skip(1)).filter_map(Value::as_f64).sum())
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.name == OURS
    }

    /// The answer of our node to a statement.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub(crate) fn sql(&self, sql: &str) -> Result<Value, String> {
        let question = serde_json::json!({ "sql": sql }).to_string();
        let answer = self.post("/api/v1/query", &[], question.as_bytes())?;
        serde_json::from_str(&answer).map_err(|e| format!("{e}: {answer}"))
    }

    /// # Errors
    /// The server does not answer.
    pub(crate) fn get_text(&self, path: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        let request = self.agent.get(self.url(path)).query_pairs(parameters.iter().copied());
        self.read(path, request.call())
    }

    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let text = self.get_text(path, parameters)?;
        serde_json::from_str(&text).map_err(|e| format!("{path}: {e}: {text}"))
    }

    fn post(&self, path: &str, parameters: &[(&str, &str)], body: &[u8]) -> Result<String, String> {
        let mut request = self.agent.post(self.url(path)).query_pairs(parameters.iter().copied());
        if !self.token.is_empty() {
            request = request.header("authorization", &format!("Token {}", self.token));
        }
        if path.starts_with("/api/") {
            request = request.header("content-type", "application/json");
        }
        self.read(path, request.send(body))
    }

    fn read(
        &self,
        path: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<String, String> {
        let mut answer = answer.map_err(|e| format!("{}{path}: {e}", self.name))?;
        let text =
            answer.body_mut().with_config().limit(1 << 30).read_to_string().map_err(|e| e.to_string())?;
        if answer.status().is_success() {
            Ok(text)
        } else {
            Err(format!("{}{path}: {}: {}", self.name, answer.status(), text.trim()))
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn launch(name: &str, program: &Path, folder: &Path, address: SocketAddr) -> Result<Launch, String> {
    let at = folder.display().to_string();
    let write = |file: &str, text: String| {
        let path = folder.join(file);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text)).map_err(|e| format!("{}: {e}", path.display()))
    };
    let mut started = program.to_path_buf();
    let arguments = match name {
        INFLUXDB => {
            write("influxdb.conf", influxdb(&at, address, process::free_address()?))?;
            vec!["run".into(), "-config".into(), format!("{at}/influxdb.conf")]
        }
        QUESTDB => {
            write("conf/server.conf", questdb(address))?;
            started = "java".into();
            let archive = program.display().to_string();
            let main = "io.questdb/io.questdb.ServerMain";
            ["-XX:+UseParallelGC", "-p", &archive, "-m", main, "-d", &at].map(str::to_string).to_vec()
        }
        _ => vec![
            format!("-storageDataPath={at}"),
            format!("-httpListenAddr={address}"),
            "-retentionPeriod=100y".into(),
            "-search.maxUniqueTimeseries=2000000".into(),
            "-loggerLevel=ERROR".into(),
        ],
    };
    let environment = Vec::new();
    Ok(Launch { program: started, arguments, environment, folder: Some(folder.into()), talks: false })
}

/// No bound on series, a cache that holds all of it, no logs; cold data are packed soon, so that sizes are the smallest.
fn influxdb(folder: &str, address: SocketAddr, own: SocketAddr) -> String {
    format!(
        "reporting-disabled = true\nbind-address = \"{own}\"\n[meta]\ndir = \"{folder}/meta\"\nlogging-enabled = false\n\
         [data]\ndir = \"{folder}/data\"\nwal-dir = \"{folder}/wal\"\nindex-version = \"tsi1\"\n\
         cache-max-memory-size = \"4g\"\nmax-series-per-database = 0\nmax-values-per-tag = 0\n\
         cache-snapshot-write-cold-duration = \"5s\"\ncompact-full-write-cold-duration = \"5s\"\n\
         query-log-enabled = false\n[monitor]\nstore-enabled = false\n[subscriber]\nenabled = false\n\
         [retention]\nenabled = false\n[http]\nbind-address = \"{address}\"\nlog-enabled = false\n\
         max-body-size = 0\nmax-row-limit = 0\n"
    )
}

/// Nothing but its HTTP door.
fn questdb(address: SocketAddr) -> String {
    format!(
        "http.bind.to={address}\nhttp.min.enabled=false\nline.tcp.enabled=false\nline.udp.enabled=false\n\
         pg.enabled=false\ntelemetry.enabled=false\ntelemetry.disable.completely=true\n"
    )
}

/// Compacts nothing by hand: bytes of the files whose names end so, once they no longer change.
pub(crate) fn bytes_of(folder: &Path, ending: &str) -> u64 {
    let said =
        Command::new("find").arg(folder).args(["-name", &format!("*{ending}"), "-printf", "%s\n"]).output();
    let text = said.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(|line| line.parse::<u64>().ok()).sum()
}
