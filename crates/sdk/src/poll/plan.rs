//! Which requests to send for which items: spans are merged into blocks. Pure, O(n log n).
//!
//! Asking is what costs: a hundred single reads at 20 ms take two seconds, one block of a hundred 20 ms. So
//! neighbours are read together, over gaps that nobody asked for, within what the device can bear and never over
//! an address that it refused before.

use std::collections::BTreeMap;

/// What one item needs: `len` cells from `start` in one area (a register table, a data block).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Cells of different areas never share a request.
    pub area: u32,
    /// First cell.
    pub start: u32,
    /// How many; at least 1.
    pub len: u32,
    /// Whose: the caller's number.
    pub item: u32,
}

impl Span {
    /// The cell after the last.
    pub const fn end(&self) -> u32 {
        self.start.saturating_add(self.len)
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The area.
    pub area: u32,
    /// First cell.
    pub start: u32,
    /// How many.
    pub len: u32,
    /// What is in it, by start; never empty.
    pub spans: Vec<Span>,
}

impl Block {
    /// The tightest block around spans of one area; `None` around nothing.
    pub fn around(spans: Vec<Span>) -> Option<Block> {
        let (area, start) = spans.first().map(|s| (s.area, s.start))?;
        let end = spans.iter().map(Span::end).max()?;
        Some(Block { area, start, len: end - start, spans })
    }
    /// The cell after the last.
    pub const fn end(&self) -> u32 {
        self.start.saturating_add(self.len)
    }
    /// Two blocks with half of the items each; the block itself when it has one item.
    pub fn halves(mut self) -> (Block, Option<Block>) {
        let right = self.spans.split_off(self.spans.len().div_ceil(2));
        let left = std::mem::take(&mut self.spans);
        match (Block::around(left), Block::around(right)) {
            (Some(left), right) => (left, right),
            (None, _) => (self, None),
        }
    }
}

/// What one request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most cells.
    pub span_max: u32,
    /// The widest gap that is read over; 0 merges only what touches.
    pub gap_max: u32,
    /// Never merge.
    pub one_item: bool,
}

/// Where requests must not reach across, by area. An empty hole (start = end) is a border between two cells that the
/// device does not give together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holes(BTreeMap<u32, Vec<(u32, u32)>>);

impl Holes {
    /// Remembers the cells `start..end`.
    pub fn add(&mut self, area: u32, start: u32, end: u32) {
        let holes = self.0.entry(area).or_default();
        // Disjoint and sorted, so that a question is one binary search.
        let from = holes.partition_point(|h| h.1 < start);
        let to = holes.partition_point(|h| h.0 <= end);
        let joined = holes[from..to].iter().fold((start, end), |j, h| (j.0.min(h.0), j.1.max(h.1)));
        holes.splice(from..to, [joined]);
    }
    /// Whether `start..end` reaches into or across one.
    pub fn within(&self, area: u32, start: u32, end: u32) -> bool {
        self.0.get(&area).is_some_and(|holes| {
            holes.get(holes.partition_point(|h| h.1 <= start)).is_some_and(|hole| hole.0 < end)
        })
    }
    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
    /// None.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of area and start.
    pub blocks: Vec<Block>,
    /// Items that alone are larger than a request may be: they can never be read.
    pub oversize: Vec<u32>,
}

/// Merges spans into blocks. `limits` says what the area bears.
pub fn plan(mut spans: Vec<Span>, limits: impl Fn(u32) -> Limits, holes: &Holes) -> Plan {
    spans.sort_unstable_by_key(|s| (s.area, s.start, s.len, s.item));
    let mut plan = Plan::default();
    for span in spans {
        let limit = limits(span.area);
        if span.len > limit.span_max {
            plan.oversize.push(span.item);
            continue;
        }
        match plan.blocks.last_mut().filter(|block| joins(block, &span, limit, holes)) {
            Some(block) => {
                block.len = block.end().max(span.end()) - block.start;
                block.spans.push(span);
            }
            None => {
                plan.blocks.push(Block {
                    area: span.area,
                    start: span.start,
                    len: span.len,
                    spans: vec![span],
                });
            }
        }
    }
    plan
}

fn joins(block: &Block, span: &Span, limit: Limits, holes: &Holes) -> bool {
    let end = block.end().max(span.end());
    !limit.one_item
        && block.area == span.area
        && span.start.saturating_sub(block.end()) <= limit.gap_max
        && end - block.start <= limit.span_max
        && !holes.within(block.area, block.start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: Limits = Limits { span_max: 125, gap_max: 16, one_item: false };

    fn spans(list: &[(u32, u32)]) -> Vec<Span> {
        let span = |(item, (start, len)): (usize, &(u32, u32))| Span {
            area: 0,
            start: *start,
            len: *len,
            item: item as u32,
        };
        list.iter().enumerate().map(span).collect()
    }
    fn bounds(plan: &Plan) -> Vec<(u32, u32)> {
        plan.blocks.iter().map(|b| (b.start, b.end())).collect()
    }

    #[test]
    fn neighbours_merge_up_to_gap_and_cap() {
        let holes = Holes::default();
        let of = |list: &[(u32, u32)]| bounds(&plan(spans(list), |_| LIMIT, &holes));
        assert_eq!(of(&[(0, 2), (2, 2), (20, 1)]), [(0, 21)]);
        assert_eq!(of(&[(0, 2), (19, 1)]), [(0, 2), (19, 20)]);
        assert_eq!(of(&[(5, 1), (0, 4), (2, 1)]), [(0, 6)]);
        let row: Vec<(u32, u32)> = (0..200).map(|i| (i, 1)).collect();
        assert_eq!(of(&row), [(0, 125), (125, 200)]);
    }

    #[test]
    fn holes_and_borders_are_not_crossed() {
        let mut holes = Holes::default();
        holes.add(0, 5, 6);
        holes.add(0, 10, 10);
        let of = |list: &[(u32, u32)]| bounds(&plan(spans(list), |_| LIMIT, &holes));
        assert_eq!(of(&[(0, 2), (6, 2), (8, 2), (10, 1)]), [(0, 2), (6, 10), (10, 11)]);
        holes.add(0, 4, 12);
        assert_eq!(holes.len(), 1);
    }

    #[test]
    fn what_is_larger_than_a_request_is_named() {
        let found = plan(spans(&[(0, 126), (3, 1)]), |_| LIMIT, &Holes::default());
        assert_eq!((found.oversize, found.blocks.len()), (vec![0], 1));
    }

    /// The fewest blocks when any gap may be read over: dynamic programming over the sorted starts.
    fn fewest(mut list: Vec<Span>, cap: u32) -> usize {
        list.sort_by_key(|s| (s.start, s.len));
        let mut best = vec![0; list.len() + 1];
        for i in (0..list.len()).rev() {
            let mut end = 0;
            best[i] = usize::MAX;
            for j in i..list.len() {
                end = end.max(list[j].end());
                if end - list[i].start > cap {
                    break;
                }
                best[i] = best[i].min(1 + best[j + 1]);
            }
        }
        best[0]
    }

    fn any_spans() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0..3u32, 0..400u32, 1..12u32), 0..60).prop_map(|list| {
            let span = |(item, (area, start, len)): (usize, (u32, u32, u32))| Span {
                area,
                start,
                len,
                item: item as u32,
            };
            list.into_iter().enumerate().map(span).collect()
        })
    }

    proptest! {
        #[test]
        fn every_item_is_covered_once_within_the_limits(
            spans in any_spans(),
            span_max in 12..130u32, gap_max in 0..20u32, one_item: bool,
            hole_list in prop::collection::vec((0..3u32, 0..400u32, 0..5u32), 0..8),
        ) {
            let limit = Limits { span_max, gap_max, one_item };
            let mut holes = Holes::default();
            for (area, start, len) in &hole_list {
                holes.add(*area, *start, start + len);
            }
            let plan = plan(spans.clone(), |_| limit, &holes);
            let mut seen: Vec<u32> = plan.blocks.iter().flat_map(|b| b.spans.iter().map(|s| s.item)).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..spans.len() as u32).collect::<Vec<_>>());
            for block in &plan.blocks {
                prop_assert!(block.len <= span_max);
                prop_assert!(block.spans.iter().all(|s| s.area == block.area && block.start <= s.start && s.end() <= block.end()));
                prop_assert!(!one_item || block.spans.len() == 1);
                prop_assert_eq!(Block::around(block.spans.clone()), Some(block.clone()), "tight");
                if block.spans.len() > 1 {
                    let crossed = hole_list.iter().any(|(area, start, len)| *area == block.area && *start < block.end() && start + len > block.start);
                    prop_assert!(!crossed, "{block:?} reaches into a hole");
                    let mut end = block.start;
                    for span in &block.spans {
                        prop_assert!(span.start.saturating_sub(end) <= gap_max);
                        end = end.max(span.end());
                    }
                }
            }
        }

        #[test]
        fn no_plan_has_fewer_blocks(spans in any_spans(), cap in 12..130u32) {
            let limit = Limits { span_max: cap, gap_max: u32::MAX, one_item: false };
            let plan = plan(spans.clone(), |_| limit, &Holes::default());
            let fewest: usize = (0..3).map(|area| fewest(spans.iter().filter(|s| s.area == area).copied().collect(), cap)).sum();
            prop_assert_eq!(plan.blocks.len(), fewest);
        }

        #[test]
        fn a_hole_is_found_where_it_is(list in prop::collection::vec((0..60u32, 0..6u32), 0..12), start in 0..60u32, len in 1..20u32) {
            let mut holes = Holes::default();
            list.iter().for_each(|(s, l)| holes.add(0, *s, s + l));
            let by_hand = list.iter().any(|(s, l)| *s < start + len && s + l > start);
            prop_assert_eq!(holes.within(0, start, start + len), by_hand);
        }
    }
}
