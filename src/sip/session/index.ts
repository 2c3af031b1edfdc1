/** The session layer: INVITE sessions in both roles over dialogs and transactions, and the user agent that holds them. */
export { IncomingInvite } from './incoming-invite.ts';
export { type AnsweredInvite, OutgoingInvite } from './outgoing-invite.ts';
export { OutsideRequest } from './outside-request.ts';
export { type SessionState, SipSession } from './session.ts';
export * from './types.ts';
export { UserAgent, type UserAgentHandlers } from './user-agent.ts';
