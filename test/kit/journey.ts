import { beforeAll, describe, inject } from 'vitest';
import type { forms } from './forms.ts';
import type { Handle } from './processes.ts';

type Form = keyof typeof forms;

/** A journey, told once and gone twice: with everything in one process, and with five. */
export function inBothForms(name: string, tests: (laurel: () => Handle) => void): void {
  describe.each<Form>(['one process', 'five processes'])(`${name}, in %s`, (form) => {
    let handle: Handle;
    beforeAll(async () => {
      handle = await running(form);
    }, 120_000);
    tests(() => handle);
  });
}

/** The shared form by its name; the first who asks waits for its start. */
export async function running(form: Form): Promise<Handle> {
  const answer = await fetch(`${inject('forms')}/${encodeURIComponent(form)}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as Handle;
}
