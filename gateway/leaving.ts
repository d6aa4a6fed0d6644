import type { ServerResponse } from 'node:http';
import type { Signal } from './engine/index.ts';

// Clients leave before they have their answers, and what they asked for is dropped then.

/** What stops the work for a request: an AbortController, or as much of one as is needed. */
export interface Stopping {
  readonly signal: Signal;
  abort(): void;
}

/** Stops one request, or one stream. An AbortController costs as much as parsing the request, for an event that is rare. */
export class Leaving implements Stopping, Signal {
  readonly signal = this;
  aborted = false;
  private listeners: Set<() => void> | undefined;

  addEventListener(_type: 'abort', listener: () => void): void {
    this.listeners ??= new Set();
    this.listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.listeners?.delete(listener);
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of this.listeners ?? []) listener();
    this.listeners = undefined;
  }
}

/** Aborts when the client leaves before it has its answer. */
export function abortOnLeaving(response: ServerResponse, stopping: Stopping): void {
  const leave = () => {
    if (!response.writableFinished) stopping.abort();
  };
  if (response.destroyed) leave();
  else response.once('close', leave);
}

/** Stops a part of the work for a client; so does the client's leaving. */
export function stopping(left: Signal): Leaving {
  const stop = new Leaving();
  const leave = () => stop.abort();
  if (left.aborted) leave();
  left.addEventListener('abort', leave);
  stop.signal.addEventListener('abort', () => left.removeEventListener('abort', leave));
  return stop;
}

/** Resolves after a time, or when nobody waits any more. */
export function pause(ms: number, signal?: Signal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}
