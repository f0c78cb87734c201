//! asyncua: the OPC UA server that everybody reads from, and the client that ours is compared with.

use std::path::PathBuf;

use crate::harness::process::Launch;

/// The name of the peer in results.
pub(crate) const ASYNCUA: &str = "asyncua";

pub(crate) struct Asyncua {
    python: PathBuf,
}

impl Asyncua {
    /// # Errors
    /// Python or the packages are not to be had.
    pub(crate) fn ready() -> Result<Asyncua, String> {
        Ok(Asyncua { python: super::python(ASYNCUA)? })
    }
    pub(crate) fn version(&self) -> String {
        let ask = ["-c", "import importlib.metadata as m; print(m.version('asyncua'))"];
        crate::harness::machine::said(&self.python.display().to_string(), &ask)
    }
    pub(crate) fn server(&self, port: u16, nodes: usize) -> Launch {
        self.script("server.py", vec!["--port".into(), port.to_string(), "--nodes".into(), nodes.to_string()])
    }
    pub(crate) fn client(&self, arguments: Vec<String>) -> Launch {
        self.script("client.py", arguments)
    }
    fn script(&self, name: &str, arguments: Vec<String>) -> Launch {
        let script = super::scripts(ASYNCUA).join(name).display().to_string();
        let arguments = std::iter::once(script).chain(arguments).collect();
        Launch { program: self.python.clone(), arguments, environment: Vec::new(), folder: None, talks: true }
    }
}
