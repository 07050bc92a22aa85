/* SPDX-License-Identifier: Apache-2.0
 *
 * yaml-line - one line of YAML in coloured parts.
 */

export interface YamlPart {
  kind: 'key' | 'string' | 'number' | 'comment' | 'text';
  text: string;
}

function scalarKind(text: string): YamlPart['kind'] {
  const trimmed = text.trim();
  if (/^["']/.test(trimmed)) return 'string';
  return /^(-?\d+(\.\d+)?([a-zA-Z]{1,3})?|true|false|null)$/.test(trimmed) ? 'number' : 'text';
}

/** Cuts one line for colouring. It reads YAML as a person skims it, not as a parser. */
export function splitYamlLine(line: string): YamlPart[] {
  if (/^\s*#/.test(line)) return [{ kind: 'comment', text: line }];
  const match = /^(\s*(?:- )*)([\w$.\-/]+)(:)(\s.*|)$/.exec(line);
  const parts: YamlPart[] = [];
  let rest = line;
  if (match !== null) {
    parts.push({ kind: 'text', text: match[1] ?? '' });
    parts.push({ kind: 'key', text: match[2] ?? '' });
    parts.push({ kind: 'text', text: match[3] ?? '' });
    rest = match[4] ?? '';
  } else {
    const item = /^(\s*(?:- )+)(.*)$/.exec(line);
    if (item !== null) {
      parts.push({ kind: 'text', text: item[1] ?? '' });
      rest = item[2] ?? '';
    }
  }
  const comment = /^("(?:[^"\\]|\\.)*"|'[^']*'|[^#]*?)(\s+#.*)$/.exec(rest);
  const value = comment === null ? rest : (comment[1] ?? '');
  if (value !== '') parts.push({ kind: scalarKind(value), text: value });
  if (comment !== null) parts.push({ kind: 'comment', text: comment[2] ?? '' });
  return parts.filter((p) => p.text !== '');
}
