// The real binary and other people's servers as processes, for the journeys.
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const binary = process.env.TESTED_BINARY ?? join(import.meta.dirname, "../../target/debug/sinew");

export interface Running {
  stop(): Promise<void>;
}
export interface NodeProcess extends Running {
  url: string;
  setupCode?: string;
  link?: string;
}

async function lines(child: ChildProcess, wanted: RegExp[]): Promise<string[]> {
  if (!child.stdout) throw new Error("the process has no output");
  const found: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const match = wanted[found.length]?.exec(line);
    if (match) found.push(match[1] ?? match[0]);
    if (found.length === wanted.length) return found;
  }
  throw new Error(`the process ended before it said ${wanted[found.length]}`);
}

function stopper(child: ChildProcess, folder?: string): () => Promise<void> {
  return async () => {
    const ended = new Promise((done) => child.once("exit", done));
    if (child.exitCode === null) {
      child.kill("SIGTERM");
      await ended;
    }
    if (folder) rmSync(folder, { recursive: true, force: true });
  };
}

/** A fresh node that waits for its first administrator. */
export async function serve(): Promise<NodeProcess> {
  const folder = mkdtempSync(join(tmpdir(), "sinew-browser-"));
  const env = { ...process.env, SINEW_SERVER_LISTEN: "127.0.0.1:0", SINEW_STORAGE_DIR: folder, SINEW_LOG_LEVEL: "warn" };
  const child = spawn(binary, ["serve"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const [url, setupCode] = await lines(child, [/(http:\S+)/, /setup code (\S+)/]);
  return { url: url!, setupCode, stop: stopper(child, folder) };
}

/** The demo, as `cargo x demo` starts it. */
export async function demo(): Promise<NodeProcess> {
  const folder = mkdtempSync(join(tmpdir(), "sinew-browser-demo-"));
  const free = ["--first-port", "0", "--control-port", "0", "--mqtt-port", "0", "--listen", "127.0.0.1:0"];
  const child = spawn(binary, ["demo", "--no-browser", "--dir", folder, ...free], {
    env: { ...process.env, SINEW_LOG_LEVEL: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [link] = await lines(child, [/(http:\S+link\S+)/]);
  return { url: link!.split("/#")[0]!, link, stop: stopper(child, folder) };
}

export interface Peer extends Running {
  port: number;
  points: { name: string; value: number | string; unit: string }[];
}

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "sinew/peers");
const peers = join(import.meta.dirname, "../peers");
const drivers = join(import.meta.dirname, "../../drivers");

/** The pymodbus device of `tests/peers`, with a map that only it knows: of what it prints only the physical values and
 *  the port are passed on. */
export async function pymodbus(unit: number, base: number, seed: number): Promise<Peer> {
  const python = join(cache, "modbus/python/bin/python");
  const script = join(peers, "modbus/pymodbus_server.py");
  const child = spawn(python, [script, "--unit", `${unit}`, "--base", `${base}`, "--seed", `${seed}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [text] = await lines(child, [/(\{.*)/]);
  const { port, points } = JSON.parse(text!) as Peer;
  return { port, points: points.map(({ name, value, unit }) => ({ name, value, unit })), stop: stopper(child) };
}

export interface OpcuaPeer extends Running {
  url: string;
  /** SHA-256 of its certificate in hex, as its administrator reads it on the server. */
  thumbprint: string;
}

/** The asyncua server of the OPC UA driver's tests, with a certificate made just now; all it offers is encrypted. */
export async function asyncua(): Promise<OpcuaPeer> {
  const folder = mkdtempSync(join(tmpdir(), "sinew-browser-asyncua-"));
  const python = join(cache, "opcua/python/bin/python");
  const script = join(drivers, "opcua/tests/peers/asyncua_server.py");
  const child = spawn(python, [script, "--no-none", "--folder", folder], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await lines(child, [/(\{.*)/]);
  const { url } = JSON.parse(text!) as { url: string };
  const thumbprint = createHash("sha256").update(readFileSync(join(folder, "good.der"))).digest("hex");
  return { url, thumbprint, stop: stopper(child, folder) };
}

/** A device written with the ThingsBoard Python client, unmodified: it is told a port and its access token. */
export function thingsboard(port: number, token: string): Running {
  const python = join(cache, "mqtt/requirements-thingsboard/bin/python");
  const script = join(peers, "mqtt/tb_device.py");
  // It ends with its input, and prints what it sees; nobody needs that here.
  const child = spawn(python, [script, "--port", `${port}`, "--token", token], { stdio: ["pipe", "ignore", "ignore"] });
  return { stop: stopper(child) };
}
