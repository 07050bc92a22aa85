/* SPDX-License-Identifier: Apache-2.0
 *
 * client - what completion asks the server, with a short memory and an upper bound on each answer.
 */
import type { Matcher } from '@prometheus-io/codemirror-promql/dist/esm/types';
import type { PrometheusClient } from '@prometheus-io/codemirror-promql/dist/esm/client/prometheus';
import { EqlRegex, Neq, NeqRegex } from '@prometheus-io/lezer-promql';
import * as api from '../../api/prometheus';
import type { Answer } from '../../api/http';

const KEEP_MS = 60_000;
const LOOKBACK_MS = 12 * 3_600_000;
const LIMIT = '10000';

type Metadata = Record<string, api.MetricMetadata[]>;

function selectorOf(metric: string, matchers: readonly Matcher[], without?: string): string {
  const parts = matchers
    .filter((m) => m.name !== without && m.value !== '' && m.name !== '__name__')
    .map((m) => `${m.name}${operatorOf(m)}${JSON.stringify(m.value)}`);
  if (metric === '' && parts.length === 0) return '';
  return `${metric}{${parts.join(',')}}`;
}

/** A matcher carries the grammar's token id for its operator. */
function operatorOf(matcher: Matcher): string {
  switch (matcher.type) {
    case EqlRegex:
      return '=~';
    case NeqRegex:
      return '!~';
    case Neq:
      return '!=';
    default:
      return '=';
  }
}

export class CompletionClient implements PrometheusClient {
  private readonly memory = new Map<string, { at: number; answer: Promise<unknown> }>();
  private readonly abort = new AbortController();

  destroy(): void {
    this.abort.abort();
  }

  /** Completion without an answer is completion without names: never an error on the screen. */
  private remember<T>(key: string, fallback: T, ask: () => Promise<Answer<T>>): Promise<T> {
    const known = this.memory.get(key);
    if (known !== undefined && Date.now() - known.at < KEEP_MS) return known.answer as Promise<T>;
    const answer = ask()
      .then((a) => a.data)
      .catch(() => {
        this.memory.delete(key);
        return fallback;
      });
    this.memory.set(key, { at: Date.now(), answer });
    return answer;
  }

  private params(selector: string): Array<[string, string]> {
    const now = Date.now();
    const params: Array<[string, string]> = [
      ['start', api.seconds(now - LOOKBACK_MS)],
      ['end', api.seconds(now)],
      ['limit', LIMIT],
    ];
    if (selector !== '') params.push(['match[]', selector]);
    return params;
  }

  labelNames(metric = ''): Promise<string[]> {
    const selector = selectorOf(metric, []);
    return this.remember(`names ${selector}`, [], () =>
      api.labelNames(this.params(selector), this.abort.signal),
    );
  }

  labelValues(label: string, metric = '', matchers: Matcher[] = []): Promise<string[]> {
    const selector = selectorOf(metric, matchers, label);
    return this.remember(`values ${label} ${selector}`, [], () =>
      api.labelValues(label, this.params(selector), this.abort.signal),
    );
  }

  metricMetadata(): Promise<Metadata> {
    return this.remember<Metadata>('metadata', {}, () => api.metadata(this.abort.signal));
  }

  async series(
    metric: string,
    matchers: Matcher[] = [],
    label = '',
  ): Promise<Map<string, string>[]> {
    const selector = selectorOf(metric, matchers, label);
    if (selector === '') return [];
    const sets = await this.remember<api.Labels[]>(`series ${selector}`, [], () =>
      api.series(this.params(selector), this.abort.signal),
    );
    return sets.map((labels) => new Map(Object.entries(labels)));
  }

  metricNames(): Promise<string[]> {
    return this.labelValues('__name__');
  }

  flags(): Promise<Record<string, string>> {
    return this.remember<Record<string, string>>('flags', {}, () => api.flags(this.abort.signal));
  }
}
