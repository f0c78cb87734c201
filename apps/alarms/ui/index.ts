// The page of this app and its two catalogues.
import type { Badge, Leaf } from "@console/leaves";
import { alarms } from "./api";
import en from "./en.json";
import zh from "./zh.json";

async function unacknowledged(): Promise<Badge> {
  const { counts } = await alarms.counts();
  const count = counts.unacknowledged.reduce((sum, of) => sum + of, 0);
  return { count, urgent: count > 0 };
}

const leaf: Leaf = {
  routes: [{ path: "/alarms", component: () => import("./AlarmPage.vue"), meta: { title: "alarms.title" } }],
  nav: [{ to: "/alarms", label: "alarms.title", order: 15, badge: unacknowledged }],
  messages: { zh, en },
};

export default leaf;
