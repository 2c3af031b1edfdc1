/**
 * Debian's baresip (1.0) as a phone: a process with a configuration of its own, driven over its remote control. It speaks from a
 * WAV file and hears into nothing; what it has sent and got is read from a capture of the loopback.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, globSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { within } from '../recorder.ts';
import { CtrlTcp, type PhoneEvent } from './ctrl-tcp.ts';

const MODULES = globSync('/usr/{lib,lib64,lib/*}/baresip/modules/g711.so').map((file) => path.dirname(file))[0];
const isInstalled = MODULES !== undefined && spawnSync('baresip', ['-h']).error === undefined;
/** For a test's `skip`. */
export const withoutBaresip = isInstalled ? false : 'baresip is not installed: apt-get install baresip-core';

const STARTS_WITHIN_MS = 15_000;
const WAIT_MS = 10_000;
const ENDS_WITHIN_MS = 3_000;
const REGISTERS_EVERY_SEC = 120;
const LOG_TAIL_LINES = 40;
/** SIP (and over TLS the next), remote control, and pairs for the media of four calls. */
export const PORTS_PER_PHONE = 12;
const CONTROL = 2;
const FIRST_MEDIA = 4;

export interface PhoneOptions {
  dn: string;
  /** Without spaces and semicolons: baresip ends it there. */
  password: string;
  /** Host and port. */
  registrar: string;
  /** The first of {@link PORTS_PER_PHONE}. */
  port: number;
  /** 16-bit mono WAV at the rate of the codec; longer than the call, for baresip hangs up at its end. */
  audioFile: string;
  srtp?: 'off' | 'sdes';
  /** `PCMU`, `PCMA`, `G722/16000` */
  codecs?: string[];
  answerMode?: 'auto' | 'manual';
  transport?: 'udp' | 'tcp';
}

/** A call as baresip lists it. */
export interface ListedCall {
  line: number;
  isCurrent: boolean;
  state: string;
  isOnHold: boolean;
  peer: string;
}

export class Phone {
  readonly dn: string;
  /** Where it can be called directly. */
  readonly uri: string;
  readonly sipPort: number;
  /** Both inclusive. */
  readonly mediaPorts: { lo: number; hi: number };
  /** All so far. */
  readonly events: PhoneEvent[] = [];
  readonly #options: PhoneOptions;
  readonly #home: string;
  readonly #child: ChildProcess;
  readonly #control: CtrlTcp;
  #onEvent = () => {};
  /** Events before this one have been waited for. */
  #seen = 0;

  private constructor(options: PhoneOptions, home: string, child: ChildProcess, control: CtrlTcp) {
    this.dn = options.dn;
    this.sipPort = options.port;
    this.uri = `sip:${options.dn}@127.0.0.1:${options.port}`;
    this.mediaPorts = mediaPortsOf(options);
    this.#options = options;
    this.#home = home;
    this.#child = child;
    this.#control = control;
    control.onEvent = (event) => {
      this.events.push(event);
      this.#onEvent();
    };
  }

  /** It has no account yet: {@link register} it, or {@link standAlone}. */
  static async start(options: PhoneOptions): Promise<Phone> {
    const home = mkdtempSync(path.join(tmpdir(), 'doubletrack-phone-'));
    writeFileSync(path.join(home, 'config'), configOf(options));
    for (const file of ['accounts', 'contacts', 'current_contact']) writeFileSync(path.join(home, file), '');
    const log = openSync(path.join(home, 'log'), 'w');
    const child = spawn('baresip', ['-f', home, '-s'], { stdio: ['ignore', log, log] });
    closeSync(log);
    try {
      const control = await CtrlTcp.connect(options.port + CONTROL, STARTS_WITHIN_MS);
      return new Phone(options, home, child, control);
    } catch (error) {
      child.kill('SIGKILL');
      throw new Error(`${(error as Error).message}\n${tailOf(home)}`);
    }
  }

  async register(): Promise<void> {
    await this.tryToRegister();
    await this.event('REGISTER_OK');
  }

  /** Wait for REGISTER_OK or REGISTER_FAIL. */
  async tryToRegister(): Promise<void> {
    await this.#control.command('uanew', this.#account(REGISTERS_EVERY_SEC));
  }

  /** Takes and makes calls without a registrar. */
  async standAlone(): Promise<void> {
    await this.#control.command('uanew', this.#account(0));
  }

  /**
   * The next event of a type that was not waited for yet; those before it are passed over.
   * @throws with the phone's log when it does not come in time
   */
  async event(type: string, waitMs = WAIT_MS): Promise<PhoneEvent> {
    const found = new Promise<PhoneEvent>((resolve) => {
      this.#onEvent = () => {
        for (; this.#seen < this.events.length; ) {
          const event = this.events[this.#seen++]!;
          if (event.type === type) return resolve(event);
        }
      };
      this.#onEvent();
    });
    try {
      return await within(waitMs, `${type} of phone ${this.dn}`, found);
    } catch (error) {
      const types = this.events.map((event) => event.type).join(', ');
      throw new Error(`${(error as Error).message}; events were ${types || 'none'}\n${this.logTail()}`);
    } finally {
      this.#onEvent = () => {};
    }
  }

  /** Whether it rings or is answered is another matter: wait for CALL_RINGING, CALL_ESTABLISHED or CALL_CLOSED. */
  async dial(to: string): Promise<void> {
    await this.#control.command('dial', to);
  }

  /** Holds what it was talking to before. */
  async answer(): Promise<void> {
    await this.#control.command('accept');
  }

  async hangUp(): Promise<void> {
    await this.#control.command('hangup');
  }

  async hold(): Promise<void> {
    await this.#control.command('hold');
  }

  async resume(): Promise<void> {
    await this.#control.command('resume');
  }

  /** On and off by turns: sends zeros. */
  async mute(): Promise<void> {
    await this.#control.command('mute');
  }

  /** Blind transfer of the current call. */
  async transfer(to: string): Promise<void> {
    await this.#control.command('transfer', to);
  }

  /** Attended transfer (RFC 3891): the peer of the current call is told to take the place of this phone in another one. */
  async transferTo({ uri, callId, toTag, fromTag }: ReplacedDialog): Promise<void> {
    const replaces = encodeURIComponent(`${callId};to-tag=${toTag};from-tag=${fromTag}`);
    await this.#control.command('transfer', `<${uri}?Replaces=${replaces}>`);
  }

  /** Makes the call of a line the current one. */
  async line(number: number): Promise<void> {
    await this.#control.command('line', String(number));
  }

  async calls(): Promise<ListedCall[]> {
    const text = await this.#control.command('listcalls');
    return text.split('\n').flatMap((line) => {
      const found = /^(>| ) \[line (\d+)[^\]]*\]\s+\S+\s+(\S+)\s+(\(on hold\))?\s*(\S+)/.exec(line);
      if (found === null) return [];
      const [, current, number, state, hold, peer] = found as unknown as string[];
      return [
        { line: Number(number), isCurrent: current === '>', state: state!, isOnHold: hold !== undefined, peer: peer! },
      ];
    });
  }

  async rawCommand(command: string, params?: string): Promise<string> {
    return await this.#control.command(command, params);
  }

  logTail(): string {
    return tailOf(this.#home);
  }

  /** Its calls end with it. */
  async stop(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      try {
        await within(ENDS_WITHIN_MS, 'baresip to end', exited);
      } catch {
        this.#child.kill('SIGKILL');
        await exited;
      }
    }
    this.#control.close();
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** It vanishes, as from the net. */
  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  #account(regintSec: number): string {
    const { dn, password, registrar, srtp = 'off', codecs = ['PCMU'], answerMode = 'auto' } = this.#options;
    const { transport = 'udp' } = this.#options;
    return [
      `<sip:${dn}@${registrar};transport=${transport}>`,
      `auth_user=${dn}`,
      `auth_pass=${password}`,
      `regint=${regintSec}`,
      `answermode=${answerMode}`,
      `audio_codecs=${codecs.join(',')}`,
      'mwi=no',
      ...(srtp === 'sdes' ? ['mediaenc=srtp-mand'] : []),
    ].join(';');
  }
}

/** A dialog of this phone, from its own side. */
export interface ReplacedDialog {
  /** Whom it is with. */
  uri: string;
  callId: string;
  toTag: string;
  fromTag: string;
}

function mediaPortsOf({ port }: PhoneOptions): { lo: number; hi: number } {
  return { lo: port + FIRST_MEDIA, hi: port + PORTS_PER_PHONE - 1 };
}

function configOf(options: PhoneOptions): string {
  const { lo, hi } = mediaPortsOf(options);
  const modules = ['g711', 'g722', 'aufile', ...(options.srtp === 'sdes' ? ['srtp'] : [])];
  const lines = [
    `sip_listen 127.0.0.1:${options.port}`,
    'net_interface 127.0.0.1',
    'dns_server 127.0.0.1:9',
    `ctrl_tcp_listen 127.0.0.1:${options.port + CONTROL}`,
    `audio_source aufile,${options.audioFile}`,
    `audio_alert aufile,${options.audioFile}`,
    `rtp_ports ${lo}-${hi}`,
    'call_max_calls 4',
    'menu_bell no',
    'statmode_default off',
    `module_path ${MODULES}`,
    ...modules.map((one) => `module ${one}.so`),
    'module_tmp account.so',
    'module_app menu.so',
    'module_app ctrl_tcp.so',
  ];
  return `${lines.join('\n')}\n`;
}

function tailOf(home: string): string {
  const lines = readFileSync(path.join(home, 'log'), 'utf8').split(/\r?\n|\r/);
  return lines.slice(-LOG_TAIL_LINES).join('\n');
}
