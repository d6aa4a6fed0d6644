import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import { fiveProcesses, type Handle, oneProcess, type Running } from './processes.ts';

// The two forms that every journey goes through. Each is started once a run, by the first file that asks for it, and
// belongs to vitest's own process, so that all files share it.

declare module 'vitest' {
  interface ProvidedContext {
    /** Where test files ask for a form. */
    forms: string;
  }
}

export const forms = { 'one process': oneProcess, 'five processes': fiveProcesses };

/** Vitest's global setup: starts a form when it is first asked for, stops what was started at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = new Map<string, Promise<Running>>();
  const server = createServer(async (request, response) => {
    const form = decodeURIComponent(request.url?.slice(1) ?? '') as keyof typeof forms;
    try {
      let running = started.get(form);
      if (running === undefined) {
        running = forms[form]();
        started.set(form, running);
      }
      const { endpoint, demo } = await running;
      response.end(JSON.stringify({ endpoint, demo } satisfies Handle));
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('forms', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.close();
    const stopping = [...started.values()].map(async (running) => (await running).stop());
    // What fails here fails the whole run: a log of it held a secret.
    for (const stopped of await Promise.allSettled(stopping))
      if (stopped.status === 'rejected') throw stopped.reason;
  };
}
