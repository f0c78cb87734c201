//! Every state × every stimulus against `cases/states.txt`, and every combination of bits.

use app_alarms::state::{Bits, SHELF_MAX, SUPPRESSORS_MAX, State, Stimulus};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};
use types::Time;

const TABLE: &str = include_str!("../cases/states.txt");
const NOW: Time = Time(1_000);
const SHELF_END: Time = Time(1_000_000);
const SUPPRESSOR: &str = "line stopped";

/// `IHG/Bl`: what hides it, then the state underneath.
fn bits(text: &str) -> Bits {
    let (hidden, under) = text.split_once('/').unwrap_or(("", text));
    let (active, acked) = match &under[..1] {
        "A" | "F" => (false, true),
        "B" => (true, false),
        "C" => (true, true),
        "D" | "E" => (false, false),
        other => panic!("`{other}` is no state"),
    };
    Bits {
        active,
        acked,
        latched: under.ends_with('l') || matches!(under, "E" | "F"),
        shelved_until: hidden.contains('G').then_some(SHELF_END),
        suppressed_by: if hidden.contains('H') { vec![SUPPRESSOR.to_string()] } else { Vec::new() },
        out_of_service: hidden.contains('I'),
    }
}

fn stimulus(name: &str) -> (Stimulus<'static>, Time) {
    let stimulus = match name {
        "raise" => Stimulus::Raise { latching: false },
        "raise+" => Stimulus::Raise { latching: true },
        "clear" => Stimulus::Clear,
        "ack" => Stimulus::Acknowledge,
        "reset" => Stimulus::Reset,
        "shelve" => Stimulus::Shelve { until: SHELF_END },
        "unshelve" => Stimulus::Unshelve,
        "expire" => return (Stimulus::ShelfExpired, SHELF_END),
        "later" => Stimulus::ShelfExpired,
        "suppress" => Stimulus::Suppress { by: SUPPRESSOR },
        "unsuppress" => Stimulus::Unsuppress { by: SUPPRESSOR },
        "out" => Stimulus::TakeOutOfService,
        "return" => Stimulus::ReturnToService,
        other => panic!("`{other}` is no stimulus"),
    };
    (stimulus, NOW)
}

/// Rows of cells, comments and blank lines left out.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().collect())
}

#[test]
fn every_state_answers_every_stimulus_as_the_table_says() {
    let mut rows = rows();
    let head = rows.next().unwrap();
    let mut seen: BTreeMap<State, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows {
        assert_eq!(row.len(), head.len(), "cells of {}", row[0]);
        let before = bits(row[0]);
        assert_eq!(before.state().letter(), row[0].chars().next().unwrap(), "{}", row[0]);
        for (name, cell) in head.iter().zip(&row).skip(1) {
            *seen.entry(before.state()).or_default() += 1;
            let (stimulus, now) = stimulus(name);
            let wanted = match cell.strip_prefix('!') {
                Some(code) => Err(format!("alarms.{code}")),
                None => Ok(bits(cell)),
            };
            let got = before.after(stimulus, now).map_err(|refusal| refusal.code().to_string());
            if got != wanted {
                wrong.push(format!("{} {name}: {got:?} and not {wanted:?}", row[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), State::ALL);
}

#[test]
fn letters_and_names_are_those_of_the_standard() {
    let letters: String = State::ALL.iter().map(|state| state.letter()).collect();
    assert_eq!(letters, "ABCDEFGHI");
    for state in State::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
}

#[test]
fn a_shelf_ends_after_now_and_within_its_bound() {
    let shelve = |until| bits("B").after(Stimulus::Shelve { until }, NOW).is_ok();
    assert!(!shelve(NOW) && shelve(Time(NOW.0 + 1)));
    assert!(shelve(NOW.plus(SHELF_MAX)) && !shelve(NOW.plus(SHELF_MAX + Duration::from_nanos(1))));
}

#[test]
fn several_conditions_may_suppress_and_all_must_end() {
    let by: Vec<String> = (0..=SUPPRESSORS_MAX).map(|n| format!("condition {n}")).collect();
    let mut now = bits("B");
    for by in by.iter().take(SUPPRESSORS_MAX) {
        now = now.after(Stimulus::Suppress { by }, NOW).unwrap();
    }
    let refused = now.after(Stimulus::Suppress { by: &by[SUPPRESSORS_MAX] }, NOW).unwrap_err();
    assert_eq!(refused.code(), "alarms.too-many-suppressors");
    for by in by.iter().take(SUPPRESSORS_MAX) {
        assert_eq!(now.state(), State::Suppressed);
        now = now.after(Stimulus::Unsuppress { by }, NOW).unwrap();
    }
    assert_eq!(now, bits("B"));
}

fn any_bits() -> impl Strategy<Value = Bits> {
    let hidden = (any::<Option<i64>>(), proptest::collection::btree_set("[a-c]", 0..3), any::<bool>());
    (any::<[bool; 3]>(), hidden).prop_map(|([active, acked, latched], (until, by, out_of_service))| Bits {
        active,
        acked,
        latched,
        shelved_until: until.map(Time),
        suppressed_by: by.into_iter().collect(),
        out_of_service,
    })
}

fn any_stimulus() -> impl Strategy<Value = Stimulus<'static>> {
    prop_oneof![
        any::<bool>().prop_map(|latching| Stimulus::Raise { latching }),
        any::<i64>().prop_map(|until| Stimulus::Shelve { until: Time(until) }),
        proptest::sample::select(vec![
            Stimulus::Clear,
            Stimulus::Acknowledge,
            Stimulus::Reset,
            Stimulus::Unshelve,
            Stimulus::ShelfExpired,
            Stimulus::Suppress { by: "b" },
            Stimulus::Unsuppress { by: "b" },
            Stimulus::TakeOutOfService,
            Stimulus::ReturnToService,
        ]),
    ]
}

/// The definition of each state, each on its own; the derivation goes another way.
fn is(bits: &Bits, state: State) -> bool {
    let (out, by) = (bits.out_of_service, !bits.suppressed_by.is_empty());
    let shelved = bits.shelved_until.is_some();
    let plain = !out && !by && !shelved;
    match state {
        State::Normal => plain && !bits.active && bits.acked && !bits.latched,
        State::Unacknowledged => plain && bits.active && !bits.acked,
        State::Acknowledged => plain && bits.active && bits.acked,
        State::Returned => plain && !bits.active && !bits.acked && !bits.latched,
        State::LatchedUnacknowledged => plain && !bits.active && !bits.acked && bits.latched,
        State::LatchedAcknowledged => plain && !bits.active && bits.acked && bits.latched,
        State::Shelved => shelved && !by && !out,
        State::Suppressed => by && !out,
        State::OutOfService => out,
    }
}

proptest! {
    #[test]
    fn every_combination_of_bits_is_exactly_one_state(bits in any_bits()) {
        let all: Vec<State> = State::ALL.into_iter().filter(|state| is(&bits, *state)).collect();
        prop_assert_eq!(all, vec![bits.state()]);
    }

    #[test]
    fn bits_survive_storage(bits in any_bits()) {
        let text = serde_json::to_string(&bits).unwrap();
        prop_assert_eq!(serde_json::from_str::<Bits>(&text).unwrap(), bits);
    }

    /// Hiding and showing again loses nothing that the process did, and no stimulus but its own touches a bit.
    #[test]
    fn hiding_is_undone_by_its_own_stimulus_alone(bits in any_bits(), stimulus in any_stimulus(), now in any::<i64>()) {
        if let Ok(after) = bits.after(stimulus, Time(now)) {
            let process = matches!(stimulus, Stimulus::Raise { .. } | Stimulus::Clear | Stimulus::Acknowledge | Stimulus::Reset);
            let hiding = (bits.shelved_until, &bits.suppressed_by, bits.out_of_service);
            let hiding_after = (after.shelved_until, &after.suppressed_by, after.out_of_service);
            let (under, under_after) =
                ((bits.active, bits.acked, bits.latched), (after.active, after.acked, after.latched));
            if process { prop_assert_eq!(hiding, hiding_after) } else { prop_assert_eq!(under, under_after) }
            prop_assert!(after != bits, "a stimulus that is not refused changes something");
        }
    }
}
