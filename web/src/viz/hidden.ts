/* SPDX-License-Identifier: Apache-2.0
 *
 * hidden - which series of a chart are switched off.
 */

/** What is hidden after a click. */
export function nextHidden(
  ids: readonly string[],
  hidden: ReadonlySet<string>,
  id: string,
  isToggle: boolean,
): ReadonlySet<string> {
  if (isToggle) {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    return next.size === ids.length ? new Set() : next;
  }
  const isAlone = !hidden.has(id) && hidden.size === ids.length - 1;
  return isAlone ? new Set() : new Set(ids.filter((other) => other !== id));
}
