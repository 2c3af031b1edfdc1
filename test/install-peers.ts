/**
 * Installs the real peers that the interoperability tests talk to, where that is possible (Debian and root).
 * Elsewhere those tests say what is missing and count as skipped.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';

/** By command, or by a file (a pattern) where a package brings none. */
const PEERS: Record<string, string> = {
  sipp: 'sip-tester',
  ffmpeg: 'ffmpeg',
  tshark: 'tshark',
  dumpcap: 'wireshark-common',
  openssl: 'openssl',
  xmllint: 'libxml2-utils',
  baresip: 'baresip-core',
  rtpengine: 'rtpengine-daemon',
  cc: 'gcc',
  '/usr/include/stdio.h': 'libc6-dev',
  '/usr/include/srtp2/srtp.h': 'libsrtp2-dev',
  'gst-launch-1.0': 'gstreamer1.0-tools',
  '/usr/lib/*/gstreamer-1.0/libgstaudiotestsrc.so': 'gstreamer1.0-plugins-base',
  '/usr/lib/*/gstreamer-1.0/libgstudp.so': 'gstreamer1.0-plugins-good',
  '/usr/lib/*/gstreamer-1.0/libgstsrtp.so': 'gstreamer1.0-plugins-bad',
};

function isInstalled(peer: string): boolean {
  if (peer.startsWith('/')) return globSync(peer).length > 0;
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(`${folder}/${peer}`, constants.X_OK);
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

const missing = Object.entries(PEERS).filter(([peer]) => !isInstalled(peer));
if (missing.length > 0) {
  const packages = missing.map(([, name]) => name);
  const able = process.getuid?.() === 0 && isInstalled('apt-get');
  const done = able && apt(['update', '-q']) && apt(['install', '-q', '-y', '--no-install-recommends', ...packages]);
  if (!done) {
    process.stderr.write(`Peers missing: install ${packages.join(', ')} to run every test.\n`);
    if (process.env.CI) process.exitCode = 1;
  }
}
