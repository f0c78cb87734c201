// The view of a trend as it stands in the address: which points, which window, live or fixed. Pure.
import type { LocationQuery } from "vue-router";
import { PENS_MAX } from "@console/kit/TrendChart.vue";

export interface View {
  points: string[];
  /** `live` ends at the present and moves with it. */
  live: boolean;
  from: number;
  to: number;
}

export const WINDOWS: [key: string, ms: number][] = [
  ["5min", 300_000],
  ["15min", 900_000],
  ["1h", 3_600_000],
  ["8h", 28_800_000],
  ["24h", 86_400_000],
  ["7d", 604_800_000],
  ["30d", 2_592_000_000],
  ["1y", 31_536_000_000],
];
const WINDOW_DEFAULT_MS = 15 * 60_000;

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const instant = (value: unknown): number => {
  const given = text(value);
  return given === "" ? NaN : Date.parse(given);
};

export function viewOf(query: LocationQuery, now_ms: number): View {
  const points = [...new Set(text(query["points"]).split(",").filter(Boolean))].slice(0, PENS_MAX);
  const from = instant(query["from"]);
  const to = instant(query["to"]);
  if (from < to) return { points, live: false, from, to };
  const seconds = Number(text(query["window"]));
  const window = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : WINDOW_DEFAULT_MS;
  return { points, live: true, from: now_ms - window, to: now_ms };
}

export function queryOf(view: View): Record<string, string> {
  const points: Record<string, string> = view.points.length ? { points: view.points.join(",") } : {};
  if (view.live) return { ...points, window: String(Math.round((view.to - view.from) / 1_000)) };
  return { ...points, from: new Date(view.from).toISOString(), to: new Date(view.to).toISOString() };
}
