/** Signals that ask a long-running command to stop. */

/** Resolves with the first SIGTERM or SIGINT; `again` runs with every further one. */
export function untilSignal(again: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let signalled = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (signalled) return again();
        signalled = true;
        resolve(signal);
      });
    }
  });
}
