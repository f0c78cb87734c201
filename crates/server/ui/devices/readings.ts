// What an inspection found, as a table: a row per cell, a column per reading. Pure.
import type { Candidate, Inspection } from "@console/api/types";

export interface Row {
  /** Canonical address of the cell, such as `40001`. */
  cell: string;
  hex: string | null;
  byReading: Map<string, Candidate>;
  /** The reading that looks most like a machine's: the first plausible one. */
  best: string | undefined;
}

export interface Table {
  rows: Row[];
  readings: string[];
}

/** Shown without asking, in this order; the rest on demand. */
const USUAL = [
  "bool",
  "int16",
  "uint16",
  "float32 ABCD",
  "float32 CDAB",
  "float32 BADC",
  "float32 DCBA",
  "int32 ABCD",
  "int32 CDAB",
  "uint32 ABCD",
  "uint32 CDAB",
  "bcd16",
  "string",
  "string BA",
];

export const cellOf = (candidate: Candidate): string => candidate.address.split(" ")[0] ?? "";

export function tableOf(inspection: Inspection, all: boolean): Table {
  const rows = inspection.raw.map((raw): Row => ({
    cell: raw.address,
    hex: raw.hex,
    byReading: new Map(),
    best: undefined,
  }));
  const byCell = new Map(rows.map((row) => [row.cell, row]));
  const found = new Set<string>();
  for (const candidate of inspection.candidates) {
    const row = byCell.get(cellOf(candidate));
    if (!row || row.byReading.has(candidate.reading)) continue;
    row.byReading.set(candidate.reading, candidate);
    if (candidate.plausible) row.best ??= candidate.reading;
    found.add(candidate.reading);
  }
  const usual = USUAL.filter((reading) => found.has(reading));
  const rest = [...found].filter((reading) => !USUAL.includes(reading)).sort();
  return { rows, readings: all || usual.length === 0 ? [...usual, ...rest] : usual };
}

const BITS_PER_CELL = 16;

/** Cells that a reading takes: `float32 CDAB` takes 2. */
export function cellsOf(candidate: Candidate): number {
  if (candidate.value_type === "string") return Math.ceil(String(candidate.value).length / 2) || 1;
  const bits = Number(/\d+/.exec(candidate.reading)?.[0] ?? BITS_PER_CELL);
  return Math.max(1, bits / BITS_PER_CELL);
}

/**
 * The readings that follow a chosen one in the same way: step by step behind it, plausible ones only. After a hole it
 * starts afresh at the first cell that exists, since blocks of registers begin there.
 */
export function followers(table: Table, chosen: Candidate): Candidate[] {
  const start = table.rows.findIndex((row) => row.cell === cellOf(chosen));
  const step = cellsOf(chosen);
  const found: Candidate[] = [];
  let i = start + step;
  while (start >= 0 && i < table.rows.length) {
    const row = table.rows[i]!;
    if (row.hex === null) {
      i += 1;
      continue;
    }
    const candidate = row.byReading.get(chosen.reading);
    if (candidate?.plausible) found.push(candidate);
    // A value cut off by a hole leaves no candidate: go on behind the hole.
    i += candidate ? step : 1;
  }
  return found;
}
