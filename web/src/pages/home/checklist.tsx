/* SPDX-License-Identifier: Apache-2.0
 *
 * Checklist - the first steps of a newcomer; each ticks itself when its data arrive.
 */
import { useState } from 'preact/hooks';
import { isChecklistHidden } from '../../state/settings';
import { Button } from '../../ui/button';
import { Snippet } from '../../ui/copy';
import { Icon } from '../../ui/icon';
import { hasOwnTargets, type Facts } from './facts';

interface Step {
  id: string;
  title: string;
  isDone: boolean;
  text: string;
  snippets: ReadonlyArray<{ label: string; text: string }>;
}

const SCRAPE_SNIPPET = `# pharos.yml: an existing prometheus.yml works unchanged
scrape_configs:
  - job_name: my-app
    scrape_interval: 15s
    static_configs:
      - targets: ["localhost:8080"]
`;

function stepsOf(facts: Facts): Step[] {
  const base = new URL('.', document.baseURI).href;
  const writeSnippet = `# in the prometheus.yml (or agent) that sends
remote_write:
  - url: ${base}api/v1/write
`;
  const askSnippet = `curl -sG ${base}api/v1/query --data-urlencode 'query=up'
`;
  return [
    {
      id: 'host',
      title: 'This host is measured',
      isDone: facts.hosts.length > 0,
      text: 'CPU, memory, disks, file systems and network of this machine, under the names that node_exporter uses. On by default.',
      snippets: [
        {
          label: 'Ask for them',
          text: `curl -sG ${base}api/v1/query --data-urlencode 'query=node_load1'\n`,
        },
      ],
    },
    {
      id: 'self',
      title: 'Pharos watches itself',
      isDone: facts.hasSelf,
      text: 'Its own metrics are scraped like those of any target, so the graphs below also show when the server itself is in trouble.',
      snippets: [{ label: 'Look at them', text: `curl -s ${base}metrics | head -40\n` }],
    },
    {
      id: 'scrape',
      title: 'Scrape your application',
      isDone: hasOwnTargets(facts.targets),
      text: 'Anything that serves Prometheus or OpenMetrics text. Write the file, start Pharos with it, and the target appears under Targets within one interval.',
      snippets: [
        { label: 'Scrape configuration', text: SCRAPE_SNIPPET },
        { label: 'Start with it', text: 'pharos --config.file=pharos.yml\n' },
      ],
    },
    {
      id: 'write',
      title: 'Receive remote write',
      isDone: facts.hasRemoteWrite,
      text: 'Any Prometheus, agent or collector that speaks remote write 1.0 can send here; nothing needs to be switched on.',
      snippets: [
        { label: 'Sender configuration', text: writeSnippet },
        { label: 'See what arrived', text: askSnippet },
      ],
    },
  ];
}

function StepBody({ step }: { step: Step }) {
  return (
    <div class="step-body" id="step-body">
      <p>{step.text}</p>
      <div class="step-snippets">
        {step.snippets.map((s) => (
          <Snippet key={s.label} text={s.text} label={s.label} />
        ))}
      </div>
    </div>
  );
}

export function Checklist({ facts }: { facts: Facts }) {
  const steps = stepsOf(facts);
  const doneCount = steps.filter((s) => s.isDone).length;
  const [openId, setOpenId] = useState('');
  if (isChecklistHidden.value) return null;
  const open = steps.find((s) => s.id === openId);
  return (
    <section class="panel checklist" aria-label="First steps" data-state="data">
      <div class="checklist-row">
        <h2>
          First steps{' '}
          <span class="count">
            {doneCount} of {steps.length}
          </span>
        </h2>
        <ol>
          {steps.map((step) => (
            <li key={step.id}>
              <button
                type="button"
                class={step.isDone ? 'step is-done' : 'step'}
                aria-expanded={step.id === openId}
                onClick={() => setOpenId(step.id === openId ? '' : step.id)}
              >
                <Icon name={step.isDone ? 'check' : 'pending'} />
                {step.title}
                <span class="off-screen">{step.isDone ? ', done' : ', to do'}</span>
                <Icon name="down" size={12} />
              </button>
            </li>
          ))}
        </ol>
        <Button
          kind="quiet"
          title="Hide the first steps; the menu at the end of the page brings them back"
          onClick={() => {
            isChecklistHidden.value = true;
          }}
        >
          Hide
        </Button>
      </div>
      {open !== undefined && <StepBody step={open} />}
    </section>
  );
}

export function ChecklistRestore() {
  if (!isChecklistHidden.value) return null;
  return (
    <p class="page-foot">
      <Button
        kind="quiet"
        icon="list"
        onClick={() => {
          isChecklistHidden.value = false;
          window.scrollTo(0, 0);
        }}
      >
        Show the first steps
      </Button>
    </p>
  );
}
