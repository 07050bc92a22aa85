/* SPDX-License-Identifier: Apache-2.0
 *
 * editor - CodeMirror with PromQL: highlighting, completion from the server, lint, bracket matching.
 * A chunk of its own, loaded when the Metrics page is opened.
 *
 * It lives in a shadow root: there CodeMirror uses adopted style sheets, which the content security
 * policy allows; in the document it would insert style elements, which the policy forbids.
 */
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  completionStatus,
} from '@codemirror/autocomplete';
import {
  defaultKeymap,
  history,
  historyKeymap,
  insertNewlineAndIndent,
} from '@codemirror/commands';
import {
  HighlightStyle,
  bracketMatching,
  indentOnInput,
  syntaxHighlighting,
} from '@codemirror/language';
import { lintKeymap } from '@codemirror/lint';
import { Annotation, EditorState, Prec, StateEffect, StateField } from '@codemirror/state';
import {
  Decoration,
  EditorView,
  highlightSpecialChars,
  keymap,
  placeholder,
  type DecorationSet,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import { CompletionClient } from './client';

const highlight = HighlightStyle.define([
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.keyword, color: 'var(--code-keyword)', fontWeight: '600' },
  { tag: tags.function(tags.variableName), color: 'var(--code-function)' },
  { tag: tags.labelName, color: 'var(--code-label)' },
  { tag: tags.operator, color: 'var(--text)' },
  { tag: tags.modifier, color: 'var(--code-keyword)' },
  { tag: tags.comment, color: 'var(--text-muted)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--bad-text)' },
]);

const look = EditorView.theme({
  '&': { backgroundColor: 'transparent', color: 'var(--text)', fontSize: '13px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '20px', overflow: 'visible' },
  '.cm-content': { padding: '7px 0', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 2px 0 0' },
  '.cm-placeholder': { color: 'var(--text-muted)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-content ::selection':
    {
      backgroundColor: 'var(--accent-soft)',
    },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-soft)', outline: 'none' },
  '&.cm-focused .cm-nonmatchingBracket': { backgroundColor: 'var(--bad-soft)' },
  '.ph-error': {
    textDecoration: 'underline wavy var(--bad-strong) 1px',
    textUnderlineOffset: '4px',
    backgroundColor: 'var(--bad-soft)',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface-raised)',
    border: '1px solid var(--border-strong)',
    borderRadius: '6px',
    boxShadow: 'var(--shadow)',
    zIndex: '50',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': {
    fontFamily: 'var(--mono)',
    fontSize: '12.5px',
    maxHeight: 'none',
    minWidth: '280px',
    padding: '4px',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': {
    padding: '3px 8px',
    borderRadius: '4px',
    color: 'var(--text)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--accent-soft)',
    color: 'var(--text)',
  },
  '.cm-completionMatchedText': {
    textDecoration: 'none',
    fontWeight: '700',
    color: 'var(--accent-text)',
  },
  '.cm-completionDetail': { color: 'var(--text-muted)', fontStyle: 'normal', marginLeft: '12px' },
  '.cm-tooltip.cm-completionInfo': {
    padding: '8px 10px',
    maxWidth: '360px',
    fontFamily: 'var(--sans)',
    fontSize: '12px',
    lineHeight: '17px',
    color: 'var(--text)',
  },
  '.cm-diagnostic': {
    fontFamily: 'var(--sans)',
    fontSize: '12px',
    color: 'var(--text)',
    padding: '6px 10px',
    borderLeft: '3px solid var(--bad-strong)',
  },
});

/** Marks a change that came from outside: it is not reported back. */
const fromOutside = Annotation.define<boolean>();

const setError = StateEffect.define<{ from: number; to: number } | null>();
const errorMark = Decoration.mark({ class: 'ph-error' });

/** The place of the server's last error; gone with the first change of the text. */
const errorField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let next = transaction.docChanged ? Decoration.none : marks;
    for (const effect of transaction.effects) {
      if (!effect.is(setError)) continue;
      const { value } = effect;
      const isInside =
        value !== null && value.to <= transaction.newDoc.length && value.from < value.to;
      next = isInside ? Decoration.set([errorMark.range(value.from, value.to)]) : Decoration.none;
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

export interface EditorOptions {
  host: HTMLElement;
  text: string;
  label: string;
  placeholder: string;
  onChange: (text: string) => void;
  onRun: () => void;
}

export class PromqlEditor {
  private readonly view: EditorView;
  private readonly promql: PromQLExtension;
  private readonly client: CompletionClient;

  constructor(options: EditorOptions) {
    const root = options.host.shadowRoot ?? options.host.attachShadow({ mode: 'open' });
    this.client = new CompletionClient();
    this.promql = new PromQLExtension().setComplete({ remote: this.client });
    const run = (): boolean => {
      options.onRun();
      return true;
    };
    const keys = Prec.highest(
      keymap.of([
        { key: 'Mod-Enter', run },
        { key: 'Shift-Enter', run: insertNewlineAndIndent },
        { key: 'Enter', run: (view) => completionStatus(view.state) === null && run() },
      ]),
    );
    const state = EditorState.create({
      doc: options.text,
      extensions: [
        keys,
        history(),
        highlightSpecialChars(),
        EditorState.allowMultipleSelections.of(false),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ icons: false, maxRenderedOptions: 14 }),
        keymap.of([
          ...closeBracketsKeymap,
          ...completionKeymap,
          ...lintKeymap,
          ...historyKeymap,
          ...defaultKeymap,
        ]),
        syntaxHighlighting(highlight),
        look,
        errorField,
        this.promql.asExtension(),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({
          'aria-label': options.label,
          'aria-multiline': 'true',
        }),
        placeholder(options.placeholder),
        EditorView.updateListener.of((update) => {
          const isTyped = !update.transactions.some((t) => t.annotation(fromOutside) === true);
          if (update.docChanged && isTyped) options.onChange(update.state.doc.toString());
        }),
      ],
    });
    this.view = new EditorView({ state, parent: root, root });
  }

  setText(text: string): void {
    const { doc } = this.view.state;
    if (doc.toString() === text) return;
    this.view.dispatch({
      changes: { from: 0, to: doc.length, insert: text },
      selection: { anchor: text.length },
      annotations: fromOutside.of(true),
    });
  }

  showError(span: { from: number; to: number } | null): void {
    this.view.dispatch({ effects: setError.of(span) });
  }

  focus(): void {
    this.view.focus();
  }

  destroy(): void {
    this.view.destroy();
    this.promql.destroy();
    this.client.destroy();
  }
}
