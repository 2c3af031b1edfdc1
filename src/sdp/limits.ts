/**
 * Caps on session descriptions. A description beyond a cap is refused (SdpError); a value beyond a bound is ignored with a
 * warning, since a recording with a nonsense ptime is still a recording.
 */

export const MAX_SDP_BYTES = 65_536;
export const MAX_SDP_LINES = 1_024;
export const MAX_SDP_LINE_BYTES = 8_192;
export const MAX_MEDIA = 16;
/** Per m-line: formats, and likewise a=rtpmap lines. */
export const MAX_PAYLOAD_TYPES = 64;
/** RFC 8866 5.14: `<port>/<number of ports>`. */
export const MAX_PORT_COUNT = 16;
export const MIN_CLOCK_RATE_HZ = 1_000;
export const MAX_CLOCK_RATE_HZ = 384_000;
export const MAX_CHANNELS = 16;
export const MIN_PTIME_MS = 1;
export const MAX_PTIME_MS = 1_000;
/** a=crypto lines of an m-line that are looked at. */
export const MAX_CRYPTO_LINES = 32;
/** Keys of one a=crypto line: a lane keeps a few more than one for each stream. */
export const MAX_CRYPTO_KEYS = 8;
export const MAX_CRYPTO_PARAMETERS = 16;
/** Warnings kept per description: a hostile one must not grow the manifest. */
export const MAX_WARNINGS = 32;
