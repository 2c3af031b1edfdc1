/** A real HTTP server on loopback over a catalogue in memory and objects in a temporary folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createMetrics } from '../../src/http/metrics.ts';
import { createHttpServer, listenHttp } from '../../src/http/server.ts';
import type { ControlAction, SessionControl, SessionView } from '../../src/http/session-control.ts';
import { FolderObjects } from '../../src/store/objects.ts';
import { SqliteCatalogue } from '../../src/store/sqlite-catalogue.ts';

export class TestSessions implements SessionControl {
  running: SessionView[] = [];
  result: 'ok' | 'not-found' | 'conflict' | Error = 'ok';
  readonly calls: Array<[string, ControlAction, { actor: string; reason: string }]> = [];

  list(): SessionView[] {
    return this.running;
  }

  async control(id: string, action: ControlAction, by: { actor: string; reason: string }) {
    this.calls.push([id, action, by]);
    if (this.result instanceof Error) throw this.result;
    return this.result;
  }
}

export interface TestServer {
  url: string;
  port: number;
  folder: string;
  catalogue: SqliteCatalogue;
  objects: FolderObjects;
  sessions: TestSessions;
  app: ReturnType<typeof createHttpServer>;
  setReady(ready: boolean): void;
  get(target: string, headers?: Record<string, string>, method?: string): Promise<Response>;
  post(target: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

export async function startServer(): Promise<TestServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'doubletrack-http-'));
  const catalogue = new SqliteCatalogue(':memory:');
  const objects = new FolderObjects(folder);
  const sessions = new TestSessions();
  let ready = true;
  const metrics = createMetrics({ sessionsActive: () => sessions.running.length }).registry;
  const app = createHttpServer({
    catalogue,
    objects,
    sessions,
    metrics,
    health: { ready: () => ready },
    version: '1.2.3',
  });
  const port = await listenHttp(app, { host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    folder,
    catalogue,
    objects,
    sessions,
    app,
    setReady: (value) => {
      ready = value;
    },
    get: (target, headers = {}, method = 'GET') => fetch(url + target, { method, headers }),
    post: (target, body, headers = { 'content-type': 'application/json' }) =>
      fetch(url + target, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) }),
    close: async () => {
      await app.close();
      catalogue.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Sends bytes as they are, for what no HTTP client would send. @returns everything answered until the end. */
export function sendRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

/** 16-bit PCM WAV of frames given as one array per channel. */
export function wavFile(channels: number[][], sampleRateHz = 8000, extraChunk = Buffer.alloc(0)): Buffer {
  const frames = channels[0]?.length ?? 0;
  const data = Buffer.alloc(frames * channels.length * 2);
  for (let frame = 0; frame < frames; frame++) {
    channels.forEach((samples, channel) => {
      data.writeInt16LE(samples[frame]!, (frame * channels.length + channel) * 2);
    });
  }
  const header = Buffer.alloc(36);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + extraChunk.length + data.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels.length, 22);
  header.writeUInt32LE(sampleRateHz, 24);
  header.writeUInt32LE(sampleRateHz * channels.length * 2, 28);
  header.writeUInt16LE(channels.length * 2, 32);
  header.writeUInt16LE(16, 34);
  const dataHeader = Buffer.alloc(8);
  dataHeader.write('data', 0, 'latin1');
  dataHeader.writeUInt32LE(data.length, 4);
  return Buffer.concat([header, extraChunk, dataHeader, data]);
}
