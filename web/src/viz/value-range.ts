/* SPDX-License-Identifier: Apache-2.0
 *
 * value-range - the ends of a value axis.
 */

/** Least and greatest of the value axis. */
export function valueRange(
  dataMin: number | null,
  dataMax: number | null,
  model: { isStacked: boolean; yMin?: number; yMax?: number },
): [number, number] {
  if (dataMin === null || dataMax === null) return [model.yMin ?? 0, model.yMax ?? 1];
  let min = dataMin;
  let max = dataMax;
  const fromZero = model.isStacked || (min > 0 && min < max * 0.6);
  if (fromZero) min = Math.min(0, min);
  if (model.yMin !== undefined) min = Math.min(min, model.yMin);
  if (model.yMax !== undefined) max = Math.max(max, model.yMax);
  if (min === max) {
    const pad = min === 0 ? 1 : Math.abs(min) * 0.1;
    return min === 0 ? [0, 1] : [min - pad, max + pad];
  }
  const length = max - min;
  const top = model.yMax !== undefined && max === model.yMax ? max : max + length * 0.06;
  const bottom = min === 0 || min === model.yMin ? min : min - length * 0.06;
  return [bottom, top];
}
