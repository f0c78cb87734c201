// Pages come from the leaves: every `ui/index.ts` below crates, apps and drivers default-exports a Leaf.
import type { RouteRecordRaw } from "vue-router";
import type { Permission } from "./api/types";

export interface NavItem {
  /** Route path. */
  to: string;
  /** Message key. */
  label: string;
  /** Ascending; steps of ten leave room. */
  order: number;
  permission?: Permission;
}

export interface Leaf {
  routes: RouteRecordRaw[];
  nav: NavItem[];
  messages: { zh: object; en: object };
}

const found = import.meta.glob<{ default: Leaf }>(
  ["../../crates/*/ui/index.ts", "../../apps/*/ui/index.ts", "../../drivers/*/ui/index.ts"],
  { eager: true },
);

export const leaves: Leaf[] = Object.keys(found)
  .sort()
  .map((path) => found[path]!.default);
export const navItems: NavItem[] = leaves.flatMap((leaf) => leaf.nav).sort((a, b) => a.order - b.order);
export const leafRoutes: RouteRecordRaw[] = leaves.flatMap((leaf) => leaf.routes);
