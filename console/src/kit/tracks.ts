// What a trend draws: one track per pen, made of raw samples or of buckets. Pure. Two promises: minimum and maximum stay
// in view at every zoom, and bad stretches never disappear.
import type { Aggregate, JsonValue, RawSample } from "../api/types";
import { asNumber, qualityClass } from "./value";

export type Span = [from_ms: number, to_ms: number];

export interface Track {
  /** Ascending, ms since 1970. */
  time: number[];
  /** `null` breaks the line. */
  mean: (number | null)[];
  /** Of a bucket; absent for raw samples, where both would equal `mean`. */
  min?: (number | null)[];
  max?: (number | null)[];
  /** Width of a bucket; absent for raw samples. */
  bucket_ms?: number;
  bad: Span[];
}

/** A pause longer than so many periods is a gap. */
const GAP_PERIODS = 5;
/** Two neighbouring buckets lie one width apart, two with an empty one between lie two apart. */
const GAP_BUCKETS = 1.5;

/** The longest pause that still counts as unbroken; endless for points that come whenever they come. */
export function gapLimit(period_ms: number | undefined, bucket_ms = 0): number {
  return period_ms === undefined ? Infinity : Math.max(GAP_PERIODS * period_ms, GAP_BUCKETS * bucket_ms);
}

export const emptyTrack = (): Track => ({ time: [], mean: [], bad: [] });

const lastTime = (track: Track): number | undefined => track.time[track.time.length - 1];

/** A bad stretch that is still going on ends at `Infinity`. */
function closeBad(track: Track, at_ms: number): void {
  const span = track.bad[track.bad.length - 1];
  if (span && span[1] === Infinity) span[1] = at_ms;
}

/** Adds one sample at the end; older ones are ignored, since a reload brings them in order. */
export function append(track: Track, time_ms: number, value: JsonValue, quality: number, gap_ms: number): void {
  const before = lastTime(track);
  if (before !== undefined && time_ms <= before) return;
  const bad = qualityClass(quality) === "bad";
  const number = bad ? null : asNumber(value);
  if (number !== null) {
    closeBad(track, time_ms);
    const unbroken = track.mean[track.mean.length - 1] !== null;
    if (before !== undefined && unbroken && time_ms - before > gap_ms) push(track, before + 1, null);
  } else if (bad && track.bad[track.bad.length - 1]?.[1] !== Infinity) track.bad.push([time_ms, Infinity]);
  push(track, time_ms, number);
}

function push(track: Track, time_ms: number, value: number | null): void {
  track.time.push(time_ms);
  track.mean.push(value);
  track.min?.push(value);
  track.max?.push(value);
}

/** From samples in ascending order. */
export function fromSamples(samples: RawSample[], gap_ms: number): Track {
  const track = emptyTrack();
  for (const one of samples) append(track, Date.parse(one.time), one.value, one.quality, gap_ms);
  return track;
}

/**
 * From buckets of equal width. A bucket is drawn at its middle. Empty buckets break the line only when the pause is
 * longer than `gap_ms`; a bad bucket followed by empty ones stays bad until something usable comes.
 */
export function fromBuckets(columns: Aggregate, bucket_ms: number, gap_ms: number): Track {
  const track: Track = { ...emptyTrack(), min: [], max: [], bucket_ms };
  columns.start.forEach((start, i) => {
    const mean = columns.mean[i] ?? null;
    const bad = (columns.bad[i] ?? 0) > 0;
    const middle = start + bucket_ms / 2;
    if (mean !== null) {
      closeBad(track, start);
      const before = lastTime(track);
      if (before !== undefined && middle - before > Math.max(gap_ms, bucket_ms * GAP_BUCKETS)) push(track, before + 1, null);
      track.time.push(middle);
      track.mean.push(mean);
      track.min!.push(columns.min[i] ?? mean);
      track.max!.push(columns.max[i] ?? mean);
    }
    if (!bad) return;
    const last = track.bad[track.bad.length - 1];
    const mixed = mean !== null && i + 1 < columns.start.length && (columns.mean[i + 1] ?? null) !== null;
    if (last && last[1] >= start) last[1] = mixed ? start + bucket_ms : Infinity;
    else track.bad.push([start, mixed ? start + bucket_ms : Infinity]);
  });
  return track;
}

/** A break lasts from value to value: the chart cuts the line only between neighbouring entries, whosever they are. */
function widenBreaks(column: (number | null | undefined)[]): void {
  let open = 0;
  let broken = false;
  for (let i = 0; i <= column.length; i += 1) {
    const value = column[i];
    if (value === null) broken = true;
    if (typeof value !== "number" && i < column.length) continue;
    if (broken) column.fill(null, open, i);
    open = i + 1;
    broken = false;
  }
}

/** Columns for a chart over one shared time axis: `undefined` where a track has nothing to say, `null` where it breaks. */
export function align(
  tracks: Track[],
  pick: (track: Track) => (number | null)[][],
): [number[], ...(number | null | undefined)[][]] {
  const times = [...new Set(tracks.flatMap((track) => track.time))].sort((a, b) => a - b);
  const place = new Map(times.map((time, i) => [time, i]));
  const columns = tracks.flatMap((track) =>
    pick(track).map((values) => {
      const column = new Array<number | null | undefined>(times.length).fill(undefined);
      track.time.forEach((time, i) => (column[place.get(time)!] = values[i]));
      widenBreaks(column);
      return column;
    }),
  );
  return [times, ...columns];
}

/** Index of the last entry at or before `at_ms`, or -1. */
export function indexAt(time: number[], at_ms: number): number {
  let low = 0;
  let high = time.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time[middle]! <= at_ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The value that held at an instant; `null` in a gap, before the first and in bad stretches. */
export function valueAt(track: Track, at_ms: number): number | null {
  if (track.bad.some(([from, to]) => at_ms >= from && at_ms < to)) return null;
  const i = indexAt(track.time, at_ms);
  return i < 0 ? null : (track.mean[i] ?? null);
}

/** The usable values next to a span: the last before it and the first after it, as far as there are any. */
export function endsOf(track: Track, [from_ms, to_ms]: Span): number[] {
  const known = (value: number | null | undefined): value is number => typeof value === "number";
  const start = indexAt(track.time, from_ms);
  const before = track.mean.slice(0, start + 1).findLast(known);
  const after = track.mean.slice(Math.max(0, indexAt(track.time, to_ms))).find(known);
  return [before, after].filter(known);
}

export interface Extent {
  min: number;
  max: number;
  mean: number;
}

/** Least, greatest and mean of what is in a window; a bucket counts as one. */
export function extentOf(track: Track, from_ms: number, to_ms: number): Extent | undefined {
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let count = 0;
  for (let i = Math.max(0, indexAt(track.time, from_ms)); i < track.time.length && track.time[i]! <= to_ms; i += 1) {
    const mean = track.mean[i];
    if (mean === null || mean === undefined || track.time[i]! < from_ms) continue;
    min = Math.min(min, track.min?.[i] ?? mean);
    max = Math.max(max, track.max?.[i] ?? mean);
    sum += mean;
    count += 1;
  }
  return count === 0 ? undefined : { min, max, mean: sum / count };
}
