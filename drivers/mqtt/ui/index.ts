// No pages: forms come from the schemas. What stands first in them, and the texts of this driver and its door.
import type { Leaf } from "@console/leaves";
import en from "./en.json";
import zh from "./zh.json";

const leaf: Leaf = {
  routes: [],
  nav: [],
  messages: { zh, en },
  forms: {
    mqtt: { first: ["via", "payload.profile", "payload.root", "host", "port", "client_id", "username", "password"] },
  },
};

export default leaf;
