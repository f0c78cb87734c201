// Whether a door listens where others than this machine reach it, without encrypting. Pure.
import type { Door } from "@console/api/types";

const SECURE = /tls|certificate/i;

/** Of an address such as `127.0.0.1:1883` or `[::1]:8883`. */
export const isLocal = (address: string): boolean => /^(127\.|\[::1\]|localhost:)/i.test(address);

const portOf = (address: string): string => address.slice(address.lastIndexOf(":") + 1);

/** Whether the setting that names this port stands under, or beside, one for TLS that is set. */
function isSecured(config: unknown, port: string, under = false): boolean {
  if (typeof config !== "object" || config === null) return false;
  const entries = Object.entries(config);
  const beside =
    under ||
    entries.some(
      ([key, value]) => SECURE.test(key) && typeof value === "object" && value !== null && !("listen" in value),
    );
  return entries.some(([key, value]) => {
    if (typeof value === "object") return isSecured(value, port, (under || SECURE.test(key)) && value !== null);
    const names = typeof value === "string" ? value.endsWith(`:${port}`) : /port/i.test(key) && String(value) === port;
    return names && beside;
  });
}

/** Addresses that other machines reach, and on which everything can be read and changed on the way. */
export const exposed = ({ listening, setting }: Door): string[] =>
  listening.filter((address) => !isLocal(address) && !isSecured(setting.config, portOf(address)));
