// What a schema does not say: which settings of a driver everybody needs, their usual values, and when one matters.
import type { Config } from "@console/kit/schema";

export interface DriverHints {
  /** Always shown, in this order. */
  first: string[];
  /** A new device starts with these. */
  preset: Config;
  focus: string;
  matters: (path: string, config: Config) => boolean;
  /** A first guess at the device's name. */
  name: (config: Config) => string;
  /** Where to look first: the tables of the protocol, the usual one first. */
  addresses: { address: string; label: string }[];
}

const MODBUS_PORT = 502;

const modbus: DriverHints = {
  first: ["transport", "host", "port", "serial.path", "serial.baud", "serial.parity", "unit_id"],
  preset: { transport: "tcp", port: 502, unit_id: 1 },
  focus: "host",
  matters: (path, config) => {
    const serial = config["transport"] === "serial";
    if (path.startsWith("serial.")) return serial;
    if (path === "host" || path === "port") return !serial;
    return path !== "max_in_flight" || config["transport"] === "tcp";
  },
  name: (config) => {
    const serial = config["serial"] as Config | undefined;
    const port = Number(config["port"] ?? MODBUS_PORT) === MODBUS_PORT ? "" : `:${String(config["port"])}`;
    const place =
      config["transport"] === "serial" ? String(serial?.["path"] ?? "") : `${String(config["host"] ?? "")}${port}`;
    return `Modbus ${place.split("/").pop()} #${String(config["unit_id"] ?? 1)}`;
  },
  addresses: [
    { address: "40001", label: "4x" },
    { address: "30001", label: "3x" },
    { address: "10001", label: "1x" },
    { address: "00001", label: "0x" },
  ],
};

const plain = (driver: string): DriverHints => ({
  first: [],
  preset: {},
  focus: "",
  matters: () => true,
  name: () => driver,
  addresses: [],
});

const KNOWN: Record<string, DriverHints> = { modbus };

export const hintsOf = (driver: string): DriverHints => KNOWN[driver] ?? plain(driver);

/** Settings that do not matter are not sent. */
export function sentConfig(driver: string, config: Config): Config {
  const { matters } = hintsOf(driver);
  return Object.fromEntries(
    Object.entries(config).filter(([key, value]) =>
      typeof value === "object" && value !== null ? matters(`${key}.`, config) : matters(key, config),
    ),
  );
}
