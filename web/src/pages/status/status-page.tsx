/* SPDX-License-Identifier: Apache-2.0
 *
 * StatusPage - the server about itself: overview, storage, configuration, flags.
 */
import { adjust, place } from '../../state/url';
import { Tabs } from '../../ui/tabs';
import { ConfigTab } from './config-tab';
import { FlagsTab } from './flags-tab';
import { OverviewTab } from './overview-tab';
import { StorageTab } from './storage-tab';

const TABS = [
  { value: 'overview', label: 'Overview' },
  { value: 'storage', label: 'Storage' },
  { value: 'config', label: 'Configuration' },
  { value: 'flags', label: 'Flags' },
] as const;

type Tab = (typeof TABS)[number]['value'];

function readTab(params: URLSearchParams): Tab {
  return TABS.find((tab) => tab.value === params.get('tab'))?.value ?? 'overview';
}

function TabBody({ tab }: { tab: Tab }) {
  switch (tab) {
    case 'storage':
      return <StorageTab />;
    case 'config':
      return <ConfigTab />;
    case 'flags':
      return <FlagsTab />;
    default:
      return <OverviewTab />;
  }
}

export function StatusPage() {
  const tab = readTab(place.value.params);
  return (
    <div class="page">
      <Tabs<Tab>
        label="Status"
        value={tab}
        tabs={TABS}
        onChange={(next) => adjust({ tab: next === 'overview' ? null : next })}
      >
        <TabBody tab={tab} />
      </Tabs>
    </div>
  );
}
