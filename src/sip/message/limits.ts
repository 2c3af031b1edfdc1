/**
 * The caps that bound what one SIP message may cost. Every byte of a message is hostile until these have been checked;
 * each cap is far above what real peers send (RFC 3261 names none but the 65,535 bytes of a UDP datagram, section 18.1.1).
 */

export const MAX_MESSAGE_BYTES = 65_536;
export const MAX_HEADER_LINES = 128;
export const MAX_LINE_BYTES = 8_192;
/** Elements of one comma-separated header value, and parameters of one element. */
export const MAX_LIST_ITEMS = 64;
export const MAX_PARAMETERS = 64;
/** Content-Length has at most this many digits; more is a malformed number, not a large body. */
export const MAX_LENGTH_DIGITS = 8;
/** RFC 3261 8.1.1.5: "The sequence number value MUST be expressible as a 32-bit unsigned integer and MUST be less than 2**31." */
export const MAX_CSEQ = 0x7fffffff;
/** RFC 3261 18.1.1: requests above this size go over a congestion controlled transport when the path MTU is unknown. */
export const DATAGRAM_REQUEST_BYTES = 1_300;
