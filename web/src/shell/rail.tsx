/* SPDX-License-Identifier: Apache-2.0
 *
 * Rail - the pages, at the left edge.
 */
import { isRailNarrow } from '../state/settings';
import { sharedParams } from '../state/url';
import { IconButton } from '../ui/button';
import { Icon } from '../ui/icon';
import { Link } from '../ui/link';
import { PAGES, type PageId, type PageInfo } from './pages';

function Item({ page, current }: { page: PageInfo; current: PageId | null }) {
  return (
    <li>
      <Link
        path={page.path}
        params={sharedParams()}
        class="rail-link"
        title={page.title}
        isCurrent={page.id === current}
      >
        <Icon name={page.icon} size={18} />
        <span class="rail-text">{page.title}</span>
      </Link>
    </li>
  );
}

export function Rail({ current }: { current: PageId | null }) {
  const isNarrow = isRailNarrow.value;
  return (
    <nav class={isNarrow ? 'rail is-narrow' : 'rail'} aria-label="Pages">
      <div class="rail-inner">
        <Link path="/" params={sharedParams()} class="brand" label="Pharos, home page">
          <Icon name="pharos" size={26} />
          <span class="rail-text">Pharos</span>
        </Link>
        <ul>
          {PAGES.filter((p) => p.group === 'explore').map((page) => (
            <Item key={page.id} page={page} current={current} />
          ))}
        </ul>
        <p class="rail-group rail-text">System</p>
        <ul>
          {PAGES.filter((p) => p.group === 'system').map((page) => (
            <Item key={page.id} page={page} current={current} />
          ))}
        </ul>
        <div class="rail-foot">
          <IconButton
            icon="rail"
            label={isNarrow ? 'Widen the menu' : 'Narrow the menu'}
            onClick={() => {
              isRailNarrow.value = !isNarrow;
            }}
          />
        </div>
      </div>
    </nav>
  );
}
