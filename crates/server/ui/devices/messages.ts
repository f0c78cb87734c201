// Messages of devices that speak by themselves, and how people read them. Pure.
import type { Candidate, Heard, Inspection, RawCell } from "@console/api/types";

/** Shown of each device; a broker's client may hear hundreds a second. */
export const MESSAGES_MAX = 20;
const HEX_PER_LINE = 16;
const INDENT = "  ";

export interface Message {
  time: string | undefined;
  channel: string;
  text: string;
}

/**
 * JSON with a line for each member, so that it can be read; other text as it is. It is indented and not written anew:
 * long whole numbers and the order of keys stay as the device sent them.
 */
export function readable(text: string): string {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed) || !isJson(trimmed)) return text;
  let depth = 0;
  let quoted = false;
  let out = "";
  for (let i = 0; i < trimmed.length; i += 1) {
    const c = trimmed[i]!;
    if (quoted) {
      out += c;
      if (c === "\\") out += trimmed[++i] ?? "";
      else if (c === '"') quoted = false;
    } else if (c === '"') {
      quoted = true;
      out += c;
    } else if (c === "{" || c === "[") {
      const [empty] = /^\s*[}\]]/.exec(trimmed.slice(i + 1, i + 64)) ?? [];
      if (empty !== undefined) {
        out += c + empty.trim();
        i += empty.length;
      } else out += `${c}\n${INDENT.repeat(++depth)}`;
    } else if (c === "}" || c === "]") out += `\n${INDENT.repeat(--depth)}${c}`;
    else if (c === ",") out += `,\n${INDENT.repeat(depth)}`;
    else if (c === ":") out += ": ";
    else if (!/\s/.test(c)) out += c;
  }
  return out;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** `fe01…` as `fe 01 …`, sixteen bytes a line. */
export function hexLines(hex: string): string {
  const bytes = hex.match(/../g) ?? [];
  const lines: string[] = [];
  for (let i = 0; i < bytes.length; i += HEX_PER_LINE) lines.push(bytes.slice(i, i + HEX_PER_LINE).join(" "));
  return lines.join("\n");
}

export const ofHeard = (heard: Heard): Message => ({
  time: heard.time,
  channel: heard.channel,
  text: heard.text === undefined ? hexLines(heard.hex ?? "") : readable(heard.text),
});

/** What an unknown caller sent, as an inspection shows messages. */
export const cellOf = (heard: Heard): RawCell => ({
  address: heard.channel,
  hex: heard.hex ?? null,
  time: heard.time,
  ...(heard.text === undefined ? {} : { text: heard.text }),
});

/** Whether an inspection heard messages, and did not read registers. */
export const speaks = (inspection: Inspection): boolean =>
  inspection.raw.some((cell) => cell.text !== undefined || cell.time !== undefined);

const same = (a: RawCell, b: RawCell): boolean =>
  a.address === b.address && a.time === b.time && a.text === b.text && a.hex === b.hex;

/** What was heard so far and now, the newest first. */
export function gather(before: RawCell[], now: RawCell[]): RawCell[] {
  const fresh = now.filter((cell) => !before.some((one) => same(one, cell)));
  const all = [...before, ...fresh].sort((a, b) => Date.parse(b.time ?? "") - Date.parse(a.time ?? ""));
  return all.slice(0, MESSAGES_MAX);
}

export const ofCell = (cell: RawCell): Message => ({
  time: cell.time,
  channel: cell.address,
  text: cell.text === undefined ? hexLines(cell.hex ?? "") : readable(cell.text),
});

/** One value of a message, and the ways to read it, the likeliest first. */
export interface Said {
  /** Where it stands in the message, such as `/motor/rpm`. */
  place: string;
  ways: Candidate[];
}

export interface Channel {
  name: string;
  said: Said[];
}

/** The channel of an address that no message is there for: what stands before a colon (`telemetry:rpm`), or a space. */
const ownChannel = (address: string): string => /^[a-z]+(?=:)/.exec(address)?.[0] ?? address.split(" ")[0]!;

/** What is left of an address without the channel before and the type behind. */
function placeOf({ address, reading, value_type }: Candidate, channel: string): string {
  const words = address.slice(channel.length).replace(/^:/, "").trim().split(" ");
  if (words[words.length - 1] === value_type) words.pop();
  return words.join(" ") || reading;
}

/** Candidates by the channel whose messages hold them, or by the one that stands in their address. */
export function channelsOf(candidates: Iterable<Candidate>, cells: RawCell[]): Channel[] {
  const names = [...new Set(cells.map((cell) => cell.address))].sort((a, b) => b.length - a.length);
  const channels = new Map<string, Map<string, Candidate[]>>();
  for (const candidate of candidates) {
    const { address } = candidate;
    const name = names.find((one) => address === one || address.startsWith(`${one} `)) ?? ownChannel(address);
    const said = channels.get(name) ?? new Map<string, Candidate[]>();
    const place = placeOf(candidate, name);
    channels.set(name, said.set(place, [...(said.get(place) ?? []), candidate]));
  }
  const sorted = [...channels].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([name, said]) => ({ name, said: [...said].map(([place, ways]) => ({ place, ways })) }));
}
