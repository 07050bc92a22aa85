/* SPDX-License-Identifier: Apache-2.0
 *
 * resource - one thing loaded from the server for one panel.
 *
 * A new key aborts the request of the old one. A refresh of the same key never does: a server slower
 * than the refresh period would then never answer. Old data stay on the screen while new ones load.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, isAbort } from '../api/http';
import { checkHealthNow } from './clock';

export interface Resource<T> {
  data: T | null;
  /** The key that `data` were loaded for. */
  dataKey: string;
  error: ApiError | null;
  isLoading: boolean;
  /** performance.now() of the request under way. */
  startedAt: number;
  isCancelled: boolean;
  cancel: () => void;
  retry: () => void;
}

interface Cell<T> {
  data: T | null;
  dataKey: string;
  error: ApiError | null;
  isLoading: boolean;
  startedAt: number;
  isCancelled: boolean;
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(error instanceof Error ? error.message : String(error), 0, 'client');
}

/**
 * Loads `load` whenever `key` or `tick` changes; an empty key loads nothing and clears the cell.
 */
export function useResource<T>(
  key: string,
  tick: number,
  load: (signal: AbortSignal) => Promise<T>,
): Resource<T> {
  const [cell, setCell] = useState<Cell<T>>({
    data: null,
    dataKey: '',
    error: null,
    isLoading: key !== '',
    startedAt: performance.now(),
    isCancelled: false,
  });
  const flight = useRef<{ key: string; abort: AbortController } | null>(null);
  const loadRef = useRef(load);
  loadRef.current = load;

  const start = useCallback((forKey: string): void => {
    flight.current?.abort.abort();
    const abort = new AbortController();
    const mine = { key: forKey, abort };
    flight.current = mine;
    setCell((c) => ({ ...c, isLoading: true, isCancelled: false, startedAt: performance.now() }));
    const settle = (change: Partial<Cell<T>>): void => {
      if (flight.current !== mine) return;
      flight.current = null;
      setCell((c) => ({ ...c, isLoading: false, ...change }));
    };
    loadRef
      .current(abort.signal)
      .then((data) => settle({ data, dataKey: forKey, error: null }))
      .catch((error: unknown) => {
        if (isAbort(error)) return;
        const apiError = asApiError(error);
        if (apiError.type === 'network') checkHealthNow();
        settle({ error: apiError });
      });
  }, []);

  useEffect(() => {
    if (key === '') {
      flight.current?.abort.abort();
      flight.current = null;
      setCell({
        data: null,
        dataKey: '',
        error: null,
        isLoading: false,
        startedAt: performance.now(),
        isCancelled: false,
      });
      return;
    }
    if (flight.current !== null && flight.current.key === key) return;
    start(key);
  }, [key, tick, start]);

  useEffect(
    () => () => {
      flight.current?.abort.abort();
      flight.current = null;
    },
    [],
  );

  const cancel = useCallback((): void => {
    flight.current?.abort.abort();
    flight.current = null;
    setCell((c) => ({ ...c, isLoading: false, isCancelled: true }));
  }, []);
  const retry = useCallback((): void => {
    if (key !== '') start(key);
  }, [key, start]);

  return { ...cell, cancel, retry };
}
