// Points that rows name, read once each. A list asks for a row's point when the row comes into view.
import { shallowReactive } from "vue";
import { api, type PointItem } from "@console/api";

type Known = PointItem | "asked" | "gone";

const known = shallowReactive(new Map<string, Known>());

/** The point; `undefined` until it is here, and when there is none. */
export function pointOf(id: string): PointItem | undefined {
  const found = known.get(id);
  if (found === undefined) {
    known.set(id, "asked");
    api.point(id).then(
      (point) => known.set(id, point),
      () => known.set(id, "gone"),
    );
  }
  return typeof found === "object" ? found : undefined;
}

/** It was asked for, and there is none. */
export const isGone = (id: string): boolean => known.get(id) === "gone";
