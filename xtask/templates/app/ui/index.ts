// The page of this app and its two catalogues.
import type { Leaf } from "@console/leaves";
import en from "./en.json";
import zh from "./zh.json";

const leaf: Leaf = {
  routes: [{ path: "/@name@", component: () => import("./List.vue"), meta: { title: "@name@.title" } }],
  nav: [{ to: "/@name@", label: "@name@.title", order: 60 }],
  messages: { zh, en },
};

export default leaf;
