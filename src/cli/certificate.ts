/** `doubletrack certificate`: an authority of its own and a certificate by it, for trials of SIP over TLS. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { issue, makeAuthority } from '../certificates/certificate.ts';

interface CertificateFlags {
  name: string[];
  out: string;
}

function make({ name: names, out }: CertificateFlags): void {
  const folder = path.resolve(out);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = makeAuthority();
  const { cert, key } = issue(authority, { names });
  const write = (file: string, text: string, mode: number) =>
    // An existing file is somebody's: it is not written over.
    writeFileSync(path.join(folder, file), text, { mode, flag: 'wx' });
  if (existsSync(path.join(folder, 'key.pem'))) {
    throw new Error(`${folder} has a key.pem already, which is not written over: name another folder with --out`);
  }
  write('key.pem', key, 0o600);
  write('cert.pem', cert, 0o644);
  write('ca.pem', authority.cert, 0o644);
  const at = (file: string) => path.join(folder, file);
  process.stdout.write(
    `For ${names.join(', ')}, for 89 days; the key of the authority was not kept.\n` +
      `  serve  --tls-cert ${at('cert.pem')} --tls-key ${at('key.pem')} --sip tls:0.0.0.0:5061\n` +
      `  call   --tls-ca ${at('ca.pem')} --to sips:${names[0]}\n`,
  );
}

export function register(program: Command): void {
  program
    .command('certificate')
    .description('Make an authority and a certificate by it, for trials of SIP over TLS')
    .requiredOption('--name <name...>', 'domain names, IP addresses or sip: URIs that the certificate is for')
    .option('--out <dir>', 'folder for ca.pem, cert.pem and key.pem; made if missing', 'tls')
    .action(make);
}
