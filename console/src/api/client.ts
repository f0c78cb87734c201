// The one way to the server: JSON over fetch, every failure a Problem that carries its faults.
import type { Fault, Page } from "./types";

const ROOT = "/api/v1";
/** A reply later than this counts as none. Writes wait for a read-back, so this is longer than any of theirs. */
const REPLY_TIMEOUT_MS = 30_000;
const PAGE_LIMIT = 1_000;

/** A request that did not succeed. `faults` has at least one entry. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly faults: Fault[],
  ) {
    super(faults[0]?.detail ?? `status ${status}`);
  }
  get fault(): Fault {
    return this.faults[0] ?? { code: "internal", detail: this.message };
  }
}

/** Anything thrown, as a Problem, so that pages show it in one way. */
export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new Problem(0, [{ code: "console.defect", args: { reason: detail }, detail }]);
}

export interface CallOptions {
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  /** Sent as it is instead of a JSON body. */
  text?: { content: string; type: string };
  revision?: number | string;
  signal?: AbortSignal;
}

type Listener = () => void;
const onSignedOut = new Set<Listener>();
/** Called when the server says that the session is over. */
export function whenSignedOut(listener: Listener): void {
  onSignedOut.add(listener);
}

function address(path: string, query: CallOptions["query"]): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(key, String(value));
  const text = search.toString();
  return `${ROOT}${path}${text ? `?${text}` : ""}`;
}

async function send(method: string, path: string, options: CallOptions): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  let body: string | undefined;
  if (options.text) {
    headers["Content-Type"] = options.text.type;
    body = options.text.content;
  } else if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  if (options.revision !== undefined) headers["If-Match"] = `"${options.revision}"`;
  const timeout = AbortSignal.timeout(REPLY_TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  try {
    return await fetch(address(path, options.query), {
      method,
      headers,
      signal,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body }),
    });
  } catch (thrown) {
    if (options.signal?.aborted) throw thrown;
    throw new Problem(0, [
      {
        code: "console.unreachable",
        detail: "The server does not answer. Check that Sinew runs and the network is up, then try again.",
      },
    ]);
  }
}

interface ProblemBody extends Partial<Fault> {
  status?: number;
  title?: string;
  errors?: Fault[];
}

async function problemOf(response: Response, path: string): Promise<Problem> {
  const body = (await response.json().catch(() => ({}))) as ProblemBody;
  const head: Fault = {
    code: body.code ?? `http.${response.status}`,
    detail: body.detail ?? body.title ?? `The server answered ${response.status} to ${path}.`,
    ...(body.args ? { args: body.args } : {}),
    ...(body.path ? { path: body.path } : {}),
  };
  const errors = (body.errors ?? []).filter((one) => one.code !== head.code || one.path !== head.path);
  return new Problem(response.status, [head, ...errors]);
}

/** Calls the API and gives the reply's JSON; `undefined` for an empty reply. Throws Problem. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const response = await send(method, path, options);
  if (!response.ok) {
    const problem = await problemOf(response, path);
    if (response.status === 401 && !path.startsWith("/session")) onSignedOut.forEach((listener) => listener());
    throw problem;
  }
  const text = await response.text();
  if (text === "") return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new Problem(response.status, [
      {
        code: "console.bad-reply",
        args: { path },
        detail: `The reply to ${path} is not JSON. Is this address really Sinew's?`,
      },
    ]);
  }
}

/** Calls the API and gives the reply as text. Throws Problem. */
export async function callText(path: string, query?: CallOptions["query"]): Promise<string> {
  const response = await send("GET", path, query ? { query } : {});
  if (!response.ok) throw await problemOf(response, path);
  return response.text();
}

/** Every item of a paged list, up to `most`. Throws Problem. */
export async function all<T>(path: string, query: CallOptions["query"] = {}, most = 20_000): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page: Page<T> = await call("GET", path, { query: { ...query, limit: PAGE_LIMIT, cursor } });
    items.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && items.length < most);
  return items;
}
