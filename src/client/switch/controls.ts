/** What HTTP and the CTI link do to the switch's calls: by name, with errors that say what to do instead. */
import type { RecorderView } from './call-control.ts';
import {
  type CallControl,
  CallNotFound,
  type CallView,
  type ControlRequest,
  type RecordingSessionView,
  type RegistrationView,
  type StartRequest,
  type SwitchEvent,
} from './call-control.ts';
import type { Guests } from './guests.ts';
import type { Switch } from './switch.ts';

export class Controls implements CallControl {
  readonly #switch: Switch;
  readonly #recorders: () => RecorderView[];
  readonly #guests: Guests;

  constructor(theSwitch: Switch, guests: Guests, recorders: () => RecorderView[]) {
    this.#switch = theSwitch;
    this.#guests = guests;
    this.#recorders = recorders;
  }

  calls(): CallView[] {
    return [...this.#switch.conversations].map((call) => call.callView());
  }

  call(id: string): CallView | null {
    try {
      return this.#switch.find(id).callView();
    } catch (error) {
      if (error instanceof CallNotFound) return null;
      throw error;
    }
  }

  callsOf(dn: string): CallView[] {
    return this.#switch.callsOf(dn);
  }

  async startRecording(call: string, request: StartRequest): Promise<RecordingSessionView[]> {
    return await this.#switch.recording.start(this.#switch.find(call), request);
  }

  async stopRecording(call: string, request: ControlRequest): Promise<void> {
    await this.#switch.recording.stop(this.#switch.find(call), request);
  }

  async pauseRecording(call: string, request: ControlRequest): Promise<void> {
    await this.#switch.recording.pause(this.#switch.find(call), request);
  }

  async resumeRecording(call: string, request: ControlRequest): Promise<void> {
    await this.#switch.recording.resume(this.#switch.find(call), request);
  }

  attach(call: string, data: Record<string, string | null>): void {
    this.#switch.attach(call, data);
  }

  async hangUp(call: string, reason: string): Promise<void> {
    this.#switch.find(call).end(reason);
  }

  registrations(): RegistrationView[] {
    return this.#switch.registrations();
  }

  recorders(): RecorderView[] {
    return this.#recorders();
  }

  async addParty(call: string, number: string): Promise<string> {
    return await this.#guests.invite(this.#switch.find(call), number);
  }

  async supervise(options: Parameters<CallControl['supervise']>[0]): Promise<string> {
    return await this.#guests.supervise(options);
  }

  on(listener: (event: SwitchEvent) => void): () => void {
    return this.#switch.on(listener);
  }
}
