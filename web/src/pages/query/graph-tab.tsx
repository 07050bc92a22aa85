/* SPDX-License-Identifier: Apache-2.0
 *
 * GraphTab - the query over the view's range, as a chart with its legend.
 */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ApiError, Notice } from '../../api/http';
import type { QueryStats } from '../../api/prometheus';
import { isUtc, now, range, setRange, tick } from '../../state/clock';
import { queryRanges } from '../../state/range-query';
import { useResource } from '../../state/resource';
import { chooseStep, formatDuration, parseDuration, resolveRange } from '../../state/time';
import { adjust, unzoom, zoomTo } from '../../state/url';
import { useWidth } from '../../state/use-dom';
import { writeView, type QueryView } from '../../state/view';
import { Button, Segmented } from '../../ui/button';
import { Panel } from '../../ui/panel';
import { Empty } from '../../ui/states';
import { formatTime, guessUnit } from '../../viz/format';
import { BAND_THRESHOLD, DRAWN_SERIES, frameOfMatrix, type Frame } from '../../viz/frame';
import { LegendTable } from '../../viz/legend-table';
import { TimeSeries } from '../../viz/timeseries';
import { ParseError } from './parse-error';
import { QueryStatsStrip, plural } from './query-stats';

const CHART_PX = 340;
const AXES_PX = 70;

interface Loaded {
  frame: Frame;
  notices: Notice[];
  stats: QueryStats | undefined;
  roundTripMs: number;
  pointCount: number;
}

interface GraphTabProps {
  view: QueryView;
  onError: (error: ApiError | null) => void;
}

function noticesOf(loaded: Loaded): Notice[] {
  const { oddCount, histogramCount } = loaded.frame;
  const own: Notice[] = [];
  if (oddCount > 0) {
    const text = `${plural(oddCount, 'value is', 'values are')} NaN or infinite and not drawn.`;
    own.push({ kind: 'info', text });
  }
  if (histogramCount > 0) {
    const text = `${plural(histogramCount, 'series holds', 'series hold')} native histograms, which Table shows.`;
    own.push({ kind: 'info', text });
  }
  return [...loaded.notices, ...own];
}

function StepField({ view, autoMs }: { view: QueryView; autoMs: number }) {
  const given = view.stepMs === null ? '' : formatDuration(view.stepMs);
  const [text, setText] = useState(given);
  useEffect(() => setText(given), [given]);
  const apply = (): void => {
    const ms = text.trim() === '' ? null : parseDuration(text);
    adjust({ ...writeView({ ...view, stepMs: ms !== null && ms > 0 ? ms : null }) });
    if (ms === null) setText('');
  };
  return (
    <label class="inline-field">
      Step
      <input
        class="step-input"
        value={text}
        placeholder={`auto ${formatDuration(autoMs)}`}
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={apply}
        onKeyDown={(event) => {
          if (event.key === 'Enter') apply();
        }}
      />
    </label>
  );
}

function Controls({ view, autoMs }: { view: QueryView; autoMs: number }) {
  const change = (next: Partial<QueryView>): void => adjust(writeView({ ...view, ...next }));
  return (
    <>
      <Segmented
        label="Drawing"
        value={view.isStacked ? 'stacked' : 'lines'}
        choices={[
          { value: 'lines', label: 'Lines' },
          { value: 'stacked', label: 'Stacked' },
        ]}
        onChange={(mode) => change({ isStacked: mode === 'stacked' })}
      />
      <Segmented
        label="Resolution"
        value={view.isFine ? 'fine' : 'normal'}
        choices={[
          { value: 'normal', label: 'Normal', title: 'One point per two pixels' },
          { value: 'fine', label: 'Fine', title: 'One point per pixel' },
        ]}
        onChange={(mode) => change({ isFine: mode === 'fine' })}
      />
      <StepField view={view} autoMs={autoMs} />
    </>
  );
}

function NothingFound({ frame }: { frame: Frame }) {
  const utc = isUtc.value;
  return (
    <Empty title="The query found no series in this range.">
      <p>
        Asked from {formatTime(frame.fromMs, utc)} to {formatTime(frame.toMs, utc)}. Names and label
        values may be mistyped, or the data may be older.
      </p>
      <div class="empty-actions">
        <Button icon="zoomout" onClick={() => setRange({ from: 'now-24h', to: 'now' })}>
          Look at the last 24 hours
        </Button>
      </div>
    </Empty>
  );
}

export function GraphTab({ view, onError }: GraphTabProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [focusId, setFocusId] = useState<string | null>(null);
  const [showsAll, setShowsAll] = useState(false);
  const { from, to } = range.value;
  const span = resolveRange(range.value, now());
  const lengthMs = span.toMs - span.fromMs;
  const autoMs = chooseStep(lengthMs, Math.max(200, width - AXES_PX), view.isFine);
  const stepMs = view.stepMs ?? autoMs;
  const key = width > 0 && view.expr !== '' ? JSON.stringify([view.expr, from, to, stepMs]) : '';

  const resource = useResource<Loaded>(key, tick.value, async (signal) => {
    const asked = resolveRange(range.peek(), now());
    const { axis, answers } = await queryRanges([view.expr], asked, stepMs, signal, true);
    const [answer] = answers;
    const matrix = answer?.data.result ?? [];
    return {
      frame: frameOfMatrix(matrix, axis, asked),
      notices: answer?.notices ?? [],
      stats: answer?.data.stats,
      roundTripMs: answer?.roundTripMs ?? 0,
      pointCount: matrix.reduce((sum, s) => sum + (s.values?.length ?? 0), 0),
    };
  });
  const { error } = resource;
  useEffect(() => onError(error), [error, onError]);
  useEffect(() => setHidden(new Set()), [view.expr]);
  const unit = useMemo(() => guessUnit(view.expr), [view.expr]);
  const { data } = resource;
  const isCrowd = data !== null && data.frame.series.length > BAND_THRESHOLD;

  return (
    <div ref={box}>
      <Panel
        title={<Controls view={view} autoMs={autoMs} />}
        heading="none"
        label="Graph"
        class="graph-panel"
        resource={resource}
        dataKey={key}
        detailOf={(e) => <ParseError error={e} expr={view.expr} />}
        height={CHART_PX + 40}
        noticesOf={noticesOf}
        emptyOf={(d) => (d.frame.series.length > 0 ? null : <NothingFound frame={d.frame} />)}
        actions={
          data !== null && (
            <QueryStatsStrip
              parts={[
                plural(data.frame.series.length, 'series', 'series'),
                plural(data.pointCount, 'point', 'points'),
                `step ${formatDuration(data.frame.stepMs)}`,
              ]}
              stats={data.stats}
              roundTripMs={data.roundTripMs}
            />
          )
        }
      >
        {(d) => (
          <>
            <TimeSeries
              title={view.expr}
              frame={d.frame}
              unit={unit}
              height={CHART_PX}
              isStacked={view.isStacked}
              isFilled={d.frame.series.length === 1}
              hidden={hidden}
              focusId={focusId}
              showsAll={showsAll}
              onZoom={(fromMs, toMs) =>
                zoomTo({ from: String(Math.round(fromMs)), to: String(Math.round(toMs)) })
              }
              onUnzoom={unzoom}
            />
            {isCrowd && (
              <p class="hint">
                {showsAll
                  ? `All ${d.frame.series.length} series are drawn. `
                  : `The ${DRAWN_SERIES} largest series are drawn; the grey band is the range of the others. `}
                <Button kind="quiet" onClick={() => setShowsAll(!showsAll)}>
                  {showsAll ? 'Draw the largest only' : 'Draw all'}
                </Button>
              </p>
            )}
            <LegendTable
              series={d.frame.series}
              unit={unit}
              hidden={hidden}
              onHidden={setHidden}
              onFocus={setFocusId}
            />
          </>
        )}
      </Panel>
    </div>
  );
}
