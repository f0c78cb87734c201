//! Streams of integers: the numbers of integer columns, and the digits, bits, indices and lengths of all others.

use super::{
    Effort,
    bits::BLOCK,
    blocks::{Plan, each_block, plan, put_blocks},
    classes::{self, each_class, put_classes},
    id,
    part::Part,
};
use crate::codec::{Cursor, Malformed, put_zigzag};

/// Fewer values than this are not worth the start that classes need.
const CLASSES_ROWS_MIN: usize = 96;
/// Classes must save one part of so many, or their slower reading is not worth it.
const CLASSES_GAIN: usize = 8;

/// One part of so many that each order of differences must save while time matters.
const HOT_SUM_PART: usize = 4;

/// Integers in one of three forms: themselves, their differences, or the differences of those.
struct Form<'a> {
    values: &'a [i64],
    packed: Vec<Plan>,
    /// About how many bytes go ahead of them.
    ahead: usize,
}

impl Form<'_> {
    fn new(values: &[i64], order: usize) -> Form<'_> {
        Form { values, packed: plan(values), ahead: [0, 5, 9][order] }
    }
    /// About how many bytes it takes packed.
    fn bytes(&self) -> usize {
        self.packed.iter().map(|plan| plan.bytes).sum::<usize>() + self.ahead
    }
}

/// Appends integers in the smallest of the ways that the effort allows.
pub(super) fn put_ints(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    if put_constant(out, values) {
        return;
    }
    let once = differences(values);
    if once.iter().all(|d| *d == once[0]) {
        out.push(id::INT_DELTA);
        put_zigzag(out, values[0]);
        put_constant(out, &once);
        return;
    }
    let mut forms = vec![Form::new(values, 0), Form::new(&once, 1)];
    // Differences that are no smaller than the values are noise, and theirs would be more of it.
    let twice = if forms[1].bytes() < forms[0].bytes() { differences(&once) } else { Vec::new() };
    if !twice.is_empty() {
        forms.push(Form::new(&twice, 2));
    }
    // Sums take time, too.
    let dear = |order: usize, bytes: usize| match effort {
        Effort::Hot => bytes + bytes / HOT_SUM_PART * order,
        Effort::Cold => bytes,
    };
    let costs = forms.iter().enumerate().map(|(order, form)| (order, dear(order, form.bytes())));
    let Some((mut order, mut cost)) = costs.min_by_key(|(_, cost)| *cost) else { return };
    let mut best = None;
    if effort == Effort::Cold && values.len() >= CLASSES_ROWS_MIN {
        cost -= cost / CLASSES_GAIN;
        // Of what is much wider packed, the classes cost more as well.
        let near = cost + cost / 3;
        for (at, form) in forms.iter().enumerate().filter(|(_, form)| form.bytes() <= near) {
            if let Some(plan) = classes::plan(form.values).filter(|plan| plan.bytes + form.ahead < cost) {
                (order, cost, best) = (at, plan.bytes + form.ahead, Some(plan));
            }
        }
    }
    match order {
        0 => {}
        1 => {
            out.push(id::INT_DELTA);
            put_zigzag(out, values[0]);
        }
        _ => {
            out.push(id::INT_DELTA2);
            put_zigzag(out, values[0]);
            put_zigzag(out, once[0]);
        }
    }
    let form = &forms[order];
    if let Some(plan) = best {
        out.push(id::INT_CLASSES);
        put_classes(out, form.values, &plan);
    } else if order < 2 || !put_constant(out, form.values) {
        out.push(id::INT_PACKED);
        put_blocks(out, form.values, &form.packed);
    }
}

/// Appends equal values as one, or nothing and `false`.
fn put_constant(out: &mut Vec<u8>, values: &[i64]) -> bool {
    let Some(first) = values.first() else {
        out.push(id::EMPTY);
        return true;
    };
    let constant = values.iter().all(|v| v == first);
    if constant {
        out.push(id::INT_CONSTANT);
        put_zigzag(out, *first);
    }
    constant
}

fn differences(values: &[i64]) -> Vec<i64> {
    values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect()
}

/// Reads so many integers.
pub(super) fn take_ints(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<i64>, Malformed> {
    let id = cursor.u8()?;
    take_ints_as(cursor, id, rows)
}

/// Reads so many integers of the codec named.
pub(super) fn take_ints_as(cursor: &mut Cursor<'_>, id: u8, rows: usize) -> Result<Vec<i64>, Malformed> {
    let mut values = Vec::with_capacity(rows);
    each_ints(cursor, id, rows, &mut |part| part.append_to(&mut values))?;
    Ok(values)
}

/// Reads so many integers and hands them on part by part, while they are near.
pub(super) fn each_ints(
    cursor: &mut Cursor<'_>,
    id: u8,
    rows: usize,
    sink: &mut impl FnMut(Part<'_>),
) -> Result<(), Malformed> {
    match id {
        id::INT_DELTA if rows > 0 => {
            let mut sum = cursor.zigzag()?;
            sink(Part::Wide(&mut [sum]));
            let inner = cursor.u8()?;
            each_packed(cursor, inner, rows - 1, &mut |part| sum = part.add_up(sum, sink))
        }
        id::INT_DELTA2 if rows > 1 => {
            let (first, mut step) = (cursor.zigzag()?, cursor.zigzag()?);
            let mut sum = first.wrapping_add(step);
            sink(Part::Wide(&mut [first, sum]));
            let inner = cursor.u8()?;
            each_packed(cursor, inner, rows - 2, &mut |part| {
                step = part.add_up(step, &mut |part| sum = part.add_up(sum, sink))
            })
        }
        _ => each_packed(cursor, id, rows, sink),
    }
}

/// Reads integers that are no differences of others.
fn each_packed(
    cursor: &mut Cursor<'_>,
    id: u8,
    rows: usize,
    sink: &mut impl FnMut(Part<'_>),
) -> Result<(), Malformed> {
    match id {
        id::EMPTY if rows == 0 => Ok(()),
        id::INT_CONSTANT => {
            let value = cursor.zigzag()?;
            for from in (0..rows).step_by(BLOCK) {
                sink(Part::Wide(&mut [value; BLOCK][..BLOCK.min(rows - from)]));
            }
            Ok(())
        }
        id::INT_PACKED => each_block(cursor, rows, sink),
        id::INT_CLASSES => each_class(cursor, rows, sink),
        _ => Err(Malformed("unknown codec of integers")),
    }
}
