// The editor without Vue: its look in the console's colours, its keys, and the mark at the place of a fault.
import type { QueryTables } from "@console/api";
import {
  acceptCompletion,
  autocompletion,
  bracketMatching,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  Decoration,
  defaultKeymap,
  drawSelection,
  EditorState,
  EditorView,
  highlightActiveLineGutter,
  HighlightStyle,
  history,
  historyKeymap,
  keymap,
  lineNumbers,
  placeholder,
  Prec,
  SQLDialect,
  StateEffect,
  StateField,
  syntaxHighlighting,
  tags,
  type DecorationSet,
  type Extension,
} from "./codemirror";
import { completionsOf } from "./complete";
import { KEYWORDS } from "./words";

/** Where a fault is, counted from 1. */
export interface Place {
  line: number;
  column: number;
}

/** `line 1, column 8`, as the server names a place in a statement. */
export function placeOfFault(path: string | undefined): Place | undefined {
  const [, line, column] = /^line (\d+), column (\d+)$/.exec(path ?? "") ?? [];
  return line === undefined ? undefined : { line: Number(line), column: Number(column) };
}

export const setPlace = StateEffect.define<Place | undefined>();

function marksAt(state: EditorState, place: Place | undefined): DecorationSet {
  if (!place || place.line < 1 || place.line > state.doc.lines) return Decoration.none;
  const line = state.doc.line(place.line);
  const from = Math.min(line.from + Math.max(place.column - 1, 0), line.to);
  const rest = /^\s*(?:\w+|\S)/.exec(state.sliceDoc(from, line.to))?.[0].length ?? 0;
  const marks = [Decoration.line({ class: "cm-wrong-line" }).range(line.from)];
  if (rest > 0) marks.push(Decoration.mark({ class: "cm-wrong" }).range(from, from + rest));
  return Decoration.set(marks);
}

/** Few words: those of a whole dialect would make keywords of columns such as `value`. */
const dialect = SQLDialect.define({
  keywords: [...new Set(KEYWORDS.flatMap((words) => words.split(" ")))].join(" "),
  types: "",
  builtin: "",
});

/** Stands until the statement is changed. */
const wrong = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, change) {
    for (const effect of change.effects) if (effect.is(setPlace)) return marksAt(change.state, effect.value);
    return change.docChanged ? Decoration.none : marks;
  },
  provide: (field) => EditorView.decorations.from(field),
});

// Colour is kept for what is abnormal: words of the language are told by weight, texts and notes by shade.
const shades = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], fontWeight: "600" },
  { tag: tags.string, color: "var(--ink-2)", textDecoration: "underline 1px var(--line-strong)" },
  { tag: tags.comment, color: "var(--ink-3)", fontStyle: "italic" },
]);

const look = EditorView.theme({
  "&": { background: "var(--raised)", color: "var(--ink)", fontSize: "13px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--face-mono)", lineHeight: "1.55" },
  ".cm-content": { padding: "8px 0", caretColor: "var(--ink)" },
  ".cm-content, .cm-gutter": { minHeight: "130px" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--focus) 28%, transparent)",
  },
  ".cm-gutters": { background: "transparent", color: "var(--ink-3)", borderRight: "1px solid var(--line)" },
  ".cm-activeLineGutter": { background: "var(--hover)", color: "var(--ink)" },
  ".cm-placeholder": { color: "var(--ink-3)" },
  "&.cm-focused .cm-matchingBracket": { background: "var(--chosen)" },
  ".cm-wrong-line": { background: "color-mix(in srgb, var(--bad) 9%, transparent)" },
  ".cm-wrong": { textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "4px" },
  ".cm-tooltip": {
    background: "var(--raised)",
    border: "1px solid var(--line-strong)",
    borderRadius: "var(--radius)",
    boxShadow: "var(--shadow)",
    color: "var(--ink)",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": {
    fontFamily: "var(--face)",
    maxHeight: "252px",
    maxWidth: "min(560px, 94vw)",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px", lineHeight: "1.5" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { background: "var(--chosen)", color: "var(--ink)" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "600" },
  ".cm-completionDetail": { color: "var(--ink-3)", fontStyle: "normal", marginLeft: "10px", fontSize: "12px" },
  ".cm-tooltip.cm-completionInfo": { padding: "5px 10px", maxWidth: "280px", fontSize: "12px" },
});

export interface Wishes {
  text: string;
  label: string;
  hint: string;
  known: () => QueryTables | undefined;
  changed: (text: string) => void;
  run: () => void;
}

/** Runs with Ctrl or Cmd and Enter. Tab takes what is offered, else it leaves: the keyboard is never caught. */
const keys = (run: () => void): Extension => [
  Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => (run(), true) }])),
  keymap.of([
    { key: "Tab", run: acceptCompletion },
    ...closeBracketsKeymap,
    ...completionKeymap,
    ...historyKeymap,
    ...defaultKeymap,
  ]),
];

export function openEditor(parent: HTMLElement, wishes: Wishes): EditorView {
  const extensions: Extension[] = [
    lineNumbers(),
    highlightActiveLineGutter(),
    history(),
    drawSelection(),
    bracketMatching(),
    closeBrackets(),
    dialect.language,
    autocompletion({ override: [completionsOf(wishes.known)], icons: false, maxRenderedOptions: 60 }),
    syntaxHighlighting(shades),
    wrong,
    look,
    keys(wishes.run),
    placeholder(wishes.hint),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": wishes.label, spellcheck: "false" }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) wishes.changed(update.state.doc.toString());
    }),
  ];
  return new EditorView({ parent, state: EditorState.create({ doc: wishes.text, extensions }) });
}

/** Puts a word where the cursor is, parted from the word before it. */
export function insertWord(view: EditorView, word: string): void {
  const { from, to } = view.state.selection.main;
  const before = view.state.sliceDoc(Math.max(0, from - 1), from);
  const insert = /[\w'")]/.test(before) ? ` ${word}` : word;
  view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length }, userEvent: "input" });
  view.focus();
}

export function replaceAll(view: EditorView, text: string): void {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: text.length } });
}
