// What a device offers, as a tree that grows while it is read. Pure; made for 200,000 nodes.
import type { BrowsedNode } from "@console/api/types";

export interface Entry {
  node: BrowsedNode;
  parent: Entry | undefined;
  children: Entry[];
  /** Its children were asked for. */
  read: boolean;
  /** Name and address in lower case, for the search. */
  words: string;
}

export interface Row {
  entry: Entry;
  depth: number;
}

export class NodeTree {
  readonly roots: Entry[] = [];
  private readonly byAddress = new Map<string, Entry>();

  get size(): number {
    return this.byAddress.size;
  }

  /** Takes what a browse below `at` found. A node that is there already stays where it is. */
  add(batch: BrowsedNode[], at: string): void {
    for (const node of batch) {
      if (this.byAddress.has(node.address)) continue;
      const parent = this.byAddress.get(node.parent ?? at);
      const words = `${node.name} ${node.address}`.toLowerCase();
      const entry: Entry = { node, parent, children: [], read: false, words };
      this.byAddress.set(node.address, entry);
      (parent?.children ?? this.roots).push(entry);
    }
  }

  find(address: string): Entry | undefined {
    return this.byAddress.get(address);
  }

  /** After a browse that went all the way down: nothing is left to ask for. */
  readBelow(entry: Entry | undefined): void {
    for (const { entry: below } of this.rows(() => true, entry)) below.read = true;
    if (entry) entry.read = true;
  }

  /** Rows from top to bottom; children stand below what is open. */
  rows(isOpen: (entry: Entry) => boolean, below?: Entry): Row[] {
    const rows: Row[] = [];
    const waiting: Row[] = [];
    const put = (entries: Entry[], depth: number): void => {
      for (let i = entries.length - 1; i >= 0; i -= 1) waiting.push({ entry: entries[i]!, depth });
    };
    put(below ? below.children : this.roots, 0);
    for (let row = waiting.pop(); row; row = waiting.pop()) {
      rows.push(row);
      if (row.entry.children.length > 0 && isOpen(row.entry)) put(row.entry.children, row.depth + 1);
    }
    return rows;
  }

  /** What can be chosen and has every word in its name or address, in the order of the tree. */
  search(text: string): Row[] {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (entry: Entry): boolean => isChoosable(entry) && words.every((word) => entry.words.includes(word));
    return this.rows(() => true)
      .filter(({ entry }) => fits(entry))
      .map(({ entry }) => ({ entry, depth: 0 }));
  }
}

export const isChoosable = ({ node }: Entry): boolean => node.kind !== "folder";
/** May have something below it that was not asked for yet, or has. */
export const isOpenable = (entry: Entry): boolean =>
  entry.children.length > 0 || (entry.node.kind === "folder" && !entry.read);

/** Names of the nodes above, from the root down. */
export function namesAbove(entry: Entry): string[] {
  const names: string[] = [];
  for (let at = entry.parent; at; at = at.parent) names.unshift(at.node.name);
  return names;
}

export const pathOf = (entry: Entry): string => namesAbove(entry).join(" / ");

/** Names that more than one of these has: none of them says enough by itself. */
export function sharedNames(entries: Entry[]): Set<string> {
  const once = new Set<string>();
  const shared = new Set<string>();
  for (const { node } of entries) (once.has(node.name) ? shared : once).add(node.name);
  return shared;
}
