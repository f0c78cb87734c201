// How many points of a set are abnormal, and in which way. Pure.
import type { LiveSample, PointItem } from "@console/api/types";
import { isFaultState, outOfRange, qualityClass } from "@console/kit/value";

export interface Tally {
  bad: number;
  uncertain: number;
  /** Good, but in a state that is named as a fault or an alarm. */
  faulted: number;
  /** Good, but outside the usual range. */
  beyond: number;
  /** No sample yet. */
  silent: number;
  abnormal: number;
  /** When the first of the bad ones turned bad, in ms; 0 without any. */
  oldest: number;
}

export function tallyOf(points: PointItem[], latest: (point: string) => LiveSample | undefined): Tally {
  const tally: Tally = { bad: 0, uncertain: 0, faulted: 0, beyond: 0, silent: 0, abnormal: 0, oldest: 0 };
  for (const { id, body } of points) {
    const sample = latest(id);
    if (!sample) tally.silent += 1;
    else if (qualityClass(sample.quality) === "bad") {
      const since = Date.parse(sample.time);
      tally.oldest = tally.bad === 0 ? since : Math.min(tally.oldest, since);
      tally.bad += 1;
    } else if (qualityClass(sample.quality) === "uncertain") tally.uncertain += 1;
    else if (isFaultState(sample.value, body.states)) tally.faulted += 1;
    else if (outOfRange(sample.value, body.range)) tally.beyond += 1;
  }
  tally.abnormal = tally.bad + tally.uncertain + tally.faulted + tally.beyond;
  return tally;
}
