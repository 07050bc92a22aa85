/* SPDX-License-Identifier: Apache-2.0
 *
 * Panel - a box that shows one resource. At any moment it is in exactly one state: loading, data,
 * partial, empty or error (also in its data-state attribute); it is never blank.
 */
import type { ComponentChildren } from 'preact';
import type { ApiError, Notice } from '../api/http';
import type { Resource } from '../state/resource';
import { Button } from './button';
import { Elapsed, Empty, ErrorBlock, Notices, Waiting } from './states';

export type PanelState = 'loading' | 'data' | 'partial' | 'empty' | 'error';

interface PanelProps<T> {
  title: ComponentChildren;
  /** Level of the title as a heading; none when the title is a row of controls. */
  heading?: 2 | 3 | 'none';
  label: string;
  resource: Resource<T>;
  /** The key wanted now; data of another key are shown dimmed. */
  dataKey: string;
  actions?: ComponentChildren;
  noticesOf?: (data: T) => readonly Notice[];
  /** What to say when there is nothing; null when there is something. */
  emptyOf?: (data: T) => ComponentChildren | null;
  /** More about an error, under the server's words. */
  detailOf?: (error: ApiError) => ComponentChildren;
  height?: number;
  class?: string;
  children: (data: T) => ComponentChildren;
}

interface Face {
  state: PanelState;
  body: ComponentChildren;
}

function faceOf<T>(props: PanelProps<T>): Face {
  const { resource, dataKey } = props;
  const { data, error } = resource;
  if (error !== null && (data === null || resource.dataKey !== dataKey)) {
    const detail = props.detailOf?.(error);
    const body = <ErrorBlock error={error} onRetry={resource.retry} detail={detail} />;
    return { state: 'error', body };
  }
  if (data === null) {
    if (resource.isCancelled) {
      const body = (
        <Empty title="Cancelled.">
          <Button icon="refresh" onClick={resource.retry}>
            Ask again
          </Button>
        </Empty>
      );
      return { state: 'empty', body };
    }
    const body = <Waiting startedAt={resource.startedAt} onCancel={resource.cancel} />;
    return { state: 'loading', body };
  }
  const notices = [...(props.noticesOf?.(data) ?? [])];
  if (error !== null) {
    notices.unshift({ kind: 'warning', text: `The last refresh failed: ${error.message}` });
  }
  const nothing = props.emptyOf?.(data) ?? null;
  const state = nothing !== null ? 'empty' : notices.length > 0 ? 'partial' : 'data';
  const body = (
    <>
      <Notices notices={notices} />
      {nothing ?? props.children(data)}
    </>
  );
  return { state, body };
}

interface TitleProps {
  level: 2 | 3 | 'none';
  children: ComponentChildren;
}

function Title({ level, children }: TitleProps) {
  if (level === 2) return <h2 class="panel-title">{children}</h2>;
  if (level === 3) return <h3 class="panel-title">{children}</h3>;
  return <div class="panel-title is-controls">{children}</div>;
}

export function Panel<T>(props: PanelProps<T>) {
  const { resource } = props;
  const { state, body } = faceOf(props);
  const isStale =
    resource.data !== null && resource.dataKey !== props.dataKey && !resource.isCancelled;
  const isLow = props.height === undefined || state === 'error';
  const style = isLow ? {} : { minHeight: `${props.height}px` };
  return (
    <section
      class={`panel ${props.class ?? ''}`}
      aria-label={props.label}
      aria-busy={resource.isLoading}
      data-state={state}
    >
      <header class="panel-head">
        <Title level={props.heading ?? 2}>{props.title}</Title>
        {state !== 'loading' && resource.isLoading && (
          <Elapsed startedAt={resource.startedAt} onCancel={resource.cancel} />
        )}
        {props.actions !== undefined && <div class="panel-actions">{props.actions}</div>}
      </header>
      <div class={isStale ? 'panel-body is-stale' : 'panel-body'} style={style}>
        {body}
      </div>
    </section>
  );
}
