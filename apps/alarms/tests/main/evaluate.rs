//! Rules on rows against `cases/evaluate.txt`; and the same turns however rows are cut and whenever the clock ticks.

use app_alarms::{
    condition::Units,
    engine::{Engine, Kept, Turned, Watch},
    evaluate::{Evaluator, Memory, Operand, Turn},
};
use proptest::prelude::*;
use sdk::LatestSample;
use serde_json::{Value as Json, json};
use types::{PointId, Quality, Time, Unit, Value};

use crate::given::{self, evaluator, object, rule_with};

const CASES: &str = include_str!("../cases/evaluate.txt");

fn row(point: u32, time: Time, (value, quality): (Option<Value>, Quality)) -> LatestSample {
    LatestSample { point: PointId(point), time, value, quality }
}

fn shown(turns: &[Turn]) -> String {
    let one = |turn: &Turn| {
        let name = if turn.raised { "raised" } else { "cleared" };
        format!("{name}@{}s", turn.at.0 as f64 / 1e9)
    };
    turns.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// One line of a case: what it reveals.
fn step(evaluator: &Evaluator, memory: &mut Memory, line: &str) -> String {
    let mut turns = Vec::new();
    let mut keep = |turn: Turn, _: &Memory| turns.push(turn);
    let words: Vec<&str> = line.split_whitespace().collect();
    let taken = match words[..] {
        ["tick", to] => {
            evaluator.tick(memory, given::time(to), &mut keep);
            true
        }
        [at, "sp", value] => {
            let row = row(2, given::time(at), given::value(value));
            evaluator.row(memory, Operand::Setpoint, &row, &mut keep)
        }
        [at, value] => {
            let row = row(1, given::time(at), given::value(value));
            evaluator.row(memory, Operand::Measured, &row, &mut keep)
        }
        _ => panic!("`{line}` is no step"),
    };
    if taken { shown(&turns) } else { "late".into() }
}

#[test]
fn rules_turn_as_the_cases_say() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for case in CASES.split("\n== ").skip(1) {
        let mut lines = case.lines().filter(|line| !line.trim().is_empty());
        let (name, fields) = (lines.next().unwrap(), lines.next().unwrap());
        let rule =
            rule_with(object(1), &serde_json::from_str(fields).unwrap_or_else(|e| panic!("{name}: {e}")));
        let evaluator = evaluator(&rule);
        let mut memory = evaluator.begin(Time(0), false);
        for line in lines {
            let (given, wanted) = line.split_once("->").unwrap_or((line, ""));
            let got = step(&evaluator, &mut memory, given);
            if got != wanted.trim() {
                wrong.push(format!("{name}: {}: `{got}` and not `{}`", given.trim(), wanted.trim()));
            }
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases > 20, "only {cases} cases were found");
}

#[test]
fn figures_in_another_unit_mean_the_same() {
    let unit = |code| Unit::parse(code).unwrap();
    let turned = |fields: Json, figures: [f64; 3]| {
        let units = Units { rule: unit("[degF]"), point: unit("Cel"), setpoint: Some(unit("K")) };
        let rule = rule_with(object(1), &fields);
        let evaluator = Evaluator::new(&rule, units).unwrap();
        let mut memory = evaluator.begin(Time(0), false);
        let mut turns = Vec::new();
        let setpoint = row(2, Time(0), (Some(Value::F64(373.15)), Quality::GOOD));
        if rule.setpoint_point().is_some() {
            evaluator.row(&mut memory, Operand::Setpoint, &setpoint, &mut |_, _| ());
        }
        for (at, figure) in (0..).zip(figures) {
            let row = row(1, Time(at * 1_000_000_000), (Some(Value::F64(figure)), Quality::GOOD));
            evaluator.row(&mut memory, Operand::Measured, &row, &mut |turn, _| turns.push(turn));
        }
        shown(&turns)
    };
    // 212 °F are 100 °C, a deadband of 9 °F is one of 5 °C.
    let limit = json!({ "condition": { "kind": "limit", "level": "hi", "limit": 212, "deadband": 9 } });
    assert_eq!(turned(limit, [100.1, 95.1, 94.9]), "raised@0s cleared@2s");
    let setpoint = json!({ "point": object(2) });
    let deviation = json!({ "condition": { "kind": "deviation", "setpoint": setpoint, "limit": 9 } });
    assert_eq!(turned(deviation, [104.9, 105.1, 100.0]), "raised@1s cleared@2s");
    let rate = json!({ "condition": { "kind": "rate", "limit": 9, "per": "second" } });
    assert_eq!(turned(rate, [100.0, 105.1, 110.0]), "raised@1s cleared@2s");
}

fn conditions() -> Vec<Json> {
    let setpoint = json!({ "point": object(2) });
    vec![
        json!({ "kind": "limit", "level": "hi", "limit": 5, "deadband": 1 }),
        json!({ "kind": "limit", "level": "lo", "limit": 3 }),
        json!({ "kind": "deviation", "setpoint": setpoint, "limit": 2, "deadband": 0.5 }),
        json!({ "kind": "rate", "limit": 2, "per": "second", "over_ms": 2000 }),
        json!({ "kind": "discrete", "values": [2, 3, 5] }),
        json!({ "kind": "stale", "after_ms": 4000 }),
    ]
}

/// One rule of each kind, with these delays.
fn engine(on_delay_ms: u64, off_delay_ms: u64, on_bad: &str) -> Engine {
    let watch = |(n, condition): (u8, Json)| {
        let fields = json!({
            "condition": condition, "on_delay_ms": on_delay_ms, "off_delay_ms": off_delay_ms, "on_bad": on_bad,
        });
        let rule = rule_with(object(1), &fields);
        let evaluator = evaluator(&rule);
        let memory = evaluator.begin(Time(0), false);
        let setpoint = rule.setpoint_point().map(|_| PointId(2));
        Watch {
            rule: object(10 + n),
            revision: 1,
            latching: false,
            point: PointId(1),
            setpoint,
            evaluator,
            memory,
        }
    };
    Engine::new((0..).zip(conditions()).map(watch).collect())
}

/// Rows in order, now and then one that is late, Bad or of the other point.
fn any_rows() -> impl Strategy<Value = Vec<LatestSample>> {
    let one = (0u64..3_000, -1i64..8, 0u8..12);
    proptest::collection::vec(one, 1..60).prop_map(|steps| {
        let mut now_ms = 0;
        let to_row = |(step_ms, figure, kind): (u64, i64, u8)| {
            now_ms += step_ms;
            let point = if kind % 4 == 3 { 2 } else { 1 };
            let late_ms = if kind == 5 { 2_500 } else { 0 };
            let bad = kind == 6;
            let value = (!bad).then_some(Value::F64(figure as f64));
            let quality = if bad { Quality::BAD } else { Quality::GOOD };
            row(point, Time::from_unix_ms(now_ms as i64 - late_ms), (value, quality))
        };
        steps.into_iter().map(to_row).collect()
    })
}

const END: Time = Time(1_000_000_000_000);

/// All turns, with rows handed over in pieces, memories stored and read back between them, and ticks that overtake no row.
fn replayed(
    mut engine: Engine,
    rows: &[LatestSample],
    cuts: &[usize],
    restart: impl Fn(Engine) -> Engine,
) -> Vec<Turned> {
    let mut turned = Vec::new();
    let mut rest = rows;
    for cut in cuts {
        let (now, later) = rest.split_at((*cut).min(rest.len()));
        engine.rows(now, &mut turned);
        if let Some(next) = later.iter().map(|row| row.time).min() {
            engine.tick(Time(next.0 - 1), &mut turned);
        }
        engine = restart(engine);
        rest = later;
    }
    engine.rows(rest, &mut turned);
    engine.tick(END, &mut turned);
    turned
}

/// By rule, in order: across rules, a tick may show them in another order than rows do.
fn by_rule(mut turned: Vec<Turned>) -> Vec<(types::ObjectId, bool, Time)> {
    turned.sort_by_key(|one| one.rule);
    turned.into_iter().map(|one| (one.rule, one.turn.raised, one.turn.at)).collect()
}

proptest! {
    #[test]
    fn the_same_rows_give_the_same_journal_however_they_are_cut(
        rows in any_rows(),
        cuts in proptest::collection::vec(0usize..9, 0..20),
        (on_ms, off_ms, raise) in (0u64..5_000, 0u64..5_000, any::<bool>()),
    ) {
        let fresh = || engine(on_ms, off_ms, if raise { "raise" } else { "hold" });
        let whole = replayed(fresh(), &rows, &[], |engine| engine);
        let cut = replayed(fresh(), &rows, &cuts, |engine| engine);
        prop_assert_eq!(by_rule(whole.clone()), by_rule(cut));
        let restarted = replayed(fresh(), &rows, &cuts, |engine| {
            let kept = engine.kept().map(|(_, kept)| serde_json::to_string(&kept).unwrap());
            let mut watches = fresh().into_watches();
            for (watch, text) in watches.iter_mut().zip(kept) {
                watch.memory = serde_json::from_str::<Kept>(&text).unwrap().memory;
            }
            Engine::new(watches)
        });
        prop_assert_eq!(by_rule(whole), by_rule(restarted));
    }

    /// Raised and cleared take turns, and time never runs back.
    #[test]
    fn turns_of_a_rule_alternate_in_time(rows in any_rows(), on_ms in 0u64..5_000, off_ms in 0u64..5_000) {
        let turned = by_rule(replayed(engine(on_ms, off_ms, "hold"), &rows, &[], |engine| engine));
        for pair in turned.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            prop_assert!(pair[0].1 != pair[1].1 && pair[0].2 <= pair[1].2, "{pair:?}");
        }
        for first in turned.chunk_by(|a, b| a.0 == b.0).map(|turns| turns[0]) {
            prop_assert!(first.1, "{first:?} clears what was never raised");
        }
    }
}

#[test]
fn late_rows_are_counted_and_left_alone() {
    let mut engine = engine(0, 0, "hold");
    let mut turned = Vec::new();
    let good = |at, figure| row(1, Time(at), (Some(Value::F64(figure)), Quality::GOOD));
    let late = engine.rows(&[good(10, 4.0), good(9, 99.0)], &mut turned);
    assert_eq!((late, turned.len()), (conditions().len() as u64, 0));
    assert_eq!(engine.rows(&[row(77, Time(0), (None, Quality::BAD))], &mut turned), 0);
}
