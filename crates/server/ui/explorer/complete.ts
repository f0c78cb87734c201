// What is offered while typing: tables, columns and functions; inside of quotes the names of the plant, of the kind
// that the column before them holds.
import { api, type PointItem, type QueryTable, type QueryTables } from "@console/api";
import { nameOf } from "@console/i18n";
import { findPoints, knownAssets, knownDevices, loadPlaces, placeOf } from "@console/kit/places";
import {
  snippetCompletion,
  syntaxTree,
  type Completion,
  type CompletionContext,
  type CompletionResult,
} from "./codemirror";
import { columnMeaning, tableMeaning } from "./meaning";
import { FUNCTIONS, KEYWORDS } from "./words";

const OFFERED_MAX = 30;
/** Where only a table can follow. */
const AWAITS_TABLE = /\b(?:from|join)\s+$/i;
/** `column =`, `column in (…,` and the like, right before a quote. */
const COMPARED = /(\w+)"?\s*(?:=|<>|!=|(?:not\s+)?i?like|(?:not\s+)?in\s*\((?:\s*'[^']*'\s*,)*)\s*$/i;

type Source = (context: CompletionContext) => Promise<CompletionResult | null>;

export function completionsOf(known: () => QueryTables | undefined): Source {
  return async (context) => {
    const node = syntaxTree(context.state).resolveInner(context.pos, -1);
    if (node.name.endsWith("Comment")) return null;
    if (node.name === "String" && context.pos > node.from) return inQuotes(context, node.from + 1);
    return words(context, known() ?? { tables: [], functions: [] });
  };
}

function words(context: CompletionContext, known: QueryTables): CompletionResult | null {
  const word = context.matchBefore(/[\w.]+/);
  if (!word && !context.explicit) return null;
  const from = word?.from ?? context.pos;
  const text = context.state.doc.toString();
  const dot = word ? word.text.lastIndexOf(".") : -1;
  const table = dot < 0 ? undefined : tableOf(word!.text.slice(0, dot), text, known.tables);
  if (table) return { from: from + dot + 1, options: columnsOf([table]), validFor: /^\w*$/ };
  const tables = known.tables.map((one): Completion => ({
    label: one.name,
    type: "class",
    info: tableMeaning(one),
  }));
  if (dot >= 0 || AWAITS_TABLE.test(text.slice(0, from))) return { from, options: tables, validFor: /^[\w.]*$/ };
  const named = known.tables.filter((one) => isNamed(one.name, text));
  const columns = columnsOf(named.length ? named : known.tables);
  const options = [...columns, ...tables, ...functionsOf(known), ...KEYWORD_OPTIONS];
  return { from, options, validFor: /^\w*$/ };
}

const KEYWORD_OPTIONS = KEYWORDS.map((label): Completion => ({ label, type: "keyword", boost: -2 }));

const isNamed = (table: string, text: string): boolean =>
  new RegExp(`(?<![\\w.])${table.replaceAll(".", "\\.")}(?![\\w.])`, "i").test(text);

/** A table by its own name, or by the other name that the statement gives it. */
function tableOf(name: string, text: string, tables: QueryTable[]): QueryTable | undefined {
  const low = name.toLowerCase();
  const own = tables.find((one) => one.name === low);
  if (own || !/^\w+$/.test(low)) return own;
  return tables.find((one) =>
    new RegExp(`(?<![\\w.])${one.name.replaceAll(".", "\\.")}\\s+(?:as\\s+)?${low}(?!\\w)`, "i").test(text),
  );
}

/** Each name once, however many tables have it. */
function columnsOf(tables: QueryTable[]): Completion[] {
  const options = new Map<string, Completion>();
  for (const table of tables) {
    for (const column of table.columns) {
      if (options.has(column.name)) continue;
      const info = columnMeaning(table.name, column);
      options.set(column.name, {
        label: column.name,
        detail: column.type,
        type: "property",
        boost: 1,
        ...(info ? { info } : {}),
      });
    }
  }
  return [...options.values()];
}

function functionsOf(known: QueryTables): Completion[] {
  const own = known.functions.map((one) =>
    snippetCompletion(`${one.name}(\${})`, { label: one.name, detail: one.usage, info: one.summary, type: "function" }),
  );
  const taken = new Set(known.functions.map((one) => one.name));
  const general = FUNCTIONS.filter(([name]) => !taken.has(name)).map(([name, inside]) =>
    snippetCompletion(inside ? `${name}(\${})` : `${name}()`, {
      label: name,
      detail: `(${inside})`,
      type: "function",
      boost: -1,
    }),
  );
  return [...own, ...general];
}

interface Name {
  text: string;
  /** As people know it. */
  shown: string;
}

async function inQuotes(context: CompletionContext, from: number): Promise<CompletionResult | null> {
  const before = context.state.sliceDoc(Math.max(0, from - 1_000), from - 1);
  const typed = context.state.sliceDoc(from, context.pos).replaceAll("''", "'");
  const column = COMPARED.exec(before)?.[1]?.toLowerCase();
  const names = await namesFor(column, typed).catch(() => []);
  if (context.aborted || names.length === 0) return null;
  // What is typed may be the shown name: what fits is judged here, and anew at every letter.
  return { from, options: names.slice(0, OFFERED_MAX).map(offer), filter: false };
}

function offer({ text, shown }: Name): Completion {
  const inside = text.replaceAll("'", "''");
  return {
    label: text,
    type: "text",
    ...(shown && shown !== text ? { detail: shown } : {}),
    apply: (view, _option, from, to) => {
      const isClosed = view.state.sliceDoc(to, to + 1) === "'";
      view.dispatch({
        changes: { from, to, insert: isClosed ? inside : `${inside}'` },
        selection: { anchor: from + inside.length + 1 },
        userEvent: "input.complete",
      });
    },
  };
}

async function namesFor(column: string | undefined, typed: string): Promise<Name[]> {
  await loadPlaces();
  switch (column) {
    case "device":
      return devicesLike(typed);
    case "asset":
      return assetsLike(typed);
    case "point":
      return (await pointsLike(typed)).map(keyed);
    case "name":
      return unique((await pointsLike(typed)).map(({ body }) => ({ text: body.name, shown: nameOf(body.label) })));
    case "label":
      return unique((await pointsLike(typed)).map(labelled));
    case undefined:
      return [...(await pointsLike(typed)).map(keyed), ...assetsLike(typed), ...devicesLike(typed)];
    default:
      return [];
  }
}

const unique = (names: Name[]): Name[] => [...new Map(names.map((one) => [one.text, one])).values()];
const holds = (text: string | undefined, part: string): boolean =>
  text?.toLowerCase().includes(part.toLowerCase()) ?? false;

const devicesLike = (typed: string): Name[] =>
  knownDevices()
    .filter((one) => holds(one.body.name, typed))
    .map((one) => ({ text: one.body.name, shown: one.body.driver }));

/** SQL knows places by their English name where they have one. */
const assetsLike = (typed: string): Name[] =>
  knownAssets()
    .filter(({ body }) => holds(body.name.zh, typed) || holds(body.name.en, typed))
    .map(({ body }) => ({ text: body.name.en || body.name.zh || "", shown: nameOf(body.name) }));

const labelled = ({ body }: PointItem): Name => ({
  text: body.label?.en || body.label?.zh || body.name,
  shown: nameOf(body.label, body.name),
});

/** The key of a point in SQL: with its device before it. */
export function keyOf({ body }: PointItem): string {
  const device = body.device ? knownDevices().find((one) => one.id === body.device)?.body.name : undefined;
  return device === undefined ? body.name : `${device}/${body.name}`;
}

const keyed = (point: PointItem): Name => ({
  text: keyOf(point),
  shown: [nameOf(point.body.label), placeOf(point)].filter(Boolean).join(" · "),
});

/** By their own name or machine, by the name of their device, or by the key as it is being typed. */
async function pointsLike(typed: string): Promise<PointItem[]> {
  const cut = typed.lastIndexOf("/");
  const [place, rest] = cut < 0 ? [typed, ""] : [typed.slice(0, cut), typed.slice(cut + 1)];
  const within = (place ? knownDevices().filter((one) => holds(one.body.name, place)) : []).slice(0, 2);
  const [named, ...ofDevices] = await Promise.all([
    findPoints(typed, OFFERED_MAX),
    ...within.map((device) => api.points({ device: device.id })),
  ]);
  const isMeant = ({ body }: PointItem): boolean =>
    [body.name, body.label?.zh, body.label?.en].some((one) => holds(one, rest));
  return [...new Map([...named, ...ofDevices.flat().filter(isMeant)].map((one) => [one.id, one])).values()];
}
