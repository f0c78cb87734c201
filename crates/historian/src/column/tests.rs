//! Whatever goes in comes out bit by bit; whatever else is read is refused or is values, and never a panic.

mod golden;
pub(super) mod made;
mod measure;

use std::sync::Arc;

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config as ProptestConfig, RngSeed},
};
use types::{Time, ValueType, Values};

use self::made::{Noise, depth};
use super::{Effort, id, put_times, put_values, take_times, take_values};
use crate::codec::Cursor;

/// So many cases, the same in every run of the same depth.
fn fixed(cases: u32) -> ProptestConfig {
    let (cases, rng_seed) = (cases * depth(), RngSeed::Fixed(u64::from(depth())));
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

const EFFORTS: [Effort; 2] = [Effort::Hot, Effort::Cold];
const TYPES: [Option<ValueType>; 8] = [
    None,
    Some(ValueType::Bool),
    Some(ValueType::I64),
    Some(ValueType::U64),
    Some(ValueType::F32),
    Some(ValueType::F64),
    Some(ValueType::String),
    Some(ValueType::Bytes),
];

/// Values as bits, so that NaN and -0.0 are told apart.
fn bits(values: &Values) -> Vec<Vec<u8>> {
    match values {
        Values::Absent(n) => vec![Vec::new(); *n],
        Values::Bool(v) => v.iter().map(|x| vec![u8::from(*x)]).collect(),
        Values::I64(v) => v.iter().map(|x| x.to_le_bytes().to_vec()).collect(),
        Values::U64(v) => v.iter().map(|x| x.to_le_bytes().to_vec()).collect(),
        Values::F32(v) => v.iter().map(|x| x.to_bits().to_le_bytes().to_vec()).collect(),
        Values::F64(v) => v.iter().map(|x| x.to_bits().to_le_bytes().to_vec()).collect(),
        Values::String(v) => v.iter().map(|x| x.as_bytes().to_vec()).collect(),
        Values::Bytes(v) => v.iter().map(|x| x.to_vec()).collect(),
    }
}

fn written(values: &Values, effort: Effort) -> Vec<u8> {
    let mut out = Vec::new();
    put_values(&mut out, values, effort);
    out
}

fn assert_comes_back(values: &Values) -> [Vec<u8>; 2] {
    EFFORTS.map(|effort| {
        let bytes = written(values, effort);
        let mut cursor = Cursor::new(&bytes);
        let back = take_values(&mut cursor, values.value_type(), values.len()).unwrap();
        assert_eq!(cursor.end(), Ok(()), "{effort:?}");
        assert_eq!(back.value_type(), values.value_type());
        assert!(bits(&back) == bits(values), "{effort:?}, codec {:#x}, {values:?}", bytes[0]);
        bytes
    })
}

/// Integers as they come, and as they should not.
fn integers() -> impl Strategy<Value = Vec<i64>> {
    let edge = select(vec![0, 1, -1, i64::MAX, i64::MIN, i64::MAX - 1, 1 << 51, -(1 << 51), 1 << 32, -128]);
    let rows = || prop_oneof![4 => 0usize..70, 2 => 70usize..1100, 1 => 1100usize..3000];
    let any_of = rows().prop_flat_map(|n| vec(any::<i64>(), n));
    let edges = rows().prop_flat_map(move |n| vec(edge.clone(), n));
    let narrow = (any::<i64>(), 0u32..40, rows())
        .prop_flat_map(|(base, bits, n)| vec((0i64..1 << bits).prop_map(move |v| base.wrapping_add(v)), n));
    let steps = (any::<i64>(), any::<i32>(), rows()).prop_flat_map(|(base, step, n)| {
        let jump = prop_oneof![30 => -3i64..4, 1 => any::<i64>()];
        vec(jump, n).prop_map(move |jumps| {
            let mut at = base;
            let mut next = |jump| {
                at = i64::wrapping_add(at, i64::from(step)).wrapping_add(jump);
                at
            };
            jumps.into_iter().map(&mut next).collect::<Vec<_>>()
        })
    });
    let runs = (vec((any::<i64>(), 1usize..300), 0..12))
        .prop_map(|runs| runs.into_iter().flat_map(|(v, n)| std::iter::repeat_n(v, n)).collect());
    let curve = (rows(), -9i64..9, any::<i32>())
        .prop_map(|(n, a, b)| (0..n as i64).map(|i| i * i * a + i * i64::from(b)).collect());
    prop_oneof![any_of, edges, narrow, steps, runs, curve]
}

/// Doubles: decimals, products, odd ones among them, and any bits at all.
fn doubles() -> impl Strategy<Value = Vec<f64>> {
    let odd = prop_oneof![
        select(vec![
            -0.0,
            0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            f64::MAX,
            5e-324,
            2f64.powi(53)
        ]),
        any::<u64>().prop_map(f64::from_bits),
        (0u64..1 << 52).prop_map(|payload| f64::from_bits(0x7ff0 << 48 | payload)),
        any::<f32>().prop_map(f64::from),
    ];
    (integers(), 0i32..22, 0u32..3, 0usize..40, vec((any::<prop::sample::Index>(), odd), 0..60)).prop_map(
        |(ints, power, kind, much, odd)| {
            let wide = |v: i64| (v % (1 << 40)) as f64;
            let mut values: Vec<f64> = match kind {
                0 => ints.iter().map(|v| wide(*v) / 10f64.powi(power)).collect(),
                1 => ints.iter().map(|v| wide(*v) * 10f64.powi(-power)).collect(),
                _ => ints.iter().map(|v| f64::from_bits(*v as u64)).collect(),
            };
            if !values.is_empty() {
                for (at, v) in odd.iter().take(much) {
                    let at = at.index(values.len());
                    values[at] = *v;
                }
            }
            values
        },
    )
}

/// The columns that one column of doubles gives.
fn columns() -> impl Strategy<Value = Values> {
    let text = prop_oneof![4 => "[a-c]{0,2}", 1 => "\\PC{0,40}", 1 => "x{200,300}"];
    prop_oneof![
        (0usize..3000).prop_map(Values::Absent),
        integers().prop_map(|v| Values::Bool(v.iter().map(|x| x % 3 == 0).collect())),
        integers().prop_map(Values::I64),
        integers().prop_map(|v| Values::U64(v.iter().map(|x| *x as u64).collect())),
        doubles().prop_map(|v| Values::F32(v.iter().map(|x| *x as f32).collect())),
        integers().prop_map(|v| Values::F32(v.iter().map(|x| f32::from_bits(*x as u32)).collect())),
        doubles().prop_map(|v| Values::F64(v.iter().map(|x| f64::from(*x as f32)).collect())),
        doubles().prop_map(Values::F64),
        vec(text, 0..80).prop_map(|v| Values::String(v.iter().map(|x| Arc::from(x.as_str())).collect())),
        vec(vec(any::<u8>(), 0..20), 0..80)
            .prop_map(|v| Values::Bytes(v.iter().map(|x| Arc::from(x.as_slice())).collect())),
    ]
}

/// What a reader may meet in place of what was written.
fn damaged(bytes: &[u8], flips: &[(prop::sample::Index, u8)], cut: prop::sample::Index) -> [Vec<u8>; 2] {
    let mut flipped = bytes.to_vec();
    for (at, bit) in flips {
        if !flipped.is_empty() {
            let at = at.index(flipped.len());
            flipped[at] ^= 1 << (bit % 8);
        }
    }
    let cut = bytes[..cut.index(bytes.len() + 1)].to_vec();
    [flipped, cut]
}

fn flips() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
}

proptest! {
    #![proptest_config(fixed(400))]

    #[test]
    fn values_come_back_bit_by_bit(values in columns()) {
        assert_comes_back(&values);
    }

    #[test]
    fn times_come_back(times in integers(), sorted: bool, unit in select(vec![1i64, 100, 1_000_000])) {
        let mut times: Vec<Time> = times.into_iter().map(|t| Time(t.wrapping_mul(unit))).collect();
        if sorted {
            times.sort();
            times.dedup();
        }
        for effort in EFFORTS {
            let mut out = Vec::new();
            put_times(&mut out, &times, effort);
            let mut cursor = Cursor::new(&out);
            let back = take_times(&mut cursor, times.len());
            prop_assert_eq!(back.as_ref(), Ok(&times));
            prop_assert_eq!(cursor.end(), Ok(()));
        }
    }

    #[test]
    fn damaged_columns_do_no_harm(
        values in columns(),
        flips in flips(),
        cut: prop::sample::Index,
        rows in 0usize..3000,
    ) {
        for effort in EFFORTS {
            for bytes in damaged(&written(&values, effort), &flips, cut) {
                for rows in [values.len(), rows] {
                    if let Ok(back) = take_values(&mut Cursor::new(&bytes), values.value_type(), rows) {
                        prop_assert_eq!(back.len(), rows);
                    }
                }
            }
        }
    }

    #[test]
    fn damaged_times_do_no_harm(times in integers(), flips in flips(), cut: prop::sample::Index) {
        let mut times: Vec<Time> = times.into_iter().map(Time).collect();
        times.sort();
        times.dedup();
        for effort in EFFORTS {
            let mut out = Vec::new();
            put_times(&mut out, &times, effort);
            for bytes in damaged(&out, &flips, cut) {
                let back = take_times(&mut Cursor::new(&bytes), times.len());
                prop_assert!(back.is_err() || back.is_ok_and(|back| back.len() == times.len()));
            }
        }
    }

    #[test]
    fn any_bytes_at_all_do_no_harm(
        head in vec(select(ids()), 0..4),
        rest in vec(any::<u8>(), 0..300),
        rows in 0usize..2000,
    ) {
        let bytes = [head, rest].concat();
        for of in TYPES {
            let back = take_values(&mut Cursor::new(&bytes), of, rows);
            prop_assert!(back.is_err() || back.is_ok_and(|back| back.len() == rows));
        }
        let back = take_times(&mut Cursor::new(&bytes), rows);
        prop_assert!(back.is_err() || back.is_ok_and(|back| back.len() == rows));
    }
}

fn ids() -> Vec<u8> {
    (0..=u8::MAX).filter(|id| id & 0xf < 8 && id >> 4 < 7).collect()
}

#[test]
fn odd_floats_stay_as_they_are() {
    let odd = [
        f64::from_bits(0x7ff8_0000_0000_0001),
        f64::from_bits(0xfff4_dead_beef_0001),
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        5e-324,
        f64::MAX,
        0.1,
        f64::from(0.1f32),
        1e15 + 0.5,
    ];
    for rows in (1..=70).chain([1023, 1024, 1025, 4096]) {
        let mixed = |i: usize| if i % 7 == 3 { odd[i % odd.len()] } else { i as f64 / 10.0 };
        assert_comes_back(&Values::F64((0..rows).map(mixed).collect()));
        assert_comes_back(&Values::F64((0..rows).map(|i| odd[i % odd.len()]).collect()));
        assert_comes_back(&Values::F32((0..rows).map(|i| mixed(i) as f32).collect()));
        let nan = |i: usize| f32::from_bits((0x7f80_0001 + i as u32 * 77) | ((i as u32 & 1) << 31));
        assert_comes_back(&Values::F32((0..rows).map(nan).collect()));
        assert_comes_back(&Values::I64((0..rows).map(|i| [i64::MIN, i64::MAX][i % 2]).collect()));
        assert_comes_back(&Values::U64((0..rows).map(|i| [0, u64::MAX, 1 << 63][i % 3]).collect()));
    }
}

#[test]
fn each_codec_is_met() {
    let mut noise = Noise(3);
    let mut met = std::collections::BTreeSet::new();
    let mut meet =
        |values: Values| assert_comes_back(&values).iter().for_each(|bytes| _ = met.insert(bytes[0]));
    let mut noisy =
        |bits: u32| -> Vec<i64> { (0..2000).map(|_| (noise.bits() >> (64 - bits)) as i64).collect() };
    meet(Values::Absent(5));
    meet(Values::I64(noisy(11)));
    meet(Values::I64(noisy(64)));
    meet(Values::I64((0..400).map(|i| i * 1000 + i % 3).collect()));
    meet(Values::I64((0..400).map(|i| i * i * i).collect()));
    meet(Values::I64((0..400).map(|i| i / 100 * (1 << (i / 100))).collect()));
    meet(Values::I64(noisy(3).iter().map(|v| v * v * v * 12_345_678_901).collect()));
    meet(Values::I64(noisy(64).iter().map(|v| v >> 48 >> (v & 7)).collect()));
    meet(Values::I64(noisy(64).iter().map(|v| v >> 32 >> (v & 15)).collect()));
    meet(Values::I64(noisy(64).iter().map(|v| v >> (v & 31)).collect()));
    meet(Values::F64(noisy(12).iter().map(|v| *v as f64 / 100.0).collect()));
    meet(Values::F64(noisy(64).iter().map(|v| f64::from_bits(*v as u64)).collect()));
    meet(Values::F64(noisy(50).iter().map(|v| 1.0 + *v as f64 / (1u64 << 50) as f64).collect()));
    meet(Values::F64(noisy(50).iter().map(|v| f64::from(1.0 + *v as f32 / (1u64 << 50) as f32)).collect()));
    meet(Values::F64(noisy(12).iter().map(|v| *v as f64 * (100.0 / 4095.0)).collect()));
    meet(Values::Bool(noisy(1).iter().map(|v| *v == 1).collect()));
    meet(Values::Bool((0..300).map(|i| i < 200).collect()));
    meet(Values::Bool((0..300).map(|i| i > 200).collect()));
    meet(Values::String(noisy(40).iter().map(|v| v.to_string().into()).collect()));
    meet(Values::Bytes(noisy(64).iter().map(|v| v.to_le_bytes().as_slice().into()).collect()));
    let missing = [
        id::EMPTY,
        id::INT_PACKED,
        id::INT_DELTA,
        id::INT_DELTA2,
        id::INT_CLASSES,
        id::FLOAT_PLAIN,
        id::FLOAT_BITS,
        id::FLOAT_DECIMAL,
        id::FLOAT_PCO,
        id::FLOAT_NARROW,
        id::RUNS,
        id::DICTIONARY,
        id::BOOL_BITS,
        id::BOOL_RUNS_FALSE,
        id::BOOL_RUNS_TRUE,
        id::TEXT_PLAIN,
        id::TEXT_ZSTD,
    ]
    .into_iter()
    .filter(|id| !met.contains(id));
    let missing: Vec<u8> = missing.collect();
    assert!(missing.is_empty(), "{missing:x?} are not in {met:x?}");
}

#[test]
fn big_and_empty_texts_come_back() {
    let big: Arc<str> = "0123456789".repeat(200_000).into();
    let [hot, _] = assert_comes_back(&Values::String(vec!["".into(), big.clone(), "x".into(), big]));
    assert!(hot.len() < 2_000_000);
    assert_comes_back(&Values::String(vec!["".into(); 4000]));
    assert_comes_back(&Values::Bytes(vec![Arc::from(vec![7u8; 17 << 20]), Arc::from([].as_slice())]));
}

#[test]
fn regular_columns_take_a_few_bytes() {
    let size = |values: Values| assert_comes_back(&values)[0].len();
    assert!(size(Values::F64(vec![21.5; 4096])) <= 8);
    assert!(size(Values::I64((0..4096).map(|i| 17 + i * 3).collect())) <= 6);
    assert!(size(Values::Bool(vec![true; 4096])) <= 2);
    assert!(size(Values::String(vec!["running".into(); 4096])) <= 16);
    let mut out = Vec::new();
    put_times(
        &mut out,
        &(0..16_384).map(|i| Time(1_790_000_000_000_000_000 + i * 10_000_000_000)).collect::<Vec<_>>(),
        Effort::Hot,
    );
    assert!(out.len() <= 24, "{}", out.len());
}
