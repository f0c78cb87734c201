// Endpoints by noun. Nothing here keeps state.
import { all, call, callFile, callLines, callText } from "./client";
import type * as T from "./types";

export * from "./types";
export { Problem, toProblem, whenSignedOut } from "./client";

/** Points asked for in one request of latest values or buckets: keeps the address below common limits. */
const POINTS_PER_REQUEST = 50;

async function inGroups<R>(points: string[], ask: (group: string) => Promise<T.Page<R>>): Promise<R[]> {
  const groups: Promise<T.Page<R>>[] = [];
  for (let i = 0; i < points.length; i += POINTS_PER_REQUEST) {
    groups.push(ask(points.slice(i, i + POINTS_PER_REQUEST).join(",")));
  }
  return (await Promise.all(groups)).flatMap((page) => page.items);
}

export interface Credentials {
  name: string;
  password: string;
}

export interface BrowseBody {
  config: unknown;
  /** Below which node, by its address; "" for the root. */
  at: string;
  /** Everything below, or only the next level. */
  deep: boolean;
}

export const api = {
  health: () => call<{ status: string; version: string; uptime_s: number }>("GET", "/health"),

  setupNeeded: () => call<{ needed: boolean }>("GET", "/setup"),
  setup: (body: Credentials & { code: string; organisation: string; locale: T.Locale }) =>
    call<T.Session>("POST", "/setup", { body }),
  signIn: (body: Credentials) => call<T.Session>("POST", "/session", { body }),
  signInByLink: (token: string) => call<T.Session>("POST", "/session/link", { body: { token } }),
  session: () => call<T.Session>("GET", "/session"),
  signOut: () => call<void>("DELETE", "/session"),
  changePassword: (old: string, next: string) => call<void>("PUT", "/session/password", { body: { old, new: next } }),

  users: () => all<T.Stored<T.User>>("/users"),
  addUser: (body: T.User & { password: string }) => call<T.Stored<T.User>>("POST", "/users", { body }),
  putUser: (id: T.Id, body: T.User & { password?: string }, revision?: number | string) =>
    call<T.Stored<T.User>>("PUT", `/users/${id}`, { body, ...(revision === undefined ? {} : { revision }) }),
  deleteUser: (id: T.Id) => call<void>("DELETE", `/users/${id}`),

  /** Your own, without the tokens themselves. */
  tokens: () => call<T.Page<T.Token>>("GET", "/tokens").then((page) => page.items),
  makeToken: (body: { name: string; role: T.Role; days: number }) => call<T.NewToken>("POST", "/tokens", { body }),
  revokeToken: (id: T.Id) => call<void>("DELETE", `/tokens/${id}`),

  units: () => call<T.Page<T.Unit> | T.Unit[]>("GET", "/units"),
  drivers: () => call<T.Page<T.Driver> | T.Driver[]>("GET", "/drivers"),
  probe: (driver: string, config: unknown) =>
    call<T.ProbeReport>("POST", `/drivers/${driver}/probe`, { body: { config } }),
  inspect: (driver: string, body: { config: unknown; address: string; cells: number }, signal?: AbortSignal) =>
    call<T.Inspection>("POST", `/drivers/${driver}/inspect`, { body, ...(signal ? { signal } : {}) }),
  checkAddress: (driver: string, address: string) =>
    call<{ canonical: string; value_type: T.ValueType; writable: boolean }>("POST", `/drivers/${driver}/address`, {
      body: { address },
    }),
  /** Nodes as they are found, in batches; ends when all were sent, or with the fault that ended it. */
  browse: (driver: string, body: BrowseBody, nodes: (batch: T.BrowsedNode[]) => void, signal: AbortSignal) =>
    callLines<T.BrowsedNode>(`/drivers/${driver}/browse`, body, nodes, signal),

  doors: () => all<T.Door>("/doors"),
  putDoor: (id: string, body: T.DoorSetting) => call<T.Door>("PUT", `/doors/${id}`, { body }),
  arrivals: (door: string) => all<T.Arrival>(`/doors/${door}/arrivals`),
  dismissArrival: (door: string, key: string) =>
    call<void>("DELETE", `/doors/${door}/arrivals/${encodeURIComponent(key)}`),

  certificates: () => all<T.Stored<T.Certificate>>("/certificates"),
  judgeCertificate: (id: T.Id, verdict: "trust" | "reject") =>
    call<T.Stored<T.Certificate>>("POST", `/certificates/${id}/${verdict}`),
  forgetCertificate: (id: T.Id) => call<void>("DELETE", `/certificates/${id}`),

  assets: () => all<T.Stored<T.Asset>>("/assets"),
  devices: () => all<T.DeviceItem>("/devices"),
  device: (id: T.Id) => call<T.DeviceItem>("GET", `/devices/${id}`),
  addDevice: (body: T.Device) => call<T.Stored<T.Device>>("POST", "/devices", { body }),
  putDevice: (id: T.Id, body: T.Device, revision: number | string) =>
    call<T.Stored<T.Device>>("PUT", `/devices/${id}`, { body, revision }),
  /** With its points; the history stays. */
  deleteDevice: (id: T.Id) => call<void>("DELETE", `/devices/${id}`, { query: { with_points: true } }),

  points: (query: { device?: T.Id; asset?: T.Id; search?: string } = {}) => all<T.PointItem>("/points", query),
  findPoints: (search: string, limit: number) =>
    call<T.Page<T.PointItem>>("GET", "/points", { query: { search, limit } }),
  point: (id: T.Id) => call<T.PointItem>("GET", `/points/${id}`),
  addPoints: (points: T.Point[]) => call<T.Page<T.PointItem>>("POST", "/points", { body: { points } }),
  putPoint: (id: T.Id, body: T.Point, revision: number | string) =>
    call<T.PointItem>("PUT", `/points/${id}`, { body, revision }),
  deletePoint: (id: T.Id) => call<void>("DELETE", `/points/${id}`),
  pointsCsv: (device?: T.Id) => callText("/points.csv", { device }),
  importPoints: (csv: string, dryRun: boolean, device?: T.Id) =>
    call<T.ImportReport>("POST", "/points/import", {
      query: { dry_run: dryRun, device },
      text: { content: csv, type: "text/csv" },
    }),

  latest: (points: T.Id[]) =>
    inGroups<T.Latest | null>(points, (group) => call("GET", "/samples/latest", { query: { points: group } })),
  /** For drawing: a row near the edge of a bucket may be in the one beside it. */
  trend: (points: T.Id[], from: string, to: string, buckets: number) =>
    inGroups<T.Aggregate>(points, (group) =>
      call("GET", "/samples/aggregate", { query: { points: group, from, to, buckets, exact: false } }),
    ),
  samples: (point: T.Id, from: string, to: string, limit: number) =>
    call<{ items: T.RawSample[]; truncated: boolean }>("GET", "/samples", {
      query: { point, from, to, limit, order: "asc" },
    }),

  /** Takes as long as the server lets it, and ends there too when the signal ends it. */
  query: (sql: string, limit: number, signal: AbortSignal) =>
    call<T.Answer>("POST", "/query", { body: { sql, format: "json", limit }, signal, streamed: true }),
  /** All rows as a file. */
  queryFile: (sql: string, format: T.AnswerFormat, signal: AbortSignal) =>
    callFile("/query", { sql, format }, signal),
  queryTables: () => call<T.QueryTables>("GET", "/query/tables"),

  propose: (point: T.Id, value: T.JsonValue) =>
    call<T.Stored<T.Command>>("POST", "/commands", { body: { point, value } }),
  confirm: (command: T.Id) => call<T.Stored<T.Command>>("POST", `/commands/${command}/confirm`),
  commands: (point: T.Id) => call<T.Page<T.Stored<T.Command>>>("GET", "/commands", { query: { point } }),
  writeLock: () => call<T.WriteLock>("GET", "/write-lock"),
  setWriteLock: (locked: boolean) => call<T.WriteLock>("PUT", "/write-lock", { body: { locked } }),
};

/** Small lists come bare or in an envelope. */
export function itemsOf<R>(reply: T.Page<R> | R[]): R[] {
  return Array.isArray(reply) ? reply : reply.items;
}
