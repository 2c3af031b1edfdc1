/** SIPREC (RFC 7866 bodies, RFC 7865 metadata) and its relatives, for recording servers and clients. Pure: no I/O, no clock. */
export { buildSiprecBody } from './body.ts';
export { type HeaderValue, parseHeaderValue } from './content-type.ts';
export {
  type CallFacts,
  CTI_NAMESPACE,
  callExtension,
  type PartyFacts,
  partyExtension,
  readCallExtension,
  readPartyExtension,
} from './cti-extension.ts';
export { type GenesysInfo, genesysInfo } from './genesys.ts';
export {
  type InviteInterpretation,
  type InviteKind,
  type InviteParts,
  interpretInvite,
  type RecordingBodies,
  type Refusal,
  readBodies,
} from './invite.ts';
export { type MediaPlanOptions, type PlannedMedia, planMedia } from './media-plan.ts';
export {
  emptyMetadata,
  idKey,
  METADATA_CONTENT_TYPE,
  RECORDING_NAMESPACE,
  type RsGroup,
  type RsMetadata,
  type RsNameId,
  type RsParticipant,
  type RsParticipantSession,
  type RsParticipantStreams,
  type RsSession,
  type RsSessionRecording,
  type RsStream,
} from './metadata.ts';
export { type ParsedMetadata, parseMetadata } from './metadata-read.ts';
export { applyMetadata } from './metadata-update.ts';
export {
  buildMetadata,
  METADATA_DISPOSITION,
  parseSnapshotRequest,
  requestSnapshot,
  SNAPSHOT_REQUEST_CONTENT_TYPE,
  snapshotRequestContentType,
} from './metadata-write.ts';
export {
  type BodyPart,
  buildMultipart,
  MAX_BODY_PARTS,
  type NewBodyPart,
  splitMultipart,
  type TypedBody,
} from './multipart.ts';
export type { RecordingPairing } from './other-clients.ts';
export { type PlacedParticipant, type Placement, participantsByLabel } from './participants.ts';
export {
  formatRecorderLoad,
  parseRecorderLoad,
  RECORDER_LOAD_HEADER,
  RECORDER_STATES,
  type RecorderLoad,
  type RecorderState,
} from './recorder-load.ts';
export { escapeXml } from './xml.ts';
