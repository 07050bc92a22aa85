/* SPDX-License-Identifier: Apache-2.0
 *
 * App - rail, top bar, the page of the present place, and the keys that work everywhere.
 */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Home } from '../pages/home/home';
import { QueryPage } from '../pages/query/query-page';
import { StatusPage } from '../pages/status/status-page';
import { TargetsPage } from '../pages/targets/targets-page';
import { now, pageDefaults, range, refreshNow, setRange } from '../state/clock';
import { liveRange, scaleRange, shiftRange } from '../state/time';
import { go, place, replacePlace, sharedParams } from '../state/url';
import { copyText } from '../ui/copy';
import { Empty } from '../ui/states';
import { Link } from '../ui/link';
import { Banner } from './banner';
import { Help } from './help';
import { PAGES, pageOf, redirectOf, type PageInfo } from './pages';
import { Rail } from './rail';
import { absoluteHref } from './share';
import { useShortcuts, type Shortcut } from './shortcuts';
import { TopBar } from './top-bar';

function focusFirst(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus();
}

function moveRow(direction: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-nav-row]')];
  const index = rows.findIndex((row) => row === document.activeElement);
  const next = rows[index < 0 ? 0 : index + direction];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

function globalShortcuts(
  page: PageInfo | null,
  open: (what: 'help' | 'picker') => void,
): Shortcut[] {
  const time: Shortcut[] = [
    { keys: 't', text: 'choose the time range', run: () => open('picker') },
    {
      keys: '[',
      text: 'back by half a range',
      run: () => setRange(shiftRange(range.value, -0.5, now())),
    },
    {
      keys: ']',
      text: 'forward by half a range',
      run: () => setRange(shiftRange(range.value, 0.5, now())),
    },
    { keys: '-', text: 'zoom out', run: () => setRange(scaleRange(range.value, 2, now())) },
    { keys: '=', text: 'zoom in', run: () => setRange(scaleRange(range.value, 0.5, now())) },
    { keys: '.', text: 'back to now', run: () => setRange(liveRange(range.value, now())) },
  ];
  return [
    ...PAGES.map((p) => ({
      keys: `g ${p.shortcut}`,
      text: `go to ${p.title}`,
      run: () => go(p.path, sharedParams()),
    })),
    { keys: 'r', text: 'refresh', run: refreshNow },
    { keys: '/', text: 'focus the filter', run: () => focusFirst('[data-filter]') },
    { keys: 'e', text: 'focus the query', run: () => focusFirst('[data-query]') },
    ...(page?.hasTimeRange === true ? time : []),
    { keys: 'j', text: 'next row', run: () => moveRow(1) },
    { keys: 'k', text: 'previous row', run: () => moveRow(-1) },
    {
      keys: 'y',
      text: 'copy a link with absolute times',
      run: () => void copyText(absoluteHref()),
    },
    { keys: '?', text: 'this list', run: () => open('help') },
  ];
}

function NotFound() {
  return (
    <section class="panel" aria-label="Not found" data-state="empty">
      <Empty title="There is no page here." icon="search">
        <p>
          <code>{place.value.path}</code> is not an address of this version.{' '}
          <Link path="/" params={sharedParams()}>
            Go to the home page
          </Link>
        </p>
      </Empty>
    </section>
  );
}

function PageBody({ page }: { page: PageInfo | null }) {
  switch (page?.id) {
    case 'home':
      return <Home />;
    case 'query':
      return <QueryPage />;
    case 'targets':
      return <TargetsPage />;
    case 'status':
      return <StatusPage />;
    default:
      return <NotFound />;
  }
}

export function App() {
  const at = place.value;
  const redirect = redirectOf(at);
  const page = redirect === null ? pageOf(at.path) : pageOf(redirect.path);
  const [isHelpOpen, setIsHelpOpen] = useState(false);
  const [isPickerOpen, setIsPickerOpen] = useState(false);
  const main = useRef<HTMLElement>(null);

  useLayoutEffect(() => {
    if (redirect !== null) replacePlace(redirect.path, redirect.params);
  });
  /* The defaults must be those of the page before its first request is made. */
  useMemo(() => {
    if (page !== null) pageDefaults.value = page.defaults;
  }, [page]);
  useEffect(() => {
    document.title = page === null ? 'Pharos' : `${page.title} · Pharos`;
  }, [page]);

  const open = (what: 'help' | 'picker'): void => {
    if (what === 'help') setIsHelpOpen(true);
    else setIsPickerOpen(true);
  };
  useShortcuts(globalShortcuts(page, open));

  return (
    <div class="shell">
      <button type="button" class="skip-link" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <Rail current={page?.id ?? null} />
      <div class="shell-main">
        <TopBar
          page={page}
          isPickerOpen={isPickerOpen}
          onPicker={setIsPickerOpen}
          onHelp={() => setIsHelpOpen(true)}
        />
        <Banner />
        <main ref={main} tabIndex={-1}>
          {redirect === null && <PageBody key={page?.id} page={page} />}
        </main>
      </div>
      {isHelpOpen && <Help onClose={() => setIsHelpOpen(false)} />}
    </div>
  );
}
