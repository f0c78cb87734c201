//! Tools that the tests talk to. Where we may, they are installed; where we may not, the person is told how.

use std::{path::Path, process::Command};

use crate::{Failure, Outcome, run};

/// One tool: how to see that it is there, which package brings it, what it is for.
struct Tool {
    package: &'static str,
    present: fn() -> bool,
    purpose: &'static str,
}

/// Package names of Debian 12; another release that lacks one is told in the failure.
const TOOLS: &[Tool] = &[
    Tool { package: "build-essential", present: || run::on_path("cc"), purpose: "C parts of SQLite" },
    Tool { package: "nodejs", present: || run::on_path("node"), purpose: "console build" },
    Tool { package: "npm", present: || run::on_path("npm"), purpose: "console build" },
    Tool { package: "chromium", present: chromium_is_there, purpose: "browser tests" },
    Tool { package: "fonts-noto-cjk", present: cjk_font_is_there, purpose: "Chinese text in browser tests" },
    Tool { package: "postgresql-15", present: postgres_is_there, purpose: "record store on PostgreSQL" },
    Tool { package: "libmodbus-dev", present: libmodbus_is_there, purpose: "Modbus against a foreign peer" },
    Tool {
        package: "pkg-config",
        present: || run::on_path("pkg-config"),
        purpose: "finds libmodbus for its peer",
    },
    Tool { package: "mosquitto", present: mosquitto_is_there, purpose: "MQTT against a foreign broker" },
    Tool {
        package: "mosquitto-clients",
        present: || run::on_path("mosquitto_pub"),
        purpose: "MQTT against foreign clients",
    },
    Tool { package: "socat", present: || run::on_path("socat"), purpose: "serial line pairs" },
    Tool { package: "python3-venv", present: venv_is_there, purpose: "foreign clients in Python" },
];

/// Looks for every tool and installs the missing ones. Without the right to install, a missing tool is an error on a
/// build server and a notice elsewhere, where the tests that need it are skipped and listed.
pub(crate) fn provision() -> Outcome {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| !(tool.present)()).collect();
    if missing.is_empty() {
        println!("all {} tools are there", TOOLS.len());
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let by_hand = format!("sudo apt-get install {}", packages.join(" "));
    if !run::on_path("apt-get") || !(is_root() || run::ci()) {
        for tool in &missing {
            println!("missing: {} ({})", tool.package, tool.purpose);
        }
        return match run::ci() {
            true => Err(Failure::new(format!("tools are missing and cannot be installed here: {by_hand}"))),
            false => {
                println!("tests that need them are skipped; to run them: {by_hand}");
                Ok(())
            }
        };
    }
    run::run(apt(&["-q", "update"]))?;
    let mut install = vec!["-q", "install", "-y", "--no-install-recommends"];
    install.extend(&packages);
    run::run(apt(&install)).map_err(|failure| Failure::new(format!("{failure}: try `{by_hand}` by hand")))?;
    match missing.iter().find(|tool| !(tool.present)()) {
        Some(tool) => Err(Failure::new(format!(
            "{} was installed and is still not found ({}): look where this release puts it",
            tool.package, tool.purpose
        ))),
        None => Ok(()),
    }
}

fn apt(args: &[&str]) -> Command {
    let words: Vec<&str> = if is_root() { vec!["apt-get"] } else { vec!["sudo", "-n", "apt-get"] };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Names under which Chromium is installed.
const CHROMIUM: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];

fn chromium_is_there() -> bool {
    CHROMIUM.iter().any(|name| run::on_path(name))
}

fn cjk_font_is_there() -> bool {
    let output = Command::new("fc-list").arg(":lang=zh-cn").output();
    output.is_ok_and(|output| !output.stdout.is_empty())
        || Path::new("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc").is_file()
}

fn postgres_is_there() -> bool {
    let versions = (15..=20).map(|version| format!("/usr/lib/postgresql/{version}/bin/postgres"));
    run::on_path("postgres") || versions.into_iter().any(|path| Path::new(&path).is_file())
}

fn libmodbus_is_there() -> bool {
    ["/usr/include", "/usr/local/include"]
        .iter()
        .any(|folder| Path::new(folder).join("modbus/modbus.h").is_file())
}

/// Debian puts daemons where only root's path leads.
fn mosquitto_is_there() -> bool {
    run::on_path("mosquitto") || Path::new("/usr/sbin/mosquitto").is_file()
}

fn venv_is_there() -> bool {
    let output = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    output.is_ok_and(|output| output.status.success())
}
