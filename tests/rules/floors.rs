//! Floors: an edge between crates of the workspace may only go down.

use cargo_metadata::DependencyKind;

use crate::tree::{members, none, root};

/// What a kernel crate may use. Written out edge by edge, so that every new edge is a decision.
const KERNEL: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("sdk", &["types"]),
    ("historian", &["types"]),
    ("records", &["types"]),
    ("plant", &["types", "records"]),
    ("access", &["types", "records", "sdk"]),
    ("intake", &["types", "sdk", "plant"]),
    ("query", &["types", "sdk", "historian", "plant"]),
    ("runtime", &["types", "sdk", "historian", "records", "plant", "access"]),
    ("server", &["types", "sdk", "historian", "records", "plant", "access", "intake", "query"]),
    (
        "sinew",
        &[
            "types",
            "sdk",
            "historian",
            "records",
            "plant",
            "access",
            "query",
            "runtime",
            "server",
            "catalog",
            "example-plant",
        ],
    ),
];

/// What a leaf may use.
const LEAF: &[&str] = &["types", "sdk"];
/// What an example plant may use: it plays the devices that drivers talk to, and needs their simulators.
const EXAMPLE: &[&str] = &["types", "sdk", "driver-modbus", "driver-mqtt", "driver-opcua"];
/// Tests of the whole product may see the kernel's outside, the binary's parts and the examples.
const SCENARIOS: &[&str] = &[
    "types",
    "sdk",
    "historian",
    "records",
    "plant",
    "access",
    "query",
    "runtime",
    "server",
    "catalog",
    "sinew",
    "example-plant",
    "driver-modbus",
];

/// Edges that only tests have, crate by crate: what a test of that crate may borrow from above. There is none: what
/// needs more than its own floor is a scenario.
const TEST_EDGES: &[(&str, &[&str])] = &[];

#[test]
fn every_edge_goes_down() {
    let mut wrong = Vec::new();
    let members = members();
    let names: Vec<&str> = members.iter().map(|package| package.name.as_str()).collect();
    for package in &members {
        let name = package.name.as_str();
        let Some(allowed) = allowed(name, place(package).as_str()) else {
            wrong.push(format!(
                "{name}: on no floor; give it one in tests/rules/floors.rs and ARCHITECTURE.md"
            ));
            continue;
        };
        for edge in package.dependencies.iter().filter(|edge| names.contains(&edge.name.as_str())) {
            let tests = edge.kind == DependencyKind::Development;
            let in_tests = TEST_EDGES.iter().find(|(from, _)| *from == name).map_or(&[][..], |(_, to)| to);
            let fine = allowed.may_use(&edge.name) || tests && in_tests.contains(&edge.name.as_str());
            if !fine {
                wrong.push(format!("{name} -> {}{}", edge.name, if tests { " (in tests)" } else { "" }));
            }
        }
    }
    none(
        "These edges between crates do not go down a floor. Move what is shared into `types` or `sdk`, or talk by \
         events and views:",
        wrong,
    );
}

/// What a package may use.
enum Allowed {
    These(&'static [&'static str]),
    Leaves(&'static [&'static str]),
}

impl Allowed {
    fn may_use(&self, name: &str) -> bool {
        match self {
            Allowed::These(names) => names.contains(&name),
            Allowed::Leaves(names) => {
                names.contains(&name) || ["driver-", "app-", "sink-"].iter().any(|p| name.starts_with(p))
            }
        }
    }
}

fn allowed(name: &str, place: &str) -> Option<Allowed> {
    let kernel = KERNEL.iter().find(|(kernel, _)| *kernel == name);
    Some(match (place, name) {
        ("drivers" | "apps" | "sinks", _) => Allowed::These(LEAF),
        ("examples", _) => Allowed::These(EXAMPLE),
        ("crates", "catalog") => Allowed::Leaves(&["sdk"]),
        ("tests", "scenarios") => Allowed::These(SCENARIOS),
        ("tests", "rules") => Allowed::These(&["xtask"]),
        ("bench", _) => Allowed::These(SCENARIOS),
        ("xtask", _) => Allowed::These(&[]),
        ("crates" | "sinew", _) => Allowed::These(kernel?.1),
        _ => return None,
    })
}

/// The first folder on the way to a package.
fn place(package: &cargo_metadata::Package) -> String {
    let shown = xtask::tree::shown(&root(), package.manifest_path.as_std_path());
    shown.split('/').next().unwrap_or_default().to_string()
}

#[test]
fn the_table_itself_goes_down() {
    for (at, (name, uses)) in KERNEL.iter().enumerate() {
        for used in *uses {
            let below = KERNEL[..at].iter().any(|(lower, _)| lower == used);
            assert!(
                below || ["catalog", "example-plant"].contains(used),
                "{name} uses {used}, which is not below it in the table"
            );
        }
    }
}

#[test]
fn edges_that_go_up_are_not_allowed() {
    let may =
        |name: &str, place: &str, to: &str| allowed(name, place).is_some_and(|allowed| allowed.may_use(to));
    assert!(may("driver-modbus", "drivers", "sdk") && may("catalog", "crates", "app-alarms"));
    for (name, place, to) in [
        ("driver-modbus", "drivers", "historian"),
        ("app-alarms", "apps", "app-energy"),
        ("types", "crates", "sdk"),
        ("server", "crates", "catalog"),
        ("catalog", "crates", "runtime"),
    ] {
        assert!(!may(name, place, to), "{name} -> {to}");
    }
    assert!(allowed("new", "crates").is_none(), "a crate without a floor is told");
}
