/**
 * @babblevoice/projectrtp as a peer: installed from the npm registry into a folder of its own for the time of the benchmark, or from the
 * folder that PROJECTRTP names (its native part wants libraries that not every distribution has).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ADDRESS, type ForwardContender, MEDIA_PORTS, SOURCE_PORT } from '../system/contender.ts';
import { beside, Remote } from '../system/remote.ts';
import { openForwarder } from './clear-forwarder.ts';
import type { ProjectRtpSetup } from './project-rtp-process.ts';

const PACKAGE = '@babblevoice/projectrtp';
const INSTALL_WITHIN_MS = 120_000;

/** It makes a certificate in the home folder when it is loaded: another one, then. */
function homeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-projectrtp-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Its binary is loaded with the first use, and does not let the process end. @returns why it does not run here, or null. */
function tryOut(folder: string, home: string): string | null {
  const ports = JSON.stringify({ start: MEDIA_PORTS.lo, end: MEDIA_PORTS.hi });
  const script = `require(${JSON.stringify(folder)}).projectrtp.run({ ports: ${ports} }); process.kill(process.pid, 'SIGKILL');`;
  const { signal, stderr } = spawnSync(process.execPath, ['-e', script], {
    env: { ...process.env, HOME: home },
    cwd: folder,
    encoding: 'utf8',
  });
  return signal === 'SIGKILL' ? null : (stderr.match(/^Error: .*/m)?.[0] ?? 'it does not run');
}

/** @returns where it is, or why it is not. */
function install(home: string): { folder: string } | { reason: string } {
  if (process.env.PROJECTRTP) return { folder: path.resolve(process.env.PROJECTRTP) };
  const npm = ['install', '--no-audit', '--no-fund', '--prefix', home, PACKAGE];
  const { status, error } = spawnSync('npm', npm, { timeout: INSTALL_WITHIN_MS, stdio: 'ignore' });
  if (status !== 0) return { reason: `npm install fails${error ? `: ${error.message}` : ''}` };
  return { folder: path.join(home, 'node_modules', PACKAGE) };
}

export interface Installed {
  contender: ForwardContender;
  version: string;
}

/** @returns the contender, or a sentence on why there is none. */
export function installProjectRtp(): Installed | string {
  const home = homeFolder();
  const installed = install(home);
  const fault = 'reason' in installed ? installed.reason : tryOut(installed.folder, home);
  if (fault !== null || !('folder' in installed)) return `${PACKAGE} is not installable here: ${fault}`;
  const { folder } = installed;
  const manifest = createRequire(import.meta.url)(path.join(folder, 'package.json')) as { version: string };
  return { contender: contenderOf(folder, home), version: manifest.version };
}

function contenderOf(folder: string, home: string): ForwardContender {
  return {
    name: 'projectrtp',
    hasSrtp: false,
    mostSinks: 1,
    mostStreams: 500,
    async open(setup) {
      const remote = Remote.start(beside(import.meta.url, './project-rtp-process'), setup.core, {
        environment: { HOME: home },
      });
      const asked: ProjectRtpSetup = {
        ...{ folder, address: ADDRESS, ports: MEDIA_PORTS, streams: setup.streams, sourcePort: SOURCE_PORT },
        sinkPort: setup.sinkPorts[0]!,
      };
      return openForwarder(remote, asked, setup);
    },
  };
}
