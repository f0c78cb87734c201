// No pages: the forms come from the schemas. Only texts, and what the schemas cannot say.
import type { DriverForm, Leaf } from "@console/leaves";
import en from "./en.json";
import zh from "./zh.json";

const PORT = 502;

const modbus: DriverForm = {
  first: ["transport", "host", "port", "dtu_id", "serial.path", "serial.baud", "serial.parity", "unit_id"],
  preset: { transport: "tcp", unit_id: 1 },
  place: (config) => {
    const serial = config["serial"] as { path?: string } | undefined;
    const port = Number(config["port"] ?? PORT) === PORT ? "" : `:${String(config["port"])}`;
    const places: Record<string, string> = {
      serial: serial?.path?.split("/").pop() ?? "",
      dtu: `DTU ${String(config["dtu_id"] ?? "")}`,
    };
    const place = places[String(config["transport"])] ?? `${String(config["host"] ?? "")}${port}`;
    return `Modbus ${place} #${String(config["unit_id"] ?? 1)}`;
  },
  addresses: [
    { address: "40001", label: "4x" },
    { address: "30001", label: "3x" },
    { address: "10001", label: "1x" },
    { address: "00001", label: "0x" },
  ],
};

const leaf: Leaf = { routes: [], nav: [], messages: { zh, en }, forms: { modbus } };

export default leaf;
