/* SPDX-License-Identifier: Apache-2.0
 *
 * Filesystems - how full they are now (at the end of the view's range).
 */
import { useRef } from 'preact/hooks';
import { queryInstant, type QueryResult, type VectorSeries } from '../../api/prometheus';
import { now, range, tick } from '../../state/clock';
import { useResource } from '../../state/resource';
import { resolveRange } from '../../state/time';
import { sharedParams } from '../../state/url';
import { useVisibleTick } from '../../state/use-dom';
import { Icon } from '../../ui/icon';
import { Link } from '../../ui/link';
import { Panel } from '../../ui/panel';
import { Empty } from '../../ui/states';
import { UsageBars } from '../../viz/usage-bars';
import { filesystemQueries } from './panels';
import { joinUsage } from './usage';

const SHOWN_MAX = 5;

function vectorOf(result: QueryResult): VectorSeries[] {
  return result.resultType === 'vector' ? result.result : [];
}

export function Filesystems({ host }: { host: string | null }) {
  const box = useRef<HTMLDivElement>(null);
  const visibleTick = useVisibleTick(box, tick.value);
  const queries = filesystemQueries({ host: host ?? '', window: '1m' });
  const { from, to } = range.value;
  const key = host === null ? '' : JSON.stringify([queries, from, to]);
  const resource = useResource(key, visibleTick, async (signal) => {
    const { toMs } = resolveRange(range.peek(), now());
    const [size, available] = await Promise.all([
      queryInstant(queries.size, toMs, signal),
      queryInstant(queries.available, toMs, signal),
    ]);
    return joinUsage(vectorOf(size.data), vectorOf(available.data));
  });
  return (
    <div ref={box} class="grid-cell">
      <Panel
        title="File systems"
        heading={3}
        label="File systems"
        resource={resource}
        dataKey={key}
        emptyOf={(items) =>
          items.length > 0 ? null : (
            <Empty title="No file systems reported.">
              <p>Network and memory file systems are left out here; Metrics has them all.</p>
            </Empty>
          )
        }
        actions={
          <Link
            path="/query"
            params={sharedParams({ expr: `1 - ${queries.available} / ${queries.size}`, from, to })}
            class="icon-button"
            title="Open in Metrics"
            label="Open File systems in Metrics"
          >
            <Icon name="open" />
          </Link>
        }
      >
        {(items) => (
          <>
            <UsageBars items={items.slice(0, SHOWN_MAX)} />
            {items.length > SHOWN_MAX && (
              <p class="hint">and {items.length - SHOWN_MAX} more that are less full</p>
            )}
          </>
        )}
      </Panel>
    </div>
  );
}
