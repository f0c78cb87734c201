// The real binary and other people's servers as processes, for the journeys.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
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
  const free = ["--first-port", "0", "--control-port", "0", "--listen", "127.0.0.1:0"];
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

/** The pymodbus device of `tests/peers`, with a map that only it knows: of what it prints only the physical values and
 *  the port are passed on. */
export async function pymodbus(unit: number, base: number, seed: number): Promise<Peer> {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const python = join(cache, "sinew/peers/modbus/python/bin/python");
  const script = join(import.meta.dirname, "../peers/modbus/pymodbus_server.py");
  const child = spawn(python, [script, "--unit", `${unit}`, "--base", `${base}`, "--seed", `${seed}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [text] = await lines(child, [/(\{.*)/]);
  const { port, points } = JSON.parse(text!) as Peer;
  return { port, points: points.map(({ name, value, unit }) => ({ name, value, unit })), stop: stopper(child) };
}
