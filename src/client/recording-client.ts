/**
 * The recording client, put together: the switch in front, the media server behind it, recorders found by the resource manager, HTTP and the CTI
 * link on top.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type LaneEvent, MediaEngine } from '../media/index.ts';
import { ServiceLookups, SipEndpoint } from '../sip/index.ts';
import { type ClientConfig, reloadOf } from './config/index.ts';
import { CtiServer } from './cti/index.ts';
import { ClientHttp } from './http/index.ts';
import { Anchor } from './media-server/anchor.ts';
import { RecordingDecisions } from './policy/index.ts';
import { optionsProbe, ResourceManager, srvResolver } from './resource-manager/index.ts';
import { Controls } from './switch/controls.ts';
import { Registrar } from './switch/registrar.ts';
import { Supervision } from './switch/supervision.ts';
import { Switch } from './switch/switch.ts';

const DRAIN_LOOK_MS = 100;
const ALLOW = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'UPDATE', 'INFO', 'PRACK', 'REGISTER', 'REFER', 'NOTIFY'];
