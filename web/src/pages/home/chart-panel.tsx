/* SPDX-License-Identifier: Apache-2.0
 *
 * HomeChart - one chart of Home: asks its queries over the view's range, joins the answers in one frame.
 */
import { useMemo, useRef, useState } from 'preact/hooks';
import type { Notice } from '../../api/http';
import { now, range, tick } from '../../state/clock';
import { queryRanges } from '../../state/range-query';
import { useResource } from '../../state/resource';
import { chooseStep, formatDuration, resolveRange } from '../../state/time';
import { sharedParams, unzoom, zoomTo } from '../../state/url';
import { useVisibleTick, useWidth } from '../../state/use-dom';
import { Icon } from '../../ui/icon';
import { Link } from '../../ui/link';
import { Panel } from '../../ui/panel';
import { Empty } from '../../ui/states';
import { ChartLegend } from '../../viz/chart-legend';
import { frameOfMatrix, statsOf, type Frame, type FrameSeries } from '../../viz/frame';
import { TimeSeries } from '../../viz/timeseries';
import { rateWindowMs, slotOfMode, type ChartPanel, type PanelQuery } from './panels';

const CHART_PX = 172;

interface Loaded {
  frame: Frame;
  notices: Notice[];
}

interface HomeChartProps {
  panel: ChartPanel;
  /** Matcher of the host, null while it is not known yet. */
  host: string | null;
  scrapeMs: number;
}

function readNames(query: PanelQuery, frame: Frame): FrameSeries[] {
  return frame.series.map((s, i) => {
    const { name } = query;
    const text = typeof name === 'string' ? name : name(s.labels);
    const slot = query.slot ?? slotOfMode(s.labels) ?? s.slot;
    const id = `${text}\u0000${i}`;
    return { ...s, id, name: text, slot, ...(query.isDashed === true ? { isDashed: true } : {}) };
  });
}

async function load(
  panel: ChartPanel,
  queries: readonly PanelQuery[],
  stepMs: number,
  signal: AbortSignal,
): Promise<Loaded> {
  const view = resolveRange(range.peek(), now());
  const exprs = queries.map((q) => q.expr);
  const { axis, answers } = await queryRanges(exprs, view, stepMs, signal);
  const series = queries.flatMap((query, i) =>
    readNames(query, frameOfMatrix(answers[i]?.data.result ?? [], axis, view)),
  );
  const kept =
    panel.dropsZero === true ? series.filter((s) => (statsOf(s.values).max ?? 0) > 1e-4) : series;
  const frame = frameOfMatrix([], axis, view);
  return {
    /* All zero is an answer too. */
    frame: { ...frame, series: kept.length === 0 ? series : kept },
    notices: answers.flatMap((a) => a.notices.filter((n) => n.kind === 'warning')),
  };
}

export function HomeChart({ panel, host, scrapeMs }: HomeChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const visibleTick = useVisibleTick(box, tick.value);
  const [focusId, setFocusId] = useState<string | null>(null);
  const { from, to } = range.value;
  const span = resolveRange(range.value, now());
  const stepMs = chooseStep(span.toMs - span.fromMs, Math.max(200, width - 70));
  const windowText = formatDuration(rateWindowMs(stepMs, scrapeMs));
  const queries = useMemo(
    () => panel.queries({ host: host ?? '', window: windowText }),
    [panel, host, windowText],
  );
  const isReady = host !== null && width > 0;
  const key = isReady ? JSON.stringify([queries.map((q) => q.expr), from, to, stepMs]) : '';
  const resource = useResource(key, visibleTick, (signal) => load(panel, queries, stepMs, signal));

  return (
    <div ref={box} class="grid-cell">
      <Panel
        title={panel.title}
        heading={3}
        label={panel.title}
        resource={resource}
        dataKey={key}
        height={CHART_PX + 40}
        noticesOf={(d) => d.notices}
        emptyOf={(d) =>
          d.frame.series.length > 0 ? null : (
            <Empty title={panel.emptyTitle}>
              <p>{panel.emptyText}</p>
            </Empty>
          )
        }
        actions={
          <Link
            path="/query"
            params={sharedParams({ expr: queries[0]?.expr ?? '', from, to })}
            class="icon-button"
            title="Open in Metrics"
            label={`Open ${panel.title} in Metrics`}
          >
            <Icon name="open" />
          </Link>
        }
      >
        {(d) => (
          <>
            <TimeSeries
              title={panel.title}
              frame={d.frame}
              unit={panel.unit}
              height={CHART_PX}
              isStacked={panel.isStacked ?? false}
              isFilled={panel.isFilled ?? false}
              yMin={0}
              {...(panel.yMax === undefined ? {} : { yMax: panel.yMax })}
              syncKey="home"
              focusId={focusId}
              onZoom={(fromMs, toMs) =>
                zoomTo({ from: String(Math.round(fromMs)), to: String(Math.round(toMs)) })
              }
              onUnzoom={unzoom}
            />
            <ChartLegend series={d.frame.series} unit={panel.unit} onFocus={setFocusId} />
          </>
        )}
      </Panel>
    </div>
  );
}
