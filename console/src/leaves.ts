// Pages come from the leaves: every `ui/index.ts` below crates, apps and drivers default-exports a Leaf. It is read
// before the texts are there, so it imports no page and no `@console/i18n`: labels are keys, pages are loaded lazily.
import type { RouteRecordRaw } from "vue-router";
import type { Permission } from "./api/types";
import type { Config } from "./kit/schema";

/** How many things behind a menu item wait for a person. */
export interface Badge {
  /** 0 shows nothing. */
  count: number;
  /** In the colour of what is abnormal; else in quiet ink. */
  urgent?: boolean;
}

export interface NavItem {
  /** Route path. */
  to: string;
  /** Message key. */
  label: string;
  /** Ascending; steps of ten leave room. */
  order: number;
  permission?: Permission;
  /**
   * Asked when the frame appears, every few seconds while the page is visible, and after `refreshBadges()` of
   * `@console/frame/badges`. A failure keeps the last count: the frame says by itself when the server is away.
   */
  badge?: () => Promise<Badge>;
}

/**
 * What a driver's schema cannot say of its form. Its words are texts of the leaf: `driver.<id>.field.<name>`,
 * `.hint.<name>` and `.choice.<name>.<value>`, of a door `door.<id>.…` and `.count.<name>`; see `i18n/fields.ts`.
 */
export interface DriverForm {
  /** Paths, joined by dots, that stand first and unfolded, beside what the schema requires. */
  first?: string[];
  /** A new device starts with these. */
  preset?: Config;
  /** A first guess at the name of a device. */
  place?: (config: Config) => string;
  /** Where to look for readings first, the usual place first. */
  addresses?: { address: string; label: string }[];
}

export interface Leaf {
  routes: RouteRecordRaw[];
  nav: NavItem[];
  messages: { zh: object; en: object };
  /** Of the drivers of this leaf, by id. */
  forms?: Record<string, DriverForm>;
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
const forms = new Map(leaves.flatMap((leaf) => Object.entries(leaf.forms ?? {})));
export const formOf = (driver: string): DriverForm => forms.get(driver) ?? {};
