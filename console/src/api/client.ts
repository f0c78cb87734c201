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
  /** The reply comes bit by bit for as long as it takes; only the caller ends it. */
  streamed?: boolean;
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
  const ends = [
    ...(options.streamed ? [] : [AbortSignal.timeout(REPLY_TIMEOUT_MS)]),
    ...(options.signal ? [options.signal] : []),
  ];
  const signal = AbortSignal.any(ends);
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
  const text = await whole(response.text(), options.signal);
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

/** Sends a request whose reply is a file; only the caller ends it. Throws Problem, also for one that breaks off. */
export async function callFile(path: string, body: unknown, signal: AbortSignal): Promise<Blob> {
  const response = await send("POST", path, { body, signal, streamed: true });
  if (!response.ok) throw await problemOf(response, path);
  return whole(response.blob(), signal);
}

/** The last line of a stream. */
interface StreamEnd {
  end: true;
  fault: Fault | null;
}

const BROKEN_OFF = new Problem(0, [
  {
    code: "console.broken-off",
    detail: "The list broke off before its end. Check the connection to the server, then try again.",
  },
]);

/** A reply to its end; one that breaks off is a Problem, one that the caller ended throws what the signal says. */
function whole<T>(reply: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return reply.catch((thrown: unknown) => {
    if (signal?.aborted) throw thrown;
    throw BROKEN_OFF;
  });
}

/**
 * Sends a request whose reply is one JSON object a line, and hands them over in batches as they come. Throws Problem,
 * also for a stream that breaks off; an aborted one throws what the signal says.
 */
export async function callLines<T>(
  path: string,
  body: unknown,
  take: (batch: T[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await send("POST", path, { body, signal, streamed: true });
  if (!response.ok || !response.body) throw await problemOf(response, path);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const read = (): ReturnType<typeof reader.read> => whole(reader.read(), signal);
  let rest = "";
  for (;;) {
    const { done, value } = await read();
    if (done) throw BROKEN_OFF;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    const items = lines.filter(Boolean).map((line) => JSON.parse(line) as T | StreamEnd);
    const last = items[items.length - 1];
    const end = typeof last === "object" && last !== null && "end" in last ? (items.pop() as StreamEnd) : undefined;
    if (items.length > 0) take(items as T[]);
    if (end?.fault) throw new Problem(response.status, [end.fault]);
    if (end) return;
  }
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
