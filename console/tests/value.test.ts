import { describe, expect, it } from "vitest";
import { ageText, axisNumber, formatNumber, formatValue, outOfRange, qualityClass, qualityKey } from "../src/kit/value";

const words = { on: "on", off: "off", state: (key: string) => (key === "2" ? "Running" : undefined) };

describe("values", () => {
  it.each([
    [0, "0"],
    [7.2, "7.200"],
    [98.34, "98.34"],
    [1234.5, "1235"],
    [12345.6, "12\u2009346"],
    [0.05, "0.0500"],
    [-20.05, "-20.05"],
    [1e12, "1.000e+12"],
    [1e-7, "1.000e-7"],
  ])("%s is written %s", (value, text) => expect(formatNumber(value)).toBe(text));
  it("keep every digit of 64-bit integers", () =>
    expect(formatValue("18446744073709551615", "u64", words)).toBe(
      "18\u2009446\u2009744\u2009073\u2009709\u2009551\u2009615",
    ));
  it("name states", () =>
    expect([formatValue("2", "i64", words), formatValue(true, "bool", words), formatValue(null, "f64", words)]).toEqual(
      ["Running", "on", "—"],
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
