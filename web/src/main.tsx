/* SPDX-License-Identifier: Apache-2.0 */
import '@preact/signals';
import { render } from 'preact';
import './styles/base.css';
import './styles/shell.css';
import './styles/controls.css';
import './styles/panels.css';
import './styles/pages.css';
import { App } from './shell/app';
import { startShortcuts } from './shell/shortcuts';
import { startClock } from './state/clock';

const root = document.getElementById('app');
if (root !== null) {
  startClock();
  startShortcuts();
  render(<App />, root);
}
