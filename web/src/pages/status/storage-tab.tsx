/* SPDX-License-Identifier: Apache-2.0
 *
 * StorageTab - the head of the metrics storage, and what its series are made of.
 */
import { tsdbStatus, type NamedValue, type TsdbStatus } from '../../api/prometheus';
import { isUtc, tick } from '../../state/clock';
import { useResource } from '../../state/resource';
import { sharedParams } from '../../state/url';
import { Link } from '../../ui/link';
import { Panel } from '../../ui/panel';
import { Empty } from '../../ui/states';
import { formatAge, formatBytes, formatCount, formatTimeWithOffset } from '../../viz/format';
import { FactsTable } from './facts-table';

const ROWS = 15;

interface RankProps {
  title: string;
  items: readonly NamedValue[];
  format?: (value: number) => string;
  linkOf?: (name: string) => string;
}

function Rank({ title, items, format = formatCount, linkOf }: RankProps) {
  const most = items[0]?.value ?? 0;
  return (
    <section class="panel" aria-label={title} data-state={items.length > 0 ? 'data' : 'empty'}>
      <header class="panel-head">
        <h2 class="panel-title">{title}</h2>
      </header>
      <div class="panel-body">
        {items.length === 0 ? (
          <Empty title="Nothing yet." />
        ) : (
          <ul class="rank">
            {items.map((item) => (
              <li key={item.name}>
                <span
                  class="rank-fill"
                  aria-hidden="true"
                  style={{ width: `${most > 0 ? (item.value / most) * 100 : 0}%` }}
                />
                <span class="rank-name" title={item.name}>
                  {linkOf === undefined ? (
                    item.name
                  ) : (
                    <Link path="/query" params={sharedParams({ expr: linkOf(item.name) })}>
                      {item.name}
                    </Link>
                  )}
                </span>
                <span class="rank-value">{format(item.value)}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function matcherOf(pair: string): string {
  const at = pair.indexOf('=');
  return `count by (__name__) ({${pair.slice(0, at)}=${JSON.stringify(pair.slice(at + 1))}})`;
}

function Head({ head }: { head: TsdbStatus['headStats'] }) {
  const isEmpty = head.numSeries === 0;
  const time = (ms: number): string => (isEmpty ? '–' : formatTimeWithOffset(ms, isUtc.value));
  return (
    <FactsTable
      facts={[
        { name: 'Active series', value: formatCount(head.numSeries) },
        { name: 'Label pairs', value: formatCount(head.numLabelPairs) },
        { name: 'Chunks', value: formatCount(head.chunkCount) },
        { name: 'Oldest sample', value: time(head.minTime) },
        {
          name: 'Newest sample',
          value: time(head.maxTime),
          ...(isEmpty ? {} : { note: `a span of ${formatAge(head.maxTime - head.minTime)}` }),
        },
      ]}
    />
  );
}

export function StorageTab() {
  const resource = useResource(
    'tsdb',
    tick.value,
    async (signal) => (await tsdbStatus(ROWS, signal)).data,
  );
  const { data } = resource;
  return (
    <>
      <Panel
        title="Head: newest data, in memory"
        label="Head"
        resource={resource}
        dataKey="tsdb"
        height={140}
      >
        {(d) => <Head head={d.headStats} />}
      </Panel>
      {data !== null && (
        <div class="columns">
          <Rank
            title="Metrics with most series"
            items={data.seriesCountByMetricName ?? []}
            linkOf={(name) =>
              /^[a-zA-Z_:][\w:]*$/.test(name) ? name : `{${JSON.stringify(name)}}`
            }
          />
          <Rank title="Labels with most values" items={data.labelValueCountByLabelName ?? []} />
          <Rank
            title="Label pairs with most series"
            items={data.seriesCountByLabelValuePair ?? []}
            linkOf={matcherOf}
          />
          <Rank
            title="Memory of label values"
            items={data.memoryInBytesByLabelName ?? []}
            format={(v) => formatBytes(v, 3)}
          />
        </div>
      )}
    </>
  );
}
