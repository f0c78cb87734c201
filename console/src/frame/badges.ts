// Counts beside the menu items, asked of their leaves while somebody looks.
import { onScopeDispose, shallowRef, watch } from "vue";
import type { Badge, NavItem } from "../leaves";
import { link } from "../live/live";

const LOOK_EVERY_MS = 5_000;
const SHOWN_MAX = 999;

const badges = shallowRef<ReadonlyMap<string, Badge>>(new Map());
let shown: () => NavItem[] = () => [];

async function ask(item: NavItem): Promise<void> {
  // A failure keeps the last count: the banner of the lost connection says why it is old.
  const badge = await item.badge?.().catch(() => undefined);
  if (badge) badges.value = new Map(badges.value).set(item.to, badge);
}

/** After something was done that changes a count. */
export function refreshBadges(): void {
  for (const item of shown()) if (item.badge) void ask(item);
}

/** For the frame: asks for the badges of the items it shows, for as long as it is there. */
export function useBadges(items: () => NavItem[]): void {
  shown = items;
  watch([items, link], refreshBadges, { immediate: true });
  const timer = setInterval(() => {
    if (!document.hidden) refreshBadges();
  }, LOOK_EVERY_MS);
  onScopeDispose(() => {
    clearInterval(timer);
    shown = () => [];
    badges.value = new Map();
  });
}

/** By route path of the menu item. */
export const badgeAt = (to: string): Badge | undefined => badges.value.get(to);
export const countText = (count: number): string => (count > SHOWN_MAX ? `${SHOWN_MAX}+` : String(count));
