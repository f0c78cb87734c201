// Points to be: what was chosen of a device's readings or nodes, as a form edits it. Pure.
import type { BrowsedNode, Candidate, JsonValue, Point, Unit, ValueType } from "@console/api/types";
import { parseNumber } from "@console/kit/value";
import { cellOf } from "./readings";

/** Points of one save: the limit of one request lies above it. */
export const DRAFTS_MAX = 5_000;
const NAME_CHARS_MAX = 100;
const PERIOD_MS = 1_000;

export interface Draft {
  address: string;
  /** Where it was found, such as `40001`. */
  cell: string;
  /** `undefined` while only the driver knows it. */
  value_type: ValueType | undefined;
  /** As it was when it was chosen. */
  value: JsonValue | undefined;
  name: string;
  unit: string;
  gain: string;
}

/** What a point may be called: letters of any script, digits, `_`, `-` and `.`. */
function soundName(wanted: string): string {
  const plain = wanted
    .normalize("NFKC")
    .replace(/[^\p{L}\p{N}_.-]+/gu, "_")
    .replace(/^_+|_+$/g, "");
  return [...(plain || "point")].slice(0, NAME_CHARS_MAX).join("");
}

/** A name that nobody has: with as many names from above it as that takes, and a number when they are not enough. */
export function freeName(wanted: string, taken: ReadonlySet<string>, above: string[] = []): string {
  const name = soundName(wanted);
  for (let from = above.length; from >= 0; from -= 1) {
    const longer = soundName([...above.slice(from), wanted].join("."));
    if (!taken.has(longer) && [...longer].length < NAME_CHARS_MAX) return longer;
  }
  for (let n = 2; ; n += 1) {
    const end = `_${n}`;
    const next = [...name].slice(0, NAME_CHARS_MAX - end.length).join("") + end;
    if (!taken.has(next)) return next;
  }
}

const last = (text: string): string => text.split(/[/.:]/).filter(Boolean).pop() ?? text;

/** A register is named by its number, a value in a message by its last key. */
function wantedName(candidate: Candidate): string {
  const cell = cellOf(candidate);
  const pointer = candidate.address.split(" ").find((part) => part.startsWith("/") && part !== cell);
  if (pointer) return last(pointer);
  return /^\d+$/.test(cell) ? `r${cell}` : last(cell);
}

export const draftOf = (candidate: Candidate, taken: ReadonlySet<string> = new Set()): Draft => ({
  address: candidate.address,
  cell: cellOf(candidate),
  value_type: candidate.value_type,
  value: candidate.value,
  name: freeName(wantedName(candidate), taken),
  unit: "1",
  gain: "1",
});

/** The unit that a node's facts name, by code or symbol; none when we do not know it. */
export function unitOf(facts: [string, string][], units: Unit[]): string {
  const text = facts.find(([name]) => /^(engineering[ _]?)?units?$/i.test(name))?.[1].trim();
  const known = text ? units.find((unit) => unit.code === text || unit.symbol === text) : undefined;
  return known?.code ?? "1";
}

export const draftOfNode = (
  node: BrowsedNode,
  taken: ReadonlySet<string>,
  units: Unit[],
  above: string[] = [],
): Draft => ({
  address: node.address,
  cell: node.address,
  value_type: node.value_type ?? undefined,
  value: node.facts.find(([name]) => name === "value")?.[1],
  name: freeName(node.name, taken, above),
  unit: unitOf(node.facts, units),
  gain: "1",
});

/** The point to be made of a draft. A gain other than 1 turns it into a scaled f64. */
export function pointOf(draft: Draft, device: string): Point {
  // The box refuses what is no number, so only an empty one means 1.
  const gain = parseNumber(draft.gain) ?? 1;
  const scaled = gain !== 1;
  return {
    name: draft.name.trim(),
    device,
    address: draft.address,
    value_type: scaled ? "f64" : (draft.value_type ?? "f64"),
    unit: draft.unit,
    period_ms: PERIOD_MS,
    ...(scaled ? { scaling: { gain, offset: 0 } } : {}),
  };
}
