// Two languages, one catalogue: the shell's texts, the faults' texts and what every leaf brings along.
import { createI18n } from "vue-i18n";
import type { Ref } from "vue";
import type { Fault, Label, Locale } from "../api/types";
import { leaves } from "../leaves";
import enFaults from "./faults.en.json";
import zhFaults from "./faults.zh.json";
import en from "./en.json";
import zh from "./zh.json";

const KEY = "sinew.locale";
const HTML_LANG: Record<Locale, string> = { zh: "zh-CN", en: "en" };

function initial(): Locale {
  const kept = localStorage.getItem(KEY);
  if (kept === "zh" || kept === "en") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const i18n = createI18n({
  legacy: false,
  locale: initial(),
  fallbackLocale: "en",
  flatJson: true,
  messages: { zh: {}, en: {} },
});
/** The global composer: its locale is a ref because `legacy` is off. */
const current = i18n.global.locale as unknown as Ref<Locale>;

for (const [locale, texts] of [
  ["zh", [zh, zhFaults]],
  ["en", [en, enFaults]],
] as const) {
  for (const one of texts) i18n.global.mergeLocaleMessage(locale, one);
  for (const leaf of leaves) i18n.global.mergeLocaleMessage(locale, leaf.messages[locale]);
}
document.documentElement.lang = HTML_LANG[locale()];

export function locale(): Locale {
  return current.value;
}

export function setLocale(next: Locale): void {
  localStorage.setItem(KEY, next);
  current.value = next;
  document.documentElement.lang = HTML_LANG[next];
}

/** Outside of components; the same function inside them. Reactive to the language. */
export const t = (key: string, args: Record<string, unknown> = {}): string => i18n.global.t(key, args);
export const has = (key: string): boolean => i18n.global.te(key, locale()) || i18n.global.te(key, "en");

/** A name in the user's language, else in the other one. */
export function nameOf(label: Label | undefined, fallback = ""): string {
  const [first, second] = locale() === "zh" ? [label?.zh, label?.en] : [label?.en, label?.zh];
  return first || second || fallback;
}

export interface FaultText {
  what: string;
  why: string;
  next: string;
  /** The server's own words for the particular case, where the text says only the kind. */
  cause: string;
}

/** Codes whose text tells the kind only: which thing, and what about it, stands in the server's sentence. */
const GENERIC = new Set(["not-found", "invalid", "exists", "limit"]);

/** Faults with one code and several causes name the cause in one of these arguments. */
const CAUSES = ["reason", "exception"];

/**
 * What happened, why, and what to do; the server's own sentence when the code has no text here. A text for the
 * particular cause, such as `fault.modbus.no-tcp.refused.why`, goes before the general one.
 */
export function faultText(fault: Fault): FaultText {
  const args = fault.args ?? {};
  const causes = CAUSES.flatMap((name) =>
    name in args && /^[a-z0-9-]+$/.test(String(args[name])) ? [`${fault.code}.${args[name]}`] : [],
  );
  const part = (name: string): string => {
    const key = [...causes, fault.code].map((code) => `fault.${code}.${name}`).find(has);
    return key ? t(key, args) : "";
  };
  const what = part("what");
  if (!what) return { what: fault.detail, why: "", next: "", cause: "" };
  const why = part("why");
  const reason = args["reason"] === undefined ? "" : String(args["reason"]);
  if (GENERIC.has(fault.code)) {
    // In a file the remedy is the same whatever the kind: correct the place.
    const next = fault.path?.startsWith("line ") ? t("fault.invalid.next") : part("next");
    return { what, why, next, cause: fault.detail || reason };
  }
  // A text without a cause leaves the cause to the server, which knows the particular case.
  return { what, why: why || fault.detail, next: part("next"), cause: "" };
}

/** Where it is wrong, in words where the place is one in a file: `line 7, column unit`. */
export function placeText(path: string): string {
  const [, line, column] = /^line (\d+)(?:, column (.+))?$/.exec(path) ?? [];
  if (line === undefined) return path;
  return column === undefined ? t("fault-at.line", { line }) : t("fault-at.cell", { line, column });
}

/** The same in one line. */
export function faultLine(fault: Fault): string {
  const text = faultText(fault);
  const joint = locale() === "zh" ? "" : " ";
  return [text.what, text.cause || text.why, text.next].filter(Boolean).join(joint);
}
