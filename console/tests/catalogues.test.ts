// Every text stands in both languages with the same arguments, and every fault code of the server has a text.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = new URL("../..", import.meta.url).pathname;

function files(folder: string, wanted: (path: string) => boolean): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ["node_modules", "target", "dist"].includes(entry.name) ? [] : files(path, wanted);
    return wanted(path) ? [path] : [];
  });
}

const inLeaves = (wanted: (path: string) => boolean): string[] =>
  ["crates", "apps", "drivers"].flatMap((folder) => files(join(ROOT, folder), wanted));
const catalogues = [
  ...files(join(ROOT, "console/src/i18n"), (path) => path.endsWith("zh.json")),
  ...inLeaves((path) => path.includes("/ui/") && path.endsWith("zh.json")),
];

type Texts = { [key: string]: string | Texts };
const flatten = (texts: Texts, path = ""): [string, string][] =>
  Object.entries(texts).flatMap(([key, value]) =>
    typeof value === "string" ? [[path + key, value] as [string, string]] : flatten(value, `${path}${key}.`),
  );
const read = (path: string): Map<string, string> => new Map(flatten(JSON.parse(readFileSync(path, "utf8")) as Texts));
const slots = (text: string): string =>
  [...text.matchAll(/\{(\w+)\}/g)]
    .map((match) => match[1])
    .sort()
    .join();

describe("catalogues", () => {
  it("are found", () => expect(catalogues.length).toBeGreaterThan(6));

  it.each(catalogues)("%s agrees with its English twin", (path) => {
    const zh = read(path);
    const en = read(path.replace(/zh\.json$/, "en.json"));
    expect([...zh.keys()].sort()).toEqual([...en.keys()].sort());
    for (const [key, text] of zh) expect(slots(en.get(key) ?? ""), key).toBe(slots(text));
  });

  it("speak as agreed: no 您, and every fault says what to do next", () => {
    for (const path of catalogues) {
      for (const [key, text] of read(path)) {
        expect(text, key).not.toContain("您");
        if (key.startsWith("fault.") && key.endsWith(".next")) expect(text, key).not.toBe("");
      }
    }
  });

  it("name every key that a page asks for", () => {
    const known = new Set(catalogues.flatMap((path) => [...read(path).keys()]));
    const pages = [
      ...files(join(ROOT, "console/src"), isPage),
      ...inLeaves((path) => path.includes("/ui/") && isPage(path)),
    ];
    const asked = pages.flatMap((path) =>
      [...readFileSync(path, "utf8").matchAll(/\bt\(\s*["']([a-z][\w.-]*)["']/g)].map((match) => match[1]!),
    );
    expect(asked.length).toBeGreaterThan(100);
    expect([...new Set(asked)].filter((key) => !known.has(key))).toEqual([]);
  });
});

const isPage = (path: string): boolean => path.endsWith(".vue") || path.endsWith(".ts");

/** Codes in the product's code: literal, by constant, or in a tuple beside their sentence. Tests and fakes are left out. */
function faultCodes(): string[] {
  const sources = inLeaves((path) => path.endsWith(".rs") && !/\/(tests|fake|contract)\b/.test(path)).map(
    (path) => readFileSync(path, "utf8").split("#[cfg(test)]")[0]!,
  );
  const constants = new Map(
    sources.flatMap((text) =>
      [...text.matchAll(/const (\w+): (?:&str|&'static str) = "([a-z][a-z.-]*)"/g)].map((m) => [m[1]!, m[2]!] as const),
    ),
  );
  const literal = sources.flatMap((text) => [...text.matchAll(/Fault::new\(\s*"([a-z][a-z.-]*)"/g)].map((m) => m[1]!));
  const named = sources.flatMap((text) =>
    [...text.matchAll(/Fault::new\(\s*(?:\w+::)*([A-Z_]+)\b/g)].map((m) => constants.get(m[1]!) ?? m[1]!),
  );
  const paired = sources
    .filter((text) => text.includes("Fault::new"))
    .flatMap((text) => [...text.matchAll(/\(\s*"([a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*)",\s*"/g)].map((m) => m[1]!));
  return [...new Set([...literal, ...named, ...paired])].sort();
}

describe("fault codes", () => {
  const texts = new Set(catalogues.flatMap((path) => [...read(path).keys()]));
  const codes = faultCodes();
  it("are found", () => expect(codes.length).toBeGreaterThan(40));
  it("have a text each", () => expect(codes.filter((code) => !texts.has(`fault.${code}.what`))).toEqual([]));
});
