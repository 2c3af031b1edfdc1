/** A switch with real sockets, and what is around it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { parseClientConfig } from '../../../src/client/config/index.ts';
import { RecordingClient } from '../../../src/client/recording-client.ts';
import { loadServerConfig } from '../../../src/server/config.ts';
import { RecordingServer } from '../../../src/server/recording-server.ts';
import type { CallView, SwitchEvent } from '../../../src/client/switch/call-control.ts';
import { LOOPBACK, Party } from './party.ts';
