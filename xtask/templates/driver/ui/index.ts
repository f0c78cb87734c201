// No pages: the form comes from the schema. Only the texts of this driver's own faults.
import type { Leaf } from "@console/leaves";
import en from "./en.json";
import zh from "./zh.json";

const leaf: Leaf = { routes: [], nav: [], messages: { zh, en } };

export default leaf;
