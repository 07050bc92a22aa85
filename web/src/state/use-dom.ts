/* SPDX-License-Identifier: Apache-2.0
 *
 * use-dom - hooks that tell a component how wide it is and whether a person can see it.
 */
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

export function useWidth(ref: RefObject<HTMLElement>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (ref.current === null) return undefined;
    const box = ref.current;
    setWidth(box.clientWidth);
    const observer = new ResizeObserver(() => setWidth(box.clientWidth));
    observer.observe(box);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}

/** The tick, held back while the element is off the screen: nobody looks, nothing is asked. */
export function useVisibleTick(ref: RefObject<HTMLElement>, tick: number): number {
  const [isVisible, setIsVisible] = useState(true);
  const held = useRef(tick);
  useEffect(() => {
    if (ref.current === null) return undefined;
    const observer = new IntersectionObserver(
      (entries) => setIsVisible(entries.some((e) => e.isIntersecting)),
      { rootMargin: '200px' },
    );
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [ref]);
  if (isVisible) held.current = tick;
  return held.current;
}
