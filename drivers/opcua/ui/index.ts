// No pages: the form comes from the schema. What stands first in it, and the texts of this driver.
import type { Leaf } from "@console/leaves";
import en from "./en.json";
import zh from "./zh.json";

const leaf: Leaf = {
  routes: [],
  nav: [],
  messages: { zh, en },
  forms: {
    opcua: {
      first: [
        "endpoint_url",
        "security_policy",
        "security_mode",
        "allow_none",
        "identity",
        "user_name",
        "password",
        "certificate",
        "private_key",
      ],
    },
  },
};

export default leaf;
