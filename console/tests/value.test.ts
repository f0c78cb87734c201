import { describe, expect, it } from "vitest";
import {
  ageText,
  axisNumber,
  formatNumber,
  formatValue,
  isFaultState,
  outOfRange,
  parseInteger,
  parseNumber,
  qualityClass,
  qualityKey,
  spanText,
} from "../src/kit/value";

const words = { on: "on", off: "off", state: (key: string) => (key === "2" ? "Running" : undefined) };

describe("values", () => {
  it.each([
    [0, "0"],
    [100, "100"],
    [0.1, "0.1"],
    [24.9999, "25.0"],
    [3e-10, "0"],
    [-3e-10, "0"],
    [7.2, "7.2"],
    [98.34, "98.34"],
    [1234.5, "1235"],
    [12345.6, "12\u2009346"],
    [0.05, "0.05"],
    [-20.05, "-20.05"],
    [1e12, "1e+12"],
    [1e-7, "1e-7"],
  ])("%s is written %s", (value, text) => expect(formatNumber(value)).toBe(text));
  it("keep every digit of 64-bit integers", () =>
    expect(formatValue("18446744073709551615", "u64", words)).toBe(
      "18\u2009446\u2009744\u2009073\u2009709\u2009551\u2009615",
    ));
  it("name states", () =>
    expect([formatValue("2", "i64", words), formatValue(true, "bool", words), formatValue(null, "f64", words)]).toEqual(
      ["Running", "on", "—"],
    ));
  it("tell states of fault from the rest", () => {
    const states = {
      0: { zh: "停机", en: "Stopped" },
      1: { zh: "故障" },
      2: { en: "High alarm" },
      3: { zh: "无故障", en: "No fault" },
    };
    expect([0, 1, 2, 3, "1", true, null, 9].map((value) => isFaultState(value, states))).toEqual(
      [false, true, true, false, true, true, false, false],
    );
    expect(isFaultState(1, undefined)).toBe(false);
  });
  it.each([
    ["９５．５", 95.5],
    ["95。5", 95.5],
    [" −5 ", -5],
    ["－１ｅ３", -1000],
    [".5", 0.5],
    ["", undefined],
    ["0x10", undefined],
    ["95,5", undefined],
    ["1e999", undefined],
    ["九", undefined],
  ])("%s is read as %s", (text, number) => expect(parseNumber(text)).toBe(number));
  it("keep whole numbers whole", () =>
    expect(["＋１８446744073709551615", "-３", "1.5", ""].map(parseInteger)).toEqual(
      ["18446744073709551615", "-3", undefined, undefined],
    ));
  it("know the usual range", () =>
    expect([
      outOfRange(8, [6, 7]),
      outOfRange("6", [6, 7]),
      outOfRange(null, [6, 7]),
      outOfRange(8, undefined),
    ]).toEqual([true, false, false, false]));
  it("label axes by their step", () =>
    expect([axisNumber(40.2, 0.2), axisNumber(40, 5), axisNumber(0.75, 0.05), axisNumber(0.7575, 0.0025)]).toEqual([
      "40.2",
      "40",
      "0.75",
      "0.7575",
    ]));
});

describe("quality", () => {
  it("is read from the two top bits", () =>
    expect([0, 0x40900000, 0x80310000, 0xc0000000].map(qualityClass)).toEqual(["good", "uncertain", "bad", "bad"]));
  it("has a reason", () =>
    expect([qualityKey(0x80310000), qualityKey(0x80ff0000)]).toEqual(["quality.no-communication", "quality.bad"]));
});

it("ages are short", () =>
  expect(
    [ageText(3_000), ageText(600_000), ageText(7_200_000), ageText(400_000_000)].map(
      (age) => `${age.count} ${age.key}`,
    ),
  ).toEqual(["3 age.s", "10 age.min", "2 age.h", "5 age.d"]));

it("a span names the day of its end when that is another one", () => {
  const at = (day: number, hour: number): number => new Date(2026, 10, day, hour).getTime();
  expect([
    spanText(at(21, 8), at(21, 9), at(21, 10)),
    spanText(at(20, 8), at(20, 9), at(21, 10)),
    spanText(at(20, 22), at(21, 6), at(21, 10)),
  ]).toEqual([
    "08:00:00 – 09:00:00",
    "2026-11-20 08:00:00 – 09:00:00",
    "2026-11-20 22:00:00 – 2026-11-21 06:00:00",
  ]);
});
