/** The CTI link's model: T-Lib's requests and events as JSON, without any transport. */
export { BackOff } from './back-off.ts';
export { CtiError, type CtiErrorName, ERROR_CODES } from './errors.ts';
export { MAX_EVENT_BYTES, readEvent } from './event-reader.ts';
export {
  type Acknowledgement,
  CALL_EVENTS,
  type CallEvent,
  type CtiEvent,
  callEvent,
  type ErrorEvent,
  errorEvent,
  type LinkConnected,
  type PartyInfo,
  type PrivateMessages,
  partyInfos,
} from './events.ts';
export type { CtiCall, CtiHappening, CtiParty, CtiRecording } from './happening.ts';
export { LinkClient, type LinkOutput, type UnreferencedRequest } from './link-client.ts';
export {
  callUuidOf,
  GSIP_REC_FN,
  GSIP_RECORD,
  RESERVED_KEYS,
  type RecordState,
  recordState,
  recordUserData,
} from './record-user-data.ts';
export { type LoggedEvent, ReplayLog, type ReplayLogOptions } from './replay-log.ts';
export { RequestRate, type RequestRateOptions } from './request-rate.ts';
export {
  type CallReference,
  type CtiRequest,
  MAX_ADDRESSES,
  MAX_MESSAGE_BYTES,
  type PrivateService,
  REQUESTS,
  readRequest,
} from './requests.ts';
export { Subscriptions } from './subscriptions.ts';
