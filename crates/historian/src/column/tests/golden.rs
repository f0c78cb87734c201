//! Bytes that every reader must go on reading, for ever.

use types::{Time, Values};

use super::{
    super::{take_times, take_values},
    made::Noise,
};
use crate::codec::Cursor;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

type Golden = Vec<(Values, &'static str)>;

/// Values and what they were first written as.
fn columns() -> Golden {
    [whole(), fractions(), texts()].concat()
}

fn whole() -> Golden {
    let mut noise = Noise(1);
    let skewed: Vec<i64> = (0..160).map(|_| noise.bits() as i64 >> 52 >> (noise.bits() & 15)).collect();
    let mut zeros = |rows| -> Vec<i64> { (0..rows).map(|_| noise.bits().trailing_zeros().into()).collect() };
    vec![
        (Values::Absent(3), "00"),
        (Values::Bool(vec![true, false, true, true, false, true, false, true, true, false]), "40ad01"),
        (Values::Bool(vec![false; 50]), "4100"),
        (Values::Bool((0..50).map(|i| i < 30).collect()), "4201103c"),
        (Values::I64(vec![-7; 9]), "3001100d"),
        (
            Values::I64((0..70).map(|i| 1000 + i * i * 7 % 32).collect()),
            "310711d00f05e03c78f907110003e88aaee8b14839b18aaee88a4839b148aee88aae39b14839483d01",
        ),
        (Values::I64((0..9).map(|i| i * 3 - 5).collect()), "12091006"),
        (Values::U64((0..9).map(|i| u64::MAX - 20 + i * i % 5 + i).collect()), "112904207655b70c"),
        (Values::I64((0..9).map(|i| i * i).collect()), "11000780002101c9906240"),
        (
            Values::I64((0..40).map(|i| if i == 17 { 1 << 40 } else { i * 5 % 3 }).collect()),
            "11008201081100000000004000000018866118826118866118",
        ),
        (Values::I64((0..40).map(|i| i / 15 * 100).collect()), "120011008002010e001d006464"),
        (
            Values::I64((0..40).map(|i| [1, 1 << 40, -9][i * i % 3]).collect()),
            "3102120210feffffffff3f110001b66ddbb66d",
        ),
        (
            Values::I64(skewed),
            "1400830710302199d824c2941346193127e608110658b2a0f67b41faa8dbcc9244a3b684e830337f087e244945\
             deef985e4ec19e9bbfd665d17610b346d0101227bda05bf06fadf7213b9f1f5e8a8d120dd3646a7edc50ce40ff\
             a791f17cb78b7c4f36589648310e7008d11f000042b3f1d47a358d8c8ccdea7a9bc112a26ed3e3f5215d5f7be0\
             9c74cb96d3979dd08a04b571ac8c4ba0830da00f9bd512365b7523d3135ecdec8d6eac5293d3cdb6050a",
        ),
        (
            Values::I64(zeros(2100).iter().map(|z| (z - 3).max(0) * (z % 2 * 20 - 10)).collect()),
            "1400870a1700fefeff1f1cffff8ffeff1ff5fffff4ff7ff2fffffa0b840120c4b0c985c5af80a9bb4354cd04a9\
             d79239ead33b513e5efd08bb17a8c8f24a87ff178fdb76c0e7ba9274e6d564042036d6503c45c281d00b02f6cc\
             b955368d2a16ce47f5ad7813ae180e4c66d540d6a62d1b796038ec739c0ecabeb74ca4d7d918a7a45341cddb45\
             7f30c984825fa7f708ff7fbc7500b3923404f291d22471fde3dd0103cb3c03",
        ),
    ]
}

fn fractions() -> Golden {
    vec![
        (Values::F64(vec![20.5, 20.25, 20.75, 21.0, 19.99]), "220200119e1f07330db30c00"),
        (Values::F64(vec![0.1 * 3.0, 0.1 * 7.0, 0.1 * 6.0, 0.5]), "228100110603e004"),
        (
            Values::F64(vec![1.5, -0.0, 2.5, f64::INFINITY, 3.5, 4.5, 5.5, 6.5, 7.5]),
            "242201021202100420000000800000807f111e0600a0289487ca3c",
        ),
        (Values::F64(vec![0.333_333_333_333_333_3, 0.333_333_333_333_333_4]), "2112aad5aad5aad5aad57f1004"),
        (
            Values::F64(vec![f64::from_bits(0x7ff8_0000_0000_0001), -1e300, 5e-324]),
            "20010000000000f87f9c7500883ce437fe0100000000000000",
        ),
        (Values::F64(vec![f64::from(0.1f32), f64::from(0.7f32), f64::from(3.3f32)]), "24220100110206800102"),
        (Values::F32(vec![0.1, 22.5, -3.25]), "2202001189050c4ff1a00000"),
        (Values::F32(vec![f32::NAN, 1e-40, -7e30]), "200000c07fc216010071b4b0f2"),
        (
            Values::F64((0..60).map(|i| f64::from(i * i % 61) * (100.0 / 4095.0)).collect()),
            "234d92011990011990f90b10000000000000000000344000000000000000000010004040245046c60375f2d6db\
             a84c3be1a293a7db53e834ecba30ad17cf96e68e884f2da336afc59fd41093199410",
        ),
    ]
}

fn texts() -> Golden {
    vec![
        (
            Values::String(["run", "stop", "", "run", "run", "run"].map(Into::into).into()),
            "310350110003230072756e73746f701100022400",
        ),
        (Values::String(["a", "", "pump 3 号"].map(Into::into).into()), "50110004010a6170756d70203320e58fb7"),
        (
            Values::Bytes(
                (0..9u8).map(|i| [b'x', b'y', b'z', b'x', b'y', b'z', i].as_slice().into()).collect(),
            ),
            "51100e2b28b52ffd203f150100a878797a78797a000102030405060778797a78797a0807040340c00106041c60\
             2a5b",
        ),
    ]
}

fn times() -> Vec<(Vec<i64>, &'static str)> {
    vec![
        (vec![], "6000"),
        (vec![7, 5, i64::MIN], "60130e0310faffffffffffffffff01"),
        (
            (0..20).map(|i| 1_790_000_000_000_000_000 + i * 1_000_000_000).collect(),
            "61808098bf84e1add7318094ebdc0301001000",
        ),
        (
            (0..40).map(|i| (i + i64::from(i > 20) * 9) * 1_000_000_000 + i * i % 3 * 1_000_000).collect(),
            "6100c0843de80701102a10d08c01110001b66ddbb66d",
        ),
        (vec![1, 4, 9, 16, 25, 36, 1000], "6102010901100c10e20e1117046c02200c"),
    ]
}

#[test]
fn what_was_written_is_still_read() {
    for (values, golden) in columns() {
        let old = bytes(golden);
        let mut cursor = Cursor::new(&old);
        let back = take_values(&mut cursor, values.value_type(), values.len()).unwrap();
        cursor.end().unwrap();
        // As text, in which a NaN equals itself; its bits are compared elsewhere.
        assert_eq!(format!("{back:?}"), format!("{values:?}"));
    }
    for (times, golden) in times() {
        let times: Vec<Time> = times.into_iter().map(Time).collect();
        assert_eq!(take_times(&mut Cursor::new(&bytes(golden)), times.len()), Ok(times));
    }
}
