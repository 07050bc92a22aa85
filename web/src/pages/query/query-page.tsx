/* SPDX-License-Identifier: Apache-2.0
 *
 * QueryPage - ask in PromQL; see the answer as a graph or a table. All of its state is in the URL.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { formatQuery } from '../../api/prometheus';
import { ApiError } from '../../api/http';
import { findErrorSpan } from '../../lang/promql/position';
import { PromqlField } from '../../lang/promql/promql-field';
import { refreshNow } from '../../state/clock';
import { queryHistory, rememberQuery } from '../../state/settings';
import { adjust, place } from '../../state/url';
import { readView, writeView, type QueryView } from '../../state/view';
import { Button } from '../../ui/button';
import { Icon } from '../../ui/icon';
import { Popover } from '../../ui/popover';
import { Empty, ErrorBlock } from '../../ui/states';
import { Tabs } from '../../ui/tabs';
import { GraphTab } from './graph-tab';
import { MetricBrowser } from './metric-browser';
import { ParseError } from './parse-error';
import { TableTab } from './table-tab';

function History({ onChoose }: { onChoose: (expr: string) => void }) {
  const [isOpen, setIsOpen] = useState(false);
  const queries = queryHistory.value;
  return (
    <Popover
      label="Earlier queries"
      isOpen={isOpen}
      onClose={() => setIsOpen(false)}
      trigger={
        <button
          type="button"
          class="button is-plain"
          aria-haspopup="dialog"
          aria-expanded={isOpen}
          onClick={() => setIsOpen(!isOpen)}
        >
          <Icon name="history" />
          History
        </button>
      }
    >
      {queries.length === 0 ? (
        <Empty title="No queries yet.">
          <p>Those that you run in this browser are listed here.</p>
        </Empty>
      ) : (
        <ul class="history-list">
          {queries.map((expr) => (
            <li key={expr}>
              <button
                type="button"
                onClick={() => {
                  setIsOpen(false);
                  onChoose(expr);
                }}
              >
                {expr}
              </button>
            </li>
          ))}
        </ul>
      )}
    </Popover>
  );
}

export function QueryPage() {
  const view = readView(place.value.params);
  const [draft, setDraft] = useState(view.expr);
  const [revision, setRevision] = useState(0);
  const lastRun = useRef(view.expr);
  const [error, setError] = useState<ApiError | null>(null);
  const [formatError, setFormatError] = useState<ApiError | null>(null);
  const [isBrowsing, setIsBrowsing] = useState(false);
  const putText = (text: string): void => {
    setDraft(text);
    setRevision((n) => n + 1);
  };
  useEffect(() => {
    setFormatError(null);
    /* Back, forward or a link; what was run here is in the editor already, perhaps with more. */
    if (view.expr !== lastRun.current) putText(view.expr);
    lastRun.current = view.expr;
  }, [view.expr]);
  useEffect(() => {
    if (view.expr === '') setError(null);
  }, [view.expr]);

  const runText = (text: string): void => {
    const expr = text.trim();
    rememberQuery(expr);
    setFormatError(null);
    if (text !== draft || expr !== text) putText(expr);
    lastRun.current = expr;
    if (expr === view.expr) refreshNow();
    else adjust(writeView({ ...view, expr }));
  };
  const format = (): void => {
    const text = draft;
    formatQuery(text, new AbortController().signal)
      .then((answer) => {
        setFormatError(null);
        putText(answer.data);
      })
      .catch((e: unknown) => setFormatError(e instanceof ApiError ? e : null));
  };
  const shownError = formatError ?? (draft.trim() === view.expr ? error : null);
  const errorExpr = formatError === null ? view.expr : draft;
  const span = useMemo(
    () => (shownError === null ? null : findErrorSpan(shownError.message, errorExpr)),
    [shownError, errorExpr],
  );
  const onError = useCallback((next: ApiError | null) => setError(next), []);
  const choose = (expr: string): void => {
    setIsBrowsing(false);
    runText(expr);
  };
  const hasQuery = view.expr !== '';
  return (
    <div class="page">
      <section class="query-box" aria-label="Query">
        <div class={span === null ? 'query-row' : 'query-row has-error'}>
          <PromqlField
            value={draft}
            revision={revision}
            onChange={(text) => {
              setDraft(text);
              setFormatError(null);
            }}
            onRun={() => runText(draft)}
            errorSpan={span}
          />
          <Button kind="primary" icon="play" title="Run (Enter)" onClick={() => runText(draft)}>
            Run
          </Button>
        </div>
        <div class="query-tools">
          <span class="hint">
            <kbd>Enter</kbd> runs · <kbd>Shift</kbd> <kbd>Enter</kbd> new line · <kbd>Ctrl</kbd>{' '}
            <kbd>Space</kbd> completes
          </span>
          {hasQuery && (
            <Button icon="list" onClick={() => setIsBrowsing(!isBrowsing)}>
              {isBrowsing ? 'Hide metrics' : 'Metrics'}
            </Button>
          )}
          <Button
            icon="table"
            isDisabled={draft.trim() === ''}
            title="Lay the query out"
            onClick={format}
          >
            Format
          </Button>
          <History onChoose={choose} />
        </div>
        {formatError !== null && (
          <ErrorBlock
            error={formatError}
            detail={<ParseError error={formatError} expr={draft} />}
          />
        )}
      </section>
      {(isBrowsing || !hasQuery) && <MetricBrowser onChoose={choose} />}
      {hasQuery && (
        <Tabs<QueryView['tab']>
          label="Result"
          value={view.tab}
          tabs={[
            { value: 'graph', label: 'Graph', icon: 'chart' },
            { value: 'table', label: 'Table', icon: 'table' },
          ]}
          onChange={(tab) => adjust(writeView({ ...view, tab }))}
        >
          {view.tab === 'graph' ? (
            <GraphTab view={view} onError={onError} />
          ) : (
            <TableTab view={view} onError={onError} />
          )}
        </Tabs>
      )}
    </div>
  );
}
