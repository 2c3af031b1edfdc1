/**
 * Installs the real peers that the interoperability tests talk to, where that is possible (Debian and root).
 * Elsewhere those tests say what is missing and count as skipped.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';

const PEERS: Record<string, string> = { sipp: 'sip-tester', ffmpeg: 'ffmpeg', tshark: 'tshark' };

function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(`${folder}/${command}`, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function apt(args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
}

const missing = Object.entries(PEERS).filter(([command]) => !isInstalled(command));
if (missing.length > 0) {
  const packages = missing.map(([, name]) => name);
  const able = process.getuid?.() === 0 && isInstalled('apt-get');
  const done = able && apt(['update', '-q']) && apt(['install', '-q', '-y', '--no-install-recommends', ...packages]);
  if (!done) {
    process.stderr.write(`Peers missing: install ${packages.join(', ')} to run every test.\n`);
    if (process.env.CI) process.exitCode = 1;
  }
}
