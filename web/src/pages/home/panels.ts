/* SPDX-License-Identifier: Apache-2.0
 *
 * panels - what Home draws: the queries, in one table.
 *
 * Host metrics have node_exporter's names. Pharos' own have theirs, and where a Prometheus server is
 * behind this page (or the compatible names are all there is) the second half of an `or` answers.
 */
import type { Labels } from '../../api/prometheus';
import type { Unit } from '../../viz/format';

export interface PanelContext {
  /** `instance="host:9100"`, or nothing. */
  host: string;
  /** Window of rate(), as PromQL writes it. */
  window: string;
}

export interface PanelQuery {
  expr: string;
  name: string | ((labels: Labels) => string);
  slot?: number;
  isDashed?: boolean;
}

export interface ChartPanel {
  id: string;
  title: string;
  unit: Unit;
  isStacked?: boolean;
  isFilled?: boolean;
  yMax?: number;
  /** Leaves out series that never leave zero. */
  dropsZero?: boolean;
  emptyTitle: string;
  emptyText: string;
  queries: (c: PanelContext) => PanelQuery[];
}

const SLOT = {
  blue: 0,
  orange: 1,
  teal: 2,
  magenta: 3,
  olive: 4,
  violet: 5,
  red: 6,
  cyan: 7,
  brown: 8,
  slate: 9,
};

const CPU_MODE_SLOTS: Readonly<Record<string, number>> = {
  user: SLOT.blue,
  system: SLOT.orange,
  iowait: SLOT.red,
  softirq: SLOT.magenta,
  irq: SLOT.violet,
  nice: SLOT.teal,
  steal: SLOT.olive,
};

export function slotOfMode(labels: Labels): number | undefined {
  return CPU_MODE_SLOTS[labels['mode'] ?? ''];
}

const NO_HOST = 'No host metrics in this time range.';
const NO_HOST_TEXT =
  'Host metrics come from the built-in collector, or from a node_exporter that is scraped. Widen the time range, or see Targets.';
const NO_SELF = 'No own metrics in this time range.';
const NO_SELF_TEXT =
  'Pharos scrapes its own /metrics. After a start the first values take a few seconds.';

/** Disks and interfaces that only repeat what others count. */
const NO_DISKS = 'device!~"(loop|ram|dm-|md|sr|fd|zram).*"';
const NO_LINKS = 'device!~"lo|(veth|docker|br-|cali|flannel|cni|ifb|virbr).*"';

/** `name{a,b}` with only the matchers that there are. */
function select(metric: string, ...matchers: string[]): string {
  const there = matchers.filter((m) => m !== '');
  return there.length === 0 ? metric : `${metric}{${there.join(',')}}`;
}

/** All real interfaces; where there is none but loopback, that. */
function traffic(metric: string, c: PanelContext): string {
  const sum = (links: string): string => `sum(rate(${select(metric, links, c.host)}[${c.window}]))`;
  return `${sum(NO_LINKS)} or ${sum('device="lo"')}`;
}

export const HOST_PANELS: readonly ChartPanel[] = [
  {
    id: 'cpu',
    title: 'CPU by mode',
    unit: 'ratio',
    isStacked: true,
    dropsZero: true,
    emptyTitle: NO_HOST,
    emptyText: NO_HOST_TEXT,
    queries: (c) => [
      {
        expr: `avg by (mode) (rate(${select('node_cpu_seconds_total', 'mode!="idle"', c.host)}[${c.window}]))`,
        name: (labels) => labels['mode'] ?? 'all',
      },
    ],
  },
  {
    id: 'load',
    title: 'Load average',
    unit: 'none',
    emptyTitle: NO_HOST,
    emptyText: NO_HOST_TEXT,
    queries: (c) => [
      { expr: select('node_load1', c.host), name: '1 min', slot: SLOT.blue },
      { expr: select('node_load5', c.host), name: '5 min', slot: SLOT.teal },
      { expr: select('node_load15', c.host), name: '15 min', slot: SLOT.violet },
      {
        expr: `count(count by (cpu) (${select('node_cpu_seconds_total', c.host)}))`,
        name: 'CPUs',
        slot: SLOT.slate,
        isDashed: true,
      },
    ],
  },
  {
    id: 'memory',
    title: 'Memory',
    unit: 'bytes',
    isStacked: true,
    emptyTitle: NO_HOST,
    emptyText: NO_HOST_TEXT,
    queries: (c) => {
      const available = select('node_memory_MemAvailable_bytes', c.host);
      const free = select('node_memory_MemFree_bytes', c.host);
      return [
        {
          expr: `${select('node_memory_MemTotal_bytes', c.host)} - ${available}`,
          name: 'used',
          slot: SLOT.blue,
        },
        {
          expr: `clamp_min(${available} - ${free}, 0)`,
          name: 'reclaimable',
          slot: SLOT.cyan,
        },
        {
          expr: select('node_memory_MemTotal_bytes', c.host),
          name: 'total',
          slot: SLOT.slate,
          isDashed: true,
        },
      ];
    },
  },
  {
    id: 'disk',
    title: 'Disk I/O',
    unit: 'bytes/s',
    isFilled: true,
    emptyTitle: NO_HOST,
    emptyText: NO_HOST_TEXT,
    queries: (c) => [
      {
        expr: `sum(rate(${select('node_disk_read_bytes_total', NO_DISKS, c.host)}[${c.window}]))`,
        name: 'read',
        slot: SLOT.blue,
      },
      {
        expr: `sum(rate(${select('node_disk_written_bytes_total', NO_DISKS, c.host)}[${c.window}]))`,
        name: 'written',
        slot: SLOT.orange,
      },
    ],
  },
  {
    id: 'network',
    title: 'Network',
    unit: 'bytes/s',
    isFilled: true,
    emptyTitle: NO_HOST,
    emptyText: NO_HOST_TEXT,
    queries: (c) => [
      {
        expr: traffic('node_network_receive_bytes_total', c),
        name: 'received',
        slot: SLOT.teal,
      },
      {
        expr: traffic('node_network_transmit_bytes_total', c),
        name: 'sent',
        slot: SLOT.violet,
      },
    ],
  },
];

export function samplesQuery(window: string): string {
  return (
    `sum(rate(pharos_head_samples_total{outcome="stored"}[${window}]))` +
    ` or sum(rate(prometheus_tsdb_head_samples_appended_total[${window}]))`
  );
}

export const SELF_PANELS: readonly ChartPanel[] = [
  {
    id: 'samples',
    title: 'Samples appended',
    unit: 'per second',
    isFilled: true,
    emptyTitle: NO_SELF,
    emptyText: NO_SELF_TEXT,
    queries: (c) => [{ expr: samplesQuery(c.window), name: 'samples', slot: SLOT.blue }],
  },
  {
    id: 'series',
    title: 'Active series',
    unit: 'none',
    isFilled: true,
    emptyTitle: NO_SELF,
    emptyText: NO_SELF_TEXT,
    queries: () => [
      {
        expr: 'sum(pharos_head_series) or sum(prometheus_tsdb_head_series)',
        name: 'series',
        slot: SLOT.teal,
      },
    ],
  },
  {
    id: 'wal',
    title: 'Write-ahead log',
    unit: 'bytes/s',
    isFilled: true,
    emptyTitle: NO_SELF,
    emptyText: NO_SELF_TEXT,
    queries: (c) => [
      {
        expr: `sum(rate(pharos_wal_written_bytes_total[${c.window}]))`,
        name: 'written',
        slot: SLOT.orange,
      },
    ],
  },
  {
    id: 'rss',
    title: 'Memory of the server',
    unit: 'bytes',
    isFilled: true,
    emptyTitle: NO_SELF,
    emptyText: NO_SELF_TEXT,
    queries: () => [
      {
        expr: 'sum(process_resident_memory_bytes and on (instance, job) {__name__=~"(pharos|prometheus)_build_info"})',
        name: 'resident',
        slot: SLOT.violet,
      },
    ],
  },
  {
    id: 'scrape-duration',
    title: 'Scrape duration',
    unit: 'seconds',
    emptyTitle: 'No scrapes in this time range.',
    emptyText: 'Targets says what is configured and how each scrape went.',
    queries: () => [
      {
        expr: 'max by (job) (scrape_duration_seconds)',
        name: (labels) => labels['job'] ?? 'all',
      },
    ],
  },
  {
    id: 'up',
    title: 'Targets',
    unit: 'none',
    emptyTitle: 'No scrapes in this time range.',
    emptyText: 'Targets says what is configured and how each scrape went.',
    queries: () => [
      { expr: 'sum(up)', name: 'up', slot: SLOT.teal },
      { expr: 'count(up)', name: 'all', slot: SLOT.slate, isDashed: true },
    ],
  },
];

/** File systems that hold no data of a person. */
const NO_DATA_FS =
  'fstype!~"tmpfs|devtmpfs|ramfs|squashfs|proc|sysfs|cgroup2?|nsfs|rpc_pipefs|autofs|fuse.lxcfs|iso9660"';

export function filesystemQueries(c: PanelContext): { size: string; available: string } {
  return {
    size: select('node_filesystem_size_bytes', NO_DATA_FS, c.host),
    available: select('node_filesystem_avail_bytes', NO_DATA_FS, c.host),
  };
}

/** Window of rate(): at least four scrapes, and never shorter than a step plus one. */
export function rateWindowMs(stepMs: number, scrapeMs: number): number {
  return Math.max(4 * scrapeMs, stepMs + scrapeMs, 30_000);
}
