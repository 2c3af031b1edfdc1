/**
 * Processes of a benchmark, each on a core of its own choosing, called over Node's channel: `serve` in the child, `Remote` in the parent.
 * Calls are rare (set-up, start, results); nothing passes here per packet.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

type Handlers = Record<string, (argument: never) => unknown>;

interface Request {
  id: number;
  method: string;
  argument: unknown;
}

interface Response {
  id: number;
  result?: unknown;
  error?: string;
}

export interface RemoteOptions {
  environment?: Record<string, string>;
  nodeFlags?: string[];
}

/** In the child: answers calls until the parent goes. Every argument and result is structured data. */
export function serve(handlers: Handlers): void {
  const answer = async ({ id, method, argument }: Request): Promise<void> => {
    try {
      const result = await handlers[method]!(argument as never);
      process.send!({ id, result } satisfies Response);
    } catch (error) {
      process.send!({ id, error: error instanceof Error ? error.message : String(error) } satisfies Response);
    }
  };
  process.on('message', (request: Request) => void answer(request));
  process.on('disconnect', () => process.exit());
}

/** Name of a module beside the caller's, as source or built. */
export function beside(url: string, module: string): URL {
  return new URL(url.endsWith('.ts') ? `${module}.ts` : `${module}.js`, url);
}

export class Remote {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #calls = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (response: Response) => {
      const waiting = this.#waiting.get(response.id);
      this.#waiting.delete(response.id);
      if (response.error === undefined) waiting?.resolve(response.result);
      else waiting?.reject(new Error(response.error));
    });
    child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the process ended with ${code ?? signal}`));
      this.#waiting.clear();
    });
  }

  /** @param core null: wherever it likes. */
  static start(module: URL, core: string | null, { environment = {}, nodeFlags = [] }: RemoteOptions = {}): Remote {
    const node = [process.execPath, '--no-warnings', '--expose-gc', ...nodeFlags, module.pathname];
    const [command, ...args] = core === null ? node : ['taskset', '-c', core, ...node];
    const child = spawn(command!, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, ...environment },
    });
    return new Remote(child);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  call<Result>(method: string, argument?: unknown): Promise<Result> {
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#child.send({ id, method, argument } satisfies Request, (error) => {
        if (error) reject(error);
      });
    });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
