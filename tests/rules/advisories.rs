//! Known faults of what we depend on, against a dated snapshot: no network, and honest about its age.

use cargo_metadata::semver::{Version, VersionReq};
use serde::Deserialize;

use crate::{
    dependencies::outside,
    tree::{none, read},
};

/// All of `docs/advisories.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    /// Day of the newest entry of the database it was taken from.
    date: String,
    looked_up: Vec<String>,
    advisory: Vec<Advisory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    id: String,
    package: String,
    /// `vulnerability`, or what the database calls lesser matters: `unsound`, `unmaintained`, `notice`.
    kind: String,
    patched: Vec<VersionReq>,
    unaffected: Vec<VersionReq>,
}

impl Advisory {
    fn concerns(&self, name: &str, version: &Version) -> bool {
        let safe = self.patched.iter().chain(&self.unaffected).any(|versions| versions.matches(version));
        self.package == name && !safe
    }
}

fn snapshot() -> Snapshot {
    toml::from_str(&read("docs/advisories.toml")).expect("docs/advisories.toml")
}

#[test]
fn no_dependency_has_a_known_fault() {
    let snapshot = snapshot();
    let accepted = crate::dependencies::exceptions("advisory");
    let mut wrong = Vec::new();
    let mut unknown = Vec::new();
    for package in outside() {
        let (name, version) = (package.name.as_str(), &package.version);
        if !snapshot.looked_up.iter().any(|known| known == name) {
            unknown.push(name.to_string());
        }
        for advisory in snapshot.advisory.iter().filter(|advisory| advisory.concerns(name, version)) {
            if !accepted.contains(&advisory.id) {
                wrong.push(format!("{} ({}) {name} {version}", advisory.id, advisory.kind));
            }
        }
    }
    println!("advisories as of {}, {} days ago", snapshot.date, age_days(&snapshot.date));
    println!("{} packages came after it and were not looked up: {}", unknown.len(), unknown.join(" "));
    none(
        "Known faults: take a version that has them mended, or accept one in docs/dependencies.toml with the reason \
         why it cannot happen here:",
        wrong,
    );
}

/// Whole days from a date `2026-08-21` to today.
fn age_days(date: &str) -> i64 {
    let part = |n: usize| date.split('-').nth(n).and_then(|p| p.parse().ok()).expect("date is YYYY-MM-DD");
    let since_epoch = std::time::UNIX_EPOCH.elapsed().map_or(0, |span| span.as_secs() / 86_400);
    i64::try_from(since_epoch).unwrap_or(i64::MAX) - days_from_civil(part(0), part(1), part(2))
}

/// Days since 1970-01-01 of a Gregorian date (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[test]
fn the_snapshot_can_find_something() {
    let snapshot = snapshot();
    let old: Version = "1.0.0".parse().expect("a version");
    assert!(
        snapshot.advisory.iter().any(|advisory| advisory.concerns("tokio", &old)),
        "tokio 1.0.0 has known faults"
    );
    assert_eq!((days_from_civil(1970, 1, 1), days_from_civil(2026, 8, 21)), (0, 20_686));
}
