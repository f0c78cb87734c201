// The one token file keeps its promise: WCAG 2.2 contrast of every text and graphic colour on every surface.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("../src/theme/tokens.css", import.meta.url), "utf8");

function tokens(block: string): Record<string, string> {
  return Object.fromEntries([...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map((m) => [m[1]!, m[2]!]));
}
const [lightCss = "", darkCss = ""] = css.split(':root[data-theme="dark"]');
const themes = { light: tokens(lightCss), dark: tokens(darkCss) };

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
    const channel = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
    return channel <= 0.03928 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

const SURFACES = ["canvas", "surface", "raised"];
const TEXT = ["ink", "ink-2", "ink-3"];
const SIGNALS = ["bad", "uncertain", "held"];
const PENS = Array.from({ length: 8 }, (_, i) => `pen-${i + 1}`);

describe.each(["light", "dark"] as const)("%s theme", (name) => {
  const theme = themes[name];
  const least = (colours: string[], floor: number): string[] =>
    colours.flatMap((colour) =>
      SURFACES.filter((on) => contrast(theme[colour]!, theme[on]!) < floor).map(
        (on) => `${colour} on ${on}: ${contrast(theme[colour]!, theme[on]!).toFixed(2)}`,
      ),
    );

  it("has every token", () =>
    expect([...SURFACES, ...TEXT, ...SIGNALS, ...PENS].filter((one) => !theme[one])).toEqual([]));
  it("keeps main text at 7:1, in the control room all text", () =>
    expect(least(name === "dark" ? TEXT : ["ink", "ink-2"], 7)).toEqual([]));
  it("keeps quiet text and signals readable", () => expect(least([...TEXT, ...SIGNALS], 4.5)).toEqual([]));
  it("keeps pens and focus visible at 3:1", () => expect(least([...PENS, "focus"], 3)).toEqual([]));
});
