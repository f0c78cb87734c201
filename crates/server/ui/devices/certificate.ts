// Certificates as people read, compare and pass them on. Pure.
import type { Certificate, Fault, Stored } from "@console/api/types";

const DAY_MS = 86_400_000;
/** Said from here on, so that a new one is there in time. */
const SOON_DAYS = 30;
const GROUP_DIGITS = 4;
const PEM_COLUMNS = 64;

/** A thumbprint in groups of four digits, as other tools show it, easy to compare aloud. */
export const grouped = (thumbprint: string): string =>
  (thumbprint.toUpperCase().match(new RegExp(`.{1,${GROUP_DIGITS}}`, "g")) ?? []).join(" ");

export const pemOf = (der: string): string => {
  const lines = der.match(new RegExp(`.{1,${PEM_COLUMNS}}`, "g")) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
};

export const derOf = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

export interface Validity {
  /** Part of a message key. */
  state: "valid" | "soon" | "expired" | "early";
  days: number;
}

/** Whether it counts now, and for how many days it does not or still does. */
export function validityOf({ presented }: Certificate, now_ms: number): Validity {
  const from = Date.parse(presented.not_before);
  const to = Date.parse(presented.not_after);
  if (now_ms < from) return { state: "early", days: Math.ceil((from - now_ms) / DAY_MS) };
  if (now_ms > to) return { state: "expired", days: Math.floor((now_ms - to) / DAY_MS) };
  const days = Math.floor((to - now_ms) / DAY_MS);
  return { state: days <= SOON_DAYS ? "soon" : "valid", days };
}

const ORDER: Certificate["standing"][] = ["rejected", "own", "trusted"];

/** Those that wait for a person first, then ours, then the trusted; the newest first among equals. */
export const inOrder = (list: Stored<Certificate>[]): Stored<Certificate>[] =>
  [...list].sort(
    (a, b) =>
      ORDER.indexOf(a.body.standing) - ORDER.indexOf(b.body.standing) ||
      Date.parse(b.body.first) - Date.parse(a.body.first),
  );

/** The certificate that a fault is about; any driver may name one. */
export function thumbprintOf(faults: (Fault | null | undefined)[]): string | undefined {
  const named = faults.map((fault) => fault?.args?.["thumbprint"]).find((one) => one !== undefined);
  return named === undefined ? undefined : String(named);
}

/** The file that it is kept in: the common name of the subject, else the driver. */
export function fileName({ leaf, presented }: Certificate, extension: string): string {
  const common = /(?:^|[,/]\s*)CN\s*=\s*([^,/]+)/i.exec(presented.subject)?.[1] ?? leaf;
  return `${common.trim().replace(/[^\p{L}\p{N}_.-]+/gu, "_")}.${extension}`;
}
