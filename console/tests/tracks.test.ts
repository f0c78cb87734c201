import { describe, expect, it } from "vitest";
import type { Aggregate, RawSample } from "../src/api/types";
import { align, append, emptyTrack, endsOf, extentOf, fromBuckets, fromSamples, gapLimit, valueAt } from "../src/kit/tracks";

const BAD = 0x80310000;
const at = (s: number): string => new Date(s * 1_000).toISOString();
const sample = (s: number, value: number | null, quality = 0): RawSample => ({ time: at(s), value, quality });
const buckets = (mean: (number | null)[], bad: number[]): Aggregate => ({
  point: "p",
  start: mean.map((_, i) => i * 1_000),
  count: mean.map((v) => (v === null ? 0 : 5)),
  bad,
  min: mean.map((v) => (v === null ? null : v - 1)),
  max: mean.map((v) => (v === null ? null : v + 1)),
  mean,
});

describe("raw samples", () => {
  it("break at a pause and at bad quality, and stay bad until a usable value", () => {
    const track = fromSamples(
      [sample(1, 10), sample(2, 11), sample(9, 12), sample(10, 12, BAD), sample(15, 13)],
      3_000,
    );
    expect(track.mean).toEqual([10, 11, null, 12, null, 13]);
    expect(track.bad).toEqual([[10_000, 15_000]]);
  });
  it("stay bad to the present when nothing usable came", () => {
    expect(fromSamples([sample(1, 1), sample(2, null, BAD)], 3_000).bad).toEqual([[2_000, Infinity]]);
  });
  it("ignore what is older than the last", () => {
    const track = emptyTrack();
    append(track, 2_000, 5, 0, Infinity);
    append(track, 1_000, 4, 0, Infinity);
    expect(track.time).toEqual([2_000]);
  });
  it("never break for points without a period", () => {
    expect(fromSamples([sample(1, 1), sample(9_999, 2)], Infinity).mean).toEqual([1, 2]);
  });
});

describe("buckets", () => {
  it("keep minimum and maximum, and draw a long pause as a gap", () => {
    const track = fromBuckets(buckets([5, null, null, null, 9], [0, 0, 0, 0, 0]), 1_000, 1_500);
    expect(track.mean).toEqual([5, null, 9]);
    expect(track.min).toEqual([4, null, 8]);
    expect(track.max).toEqual([6, null, 10]);
  });
  it("show a short stop as a gap at every zoom, and unsteady readings as none", () => {
    // Read every second: a bucket of 10 s without any is a stop.
    const wide = { ...buckets([5, null, 9], [0, 0, 0]), start: [0, 10_000, 20_000] };
    expect(fromBuckets(wide, 10_000, gapLimit(1_000, 10_000)).mean).toEqual([5, null, 9]);
    expect(fromBuckets(buckets([5, null, 9], [0, 0, 0]), 1_000, gapLimit(1_000, 1_000)).mean).toEqual([5, 9]);
    expect([gapLimit(1_000), gapLimit(undefined)]).toEqual([5_000, Infinity]);
  });
  it("never lose a bad stretch, even a short one within a bucket", () => {
    expect(fromBuckets(buckets([5, 5, 5], [0, 1, 0]), 1_000, 3_000).bad).toEqual([[1_000, 2_000]]);
    expect(fromBuckets(buckets([5, null, null, 7], [1, 0, 0, 0]), 1_000, 3_000).bad).toEqual([[0, 3_000]]);
    expect(fromBuckets(buckets([5, null], [1, 0]), 1_000, 3_000).bad).toEqual([[0, Infinity]]);
  });
});

describe("alignment", () => {
  it("shares one time axis and lets a break last from value to value", () => {
    const broken = { time: [1, 5, 9], mean: [1, null, 2], bad: [] };
    const whole = { time: [1, 2, 6, 9], mean: [3, 4, 5, 6], bad: [] };
    expect(align([broken, whole], (track) => [track.mean])).toEqual([
      [1, 2, 5, 6, 9],
      [1, null, null, null, 2],
      [3, 4, undefined, 5, 6],
    ]);
  });
});

describe("reading a track", () => {
  const track = { time: [0, 10, 20], mean: [1, 3, 2], bad: [[10, 15]] as [number, number][] };
  it("gives the value that held", () => {
    expect([valueAt(track, -1), valueAt(track, 5), valueAt(track, 12), valueAt(track, 99)]).toEqual([null, 1, null, 2]);
  });
  it("sums up a window", () => {
    expect(extentOf(track, 0, 10)).toEqual({ min: 1, max: 3, mean: 2 });
    expect(extentOf(track, 30, 40)).toBeUndefined();
  });
  it("knows the values at the ends of a bad stretch", () => {
    const broken = { time: [0, 10, 20, 30], mean: [1, 3, null, 7], bad: [] };
    expect(endsOf(broken, [20, 30])).toEqual([3, 7]);
    expect(endsOf({ ...broken, mean: [1, 3, null, null] }, [20, Infinity])).toEqual([3]);
    expect(endsOf(emptyTrack(), [0, Infinity])).toEqual([]);
  });
});
