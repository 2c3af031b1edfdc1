/**
 * The ABI between TypeScript and WebAssembly: the only place where an offset, a size, a limit or a status code is written.
 * Nothing but `export const NAME = <integer expression>`; `asc` and `tsc` both read it.
 */

// --- journal format: blocks of records, little endian (see src/journal/format.ts) ---

export const BLOCK_MAGIC = 0x31425444; // 'DTB1'
export const BLOCK_HEADER_BYTES = 64;
export const BLOCK_MAGIC_AT = 0;
export const BLOCK_BYTES_AT = 4;
export const BLOCK_CRC_AT = 8;
export const BLOCK_RECORD_COUNT_AT = 12;
export const BLOCK_RECORDING_ID_AT = 16;
export const BLOCK_SEQ_AT = 32;
export const BLOCK_MONO_US_AT = 40;
export const BLOCK_WALL_US_AT = 48;
export const BLOCK_LANE_AT = 56;

export const RECORD_HEADER_BYTES = 24;
export const RECORD_PAYLOAD_BYTES_AT = 0;
export const RECORD_STREAM_AT = 4;
export const RECORD_KIND_AT = 6;
export const RECORD_FLAGS_AT = 7;
export const RECORD_EXT_SEQ_AT = 8;
export const RECORD_EPOCH_AT = 12;
export const RECORD_ARRIVAL_US_AT = 16;

export const KIND_RTP = 1;
export const KIND_RTCP = 2;
export const KIND_NOTE = 3;
export const KIND_DUPLICATE = 4;
export const KIND_PAUSED = 5;
export const KIND_DROPPED = 6;

/** `stream` of a record that belongs to the recording as a whole. */
export const NO_STREAM = 0xffff;

// --- limits ---

export const MAX_RECORDINGS = 2048;
export const MAX_STREAMS = 4096;
export const BATCH_PACKETS = 256;
/**
 * Room for one datagram: 60 ms of 48 kHz stereo L16 on a path without an MTU, what is longer is refused as invalid. SRTP writes a
 * little before a packet and pads behind it. Not a multiple of 4096, or all slots would share the same few lines of the cache.
 */
export const SLOT_BYTES = 16704;
export const SLOT_HEADROOM_BYTES = 32;
export const SLOT_SLACK_BYTES = 224;
export const MAX_DATAGRAM_BYTES = SLOT_BYTES - SLOT_HEADROOM_BYTES - SLOT_SLACK_BYTES;
/** Length of a datagram that is longer: no packet has it. */
export const CUT_BYTES = 1;
/** Records wait here for the next flush: more than a second of 30,000 packets/s. */
export const STAGING_BYTES = 8388608;
/** Duplicates are recognised this far back, and a packet is late rather than of a new source this far back. */
export const WINDOW_PACKETS = 1024;
/** A jump of the sequence number beyond this is a new epoch unless the timestamps say otherwise (RFC 3550 A.1). */
export const MAX_DROPOUT_PACKETS = 3000;
/** An epoch that was left is returned to within this time only. */
export const OTHER_EPOCH_MAX_AGE_US = 5000000;

// --- lane memory ---

export const CRC_TABLE_AT = 1024;
export const CRC_TABLE_BYTES = 8192;

export const LANE_AT = 9216;
export const LANE_BYTES = 256;
export const LANE_ID_AT = 0;
export const LANE_STAGED_BYTES_AT = 4;
export const LANE_DIRTY_HEAD_AT = 8;
export const LANE_DIRTY_TAIL_AT = 12;
export const LANE_BLOCK_SEQ_AT = 16;
/** Packet counters of the lane, u64 each. */
export const LANE_RECEIVED_AT = 32;
export const LANE_DUPLICATE_AT = 40;
export const LANE_PAUSED_AT = 48;
export const LANE_INVALID_AT = 56;
export const LANE_UNAUTHORISED_AT = 64;
export const LANE_DROPPED_AT = 72;
export const LANE_RTCP_AT = 80;
export const LANE_UNAUTHENTICATED_AT = 88;
/** What the worker tells of itself: f64 each. */
export const LANE_JOURNAL_QUEUED_BYTES_AT = 128;
export const LANE_JOURNAL_WRITTEN_BYTES_AT = 136;
export const LANE_JOURNAL_LAG_MS_AT = 144;
export const LANE_LOOP_LOAD_AT = 152;
export const LANE_TICK_P99_MS_AT = 160;
/** Replication goes on with this packet of the batch, and this sink of its stream (number + 1; 0: the first). */
export const LANE_REPLICATE_PACKET_AT = 168;
export const LANE_REPLICATE_SINK_AT = 172;
/** Counts up when a stream has learned where its packets come from, or hears another port. */
export const LANE_SOURCE_CHANGES_AT = 176;
/** The queue of the sinks that get packets of look-back rings, by number + 1, and how many of them the round at hand has still to serve. */
export const LANE_REPLAY_HEAD_AT = 208;
export const LANE_REPLAY_TAIL_AT = 212;
export const LANE_REPLAY_SINKS_AT = 216;
export const LANE_REPLAY_LEFT_AT = 220;
/** Chunks of look-back rings: a chain of free ones (number + 1), how many were ever taken, how many are taken now. */
export const LANE_FREE_CHUNK_AT = 224;
export const LANE_TOUCHED_CHUNKS_AT = 228;
export const LANE_TAKEN_CHUNKS_AT = 232;
/** Packets that have left a ring before their time, for there was no chunk left. */
export const LANE_LOOK_BACK_SHORT_AT = 236;

// --- SRTP: the same addresses in a lane and in the memory of the library (see src/media/srtp.ts) ---

/**
 * Tables and masks that the kernels load: written once per memory. AES: 16 bytes each (see assembly/srtp/aes-tables.ts), then
 * permutations by round number modulo 4, then what counter mode needs.
 */
export const AES_CONSTANTS_AT = 10240;
export const AES_CONSTANTS_BYTES = 1024;
export const AES_LOW_NIBBLE_AT = 10240;
export const AES_INVERSE_AT = 10256;
export const AES_QUOTIENT_AT = 10272;
export const AES_BASIS_LOW_AT = 10288;
export const AES_BASIS_HIGH_AT = 10304;
export const AES_SBOX_U_AT = 10320;
export const AES_SBOX_T_AT = 10336;
export const AES_SBOX_TWICE_U_AT = 10352;
export const AES_SBOX_TWICE_T_AT = 10368;
export const AES_SBOX_LAST_U_AT = 10384;
export const AES_SBOX_LAST_T_AT = 10400;
/** Column rotations by one and by three rows, 32 bytes per round. */
export const AES_ROTATIONS_AT = 10416;
/** ShiftRows to the power of the round, and its inverse: 16 bytes per round each. */
export const AES_SHIFT_ROWS_AT = 10544;
export const AES_UNSHIFT_ROWS_AT = 10608;
/** Low four bits of the counter for 16 counters, and their high four bits for 16 windows (16 bytes each), in the basis. */
export const AES_COUNTERS_AT = 10672;
export const AES_COUNTER_WINDOWS_AT = 10688;
/** Byte 15 everywhere; masks of the bytes that do not depend on the counter in rounds 1 and 2. */
export const AES_LAST_BYTE_AT = 10944;
export const AES_FIXED_1_AT = 10960;
export const AES_FIXED_2_AT = 10976;
/** Where round 1 puts the counter's byte; where round 2 puts those, once and twice. */
export const AES_SPREAD_1_AT = 10992;
export const AES_SPREAD_ONCE_AT = 11008;
export const AES_SPREAD_TWICE_AT = 11024;
/** Gathers of bytes 4q to 4q + 3 for the first, second, and last two rows: 48 bytes for each q. */
export const AES_GATHERS_AT = 11040;
export const SHA1_CONSTANTS_AT = 12288;
export const SHA1_CONSTANTS_BYTES = 512;
/** The four K of FIPS 180-4 section 4.2.1, each in four lanes. */
export const SHA1_K_AT = SHA1_CONSTANTS_AT;
/** Swizzle that turns the bytes of four words round. */
export const SHA1_BYTE_ORDER_AT = SHA1_CONSTANTS_AT + 64;
/** Words 5 to 15 of the block that the outer hash of HMAC takes, each in four lanes. */
export const SHA1_OUTER_PADDING_AT = SHA1_CONSTANTS_AT + 80;
export const GHASH_CONSTANTS_AT = 12800;
export const GHASH_CONSTANTS_BYTES = 512;
/** Where the kernels keep what does not fit into registers; nothing in it outlives a call. */
/** Key schedules are made here; and what counters change in round 2, once and twice, 4 bytes per counter of a window. */
export const AES_SCRATCH_AT = 13312;
export const AES_SCRATCH_BYTES = 1024;
export const AES_SCHEDULE_AT = 13312;
export const AES_DELTAS_ONCE_AT = 13568;
export const AES_DELTAS_TWICE_AT = 13632;
/** What round 1 makes of the counters of a window. */
export const AES_WINDOW_AT = 13696;
/** Round keys for 14 rounds, then what round 1 makes of the first 16 counters. */
export const ROUND_KEYS_BYTES = 240;
export const AES_KEY_BYTES = 304;
export const SHA1_SCRATCH_AT = 14336;
export const SHA1_SCRATCH_BYTES = 1536;
/** The message schedule: 80 words, or 80 times four. */
export const SHA1_SCHEDULE_AT = SHA1_SCRATCH_AT;
/** The five words of the hash value, or five times four. */
export const SHA1_HASH_AT = SHA1_SCRATCH_AT + 1280;
/** One block, and 16 bytes of slack. */
export const SHA1_BLOCK_AT = SHA1_SCRATCH_AT + 1360;
export const GHASH_SCRATCH_AT = 15872;
export const GHASH_SCRATCH_BYTES = 512;

/** Hash state of one HMAC key: the inner five words, and the outer ones 32 bytes further on. */
export const SHA1_STATE_BYTES = 32;
/** Multiples of H to H^4 for one GHASH key. */
export const GHASH_TABLES_BYTES = 2048;

/** Session keys of one master key: twice those of a cipher, for RTP and for RTCP (see assembly/srtp/keys.ts). */
export const CIPHER_SALT_AT = AES_KEY_BYTES;
export const CIPHER_HMAC_AT = 320;
/** Where the GHASH tables lie: apart, for most keys have none, and those that have should share pages. */
export const CIPHER_GHASH_AT = 376;
export const CIPHER_BYTES = 384;
export const MAX_MKI_BYTES = 128;
export const SRTP_KEY_NEXT_AT = 0;
export const SRTP_KEY_MKI_AT = 16;
export const SRTP_KEY_RTP_AT = 192;
export const SRTP_KEY_RTCP_AT = SRTP_KEY_RTP_AT + CIPHER_BYTES;
export const SRTP_KEY_BYTES = SRTP_KEY_RTCP_AT + CIPHER_BYTES;
/** GHASH tables of a key, of RTP and of RTCP. */
export const SRTP_KEY_TABLES_BYTES = 2 * GHASH_TABLES_BYTES;

/** One direction of an SRTP session. */
export const CONTEXT_CIPHER_AT = 0;
export const CONTEXT_ROUNDS_AT = 4;
export const CONTEXT_RTP_TAG_BYTES_AT = 8;
export const CONTEXT_RTCP_TAG_BYTES_AT = 12;
export const CONTEXT_MKI_BYTES_AT = 16;
/** First key, by address; the others follow it. */
export const CONTEXT_KEY_AT = 20;
/** 1: SRTCP is encrypted. */
export const CONTEXT_RTCP_ENCRYPTED_AT = 24;
/** 1: a source may begin again at a ROC of 0 once. */
export const CONTEXT_ROC_RESET_AT = 28;
/** Packets whose ROC was not the expected one and was found. */
export const CONTEXT_ROC_FOUND_AT = 32;
/** What is left of the tries of this second, when it began, and where the search for the ROC of an unknown source goes on. */
export const CONTEXT_TRIES_LEFT_AT = 36;
export const CONTEXT_TRIES_SINCE_US_AT = 40;
export const CONTEXT_NEXT_ROC_AT = 48;
/** Counts up, to tell which source was heard last. */
export const CONTEXT_CLOCK_AT = 52;
/** SRTCP index of a sender's first packet. */
export const CONTEXT_FIRST_RTCP_INDEX_AT = 56;
/** First of the keys before the last change, which packets under way may still have. */
export const CONTEXT_PREVIOUS_KEY_AT = 60;
export const CONTEXT_SOURCES_AT = 64;
/** SSRCs that a context keeps apart; a receiver forgets the one not heard for longest. */
export const SRTP_SOURCES = 4;
export const SOURCE_SSRC_AT = 0;
export const SOURCE_FLAGS_AT = 4;
export const SOURCE_HEARD_AT = 8;
/** Highest SRTCP index. */
export const SOURCE_RTCP_INDEX_AT = 12;
/** Highest packet index (48 bits: ROC, then sequence number). */
export const SOURCE_INDEX_AT = 16;
export const SOURCE_RTCP_WINDOW_AT = 32;
export const RTCP_WINDOW_PACKETS = 128;
export const SOURCE_WINDOW_AT = 48;
/** As far back as duplicates are told from new packets: what RTP would take, SRTP must not refuse. */
export const SRTP_WINDOW_PACKETS = WINDOW_PACKETS;
export const SOURCE_BYTES = SOURCE_WINDOW_AT + SRTP_WINDOW_PACKETS / 8;
export const CONTEXT_BYTES = CONTEXT_SOURCES_AT + SRTP_SOURCES * SOURCE_BYTES;

export const SOURCE_KNOWN = 1;
export const SOURCE_SENT_RTP = 2;
export const SOURCE_SENT_RTCP = 4;

export const CIPHER_NULL = 0;
export const CIPHER_AES_CM = 1;
export const CIPHER_AES_GCM = 2;

/** Tries to find a ROC that was not the expected one: per context and second, ahead of a known source, and for an unknown one. */
export const ROC_TRIES_PER_SECOND = 64;
export const ROC_TRIES_AHEAD = 8;
export const ROC_TRIES_UNKNOWN = 256;

/** So many packets go through all phases together: they and their keys stay in the processor's nearest cache. */
export const SRTP_CHUNK_PACKETS = 16;

/** Packets to protect or unprotect: what is to be done, what came of it, and what is kept between the phases. */
export const WORK_AT = 16384;
export const WORK_BYTES = 80;
export const WORK_CONTEXT_AT = 0;
export const WORK_PACKET_AT = 4;
/** Of the packet as it is, afterwards of what became of it. */
export const WORK_LENGTH_AT = 8;
/** CHANNEL_RTP or CHANNEL_RTCP. */
export const WORK_CHANNEL_AT = 12;
export const WORK_STATUS_AT = 16;
/** 1: authenticate, but do not decrypt. */
export const WORK_SEALED_AT = 20;
export const WORK_KEY_AT = 24;
/** ROC of RTP, index word of RTCP. */
export const WORK_ROC_AT = 28;
/** Where the encrypted part begins, and where it and the authenticated part end. */
export const WORK_TEXT_AT = 32;
export const WORK_END_AT = 34;
/** Blocks of the padded message, for HMAC-SHA1. */
export const WORK_BLOCKS_AT = 36;
/** The tag of the packet, and the one that it should have (of GCM: before it is hidden). */
export const WORK_TAG_AT = 48;
export const WORK_MAC_AT = 64;

/** Plaintext of GCM until the tag has verified, and associated data that does not lie in one block. */
export const SRTP_PLAIN_AT = 36864;
export const SRTP_PLAIN_BYTES = 16896;
/** HMAC tags of four packets, 32 bytes each. */
export const SRTP_TAGS_AT = 53760;
export const SRTP_TAGS_BYTES = 128;
/** Keys are derived here: the schedule of the master key, and what comes of it. */
export const SRTP_MASTER_AT = 53888;
export const SRTP_DERIVED_AT = 54144;
export const SRTP_DERIVED_BYTES = 64;
/** When the batch is worked on, for the bounds of tries. */
export const SRTP_NOW_US_AT = 54208;
/** 16 bytes of ones, then 16 zeros: read from 16 - n on, the mask of the first n bytes. */
export const SRTP_MASKS_AT = 54224;
export const SRTP_MASKS_BYTES = 32;

export const SRTP_OK = 0;
export const SRTP_INVALID = 1;
export const SRTP_UNAUTHENTICATED = 2;
export const SRTP_REPLAYED = 3;
export const SRTP_KEY_EXHAUSTED = 4;
/** A sender has as many SSRCs as a context keeps apart: forgetting one would use its key stream again. */
export const SRTP_TOO_MANY_SOURCES = 5;
export const SRTP_PENDING = 6;

export const RECORDINGS_AT = 65536;
export const RECORDING_BYTES = 48;
export const RECORDING_ID_AT = 0;
export const RECORDING_PAUSED_AT = 16;
export const RECORDING_HEAD_AT = 20;
export const RECORDING_TAIL_AT = 24;
export const RECORDING_COUNT_AT = 28;
export const RECORDING_STAGED_BYTES_AT = 32;
export const RECORDING_NEXT_DIRTY_AT = 36;
/** 1: nothing of it goes into the journal. */
export const RECORDING_UNRECORDED_AT = 40;
/** 1: its streams keep nothing for sinks that are yet to come. */
export const RECORDING_LOOK_BACK_PAUSED_AT = 44;

export const STREAMS_AT = RECORDINGS_AT + MAX_RECORDINGS * RECORDING_BYTES;
export const STREAM_BYTES = 792;
export const STREAM_FLAGS_AT = 0;
export const STREAM_RECORDING_AT = 4;
export const STREAM_INDEX_AT = 8;
export const STREAM_CLOCK_RATE_AT = 12;
/** The present epoch: one SSRC, between two restarts. These fields move as one when an epoch is left or returned to. */
export const STREAM_EPOCH_STATE_AT = 16;
export const STREAM_EPOCH_STATE_BYTES = 64;
export const STREAM_SSRC_AT = 16;
export const STREAM_EPOCH_AT = 20;
export const STREAM_BASE_SEQ_AT = 24;
export const STREAM_MAX_SEQ_AT = 28;
export const STREAM_RECEIVED_AT = 32;
/** Interarrival jitter times 16, in RTP units (RFC 3550 A.8). */
export const STREAM_JITTER_AT = 36;
export const STREAM_TRANSIT_AT = 40;
export const STREAM_MAX_TIMESTAMP_AT = 44;
export const STREAM_EXPECTED_PRIOR_AT = 48;
export const STREAM_RECEIVED_PRIOR_AT = 52;
/** Middle 32 bits of the last sender report's NTP time, and when it came. */
export const STREAM_LAST_SR_AT = 56;
/** 1 when STREAM_TRANSIT_AT holds the transit of a packet. */
export const STREAM_HAS_TRANSIT_AT = 60;
export const STREAM_LAST_SR_US_AT = 64;
export const STREAM_LAST_PACKET_US_AT = 72;
export const STREAM_OWN_SSRC_AT = 80;
/** Address of the source as 16 bytes (IPv4 mapped), its RTP and its RTCP port. */
export const STREAM_REMOTE_AT = 84;
export const STREAM_REMOTE_RTP_PORT_AT = 100;
export const STREAM_REMOTE_RTCP_PORT_AT = 104;
export const STREAM_UNAUTHORISED_AT = 108;
export const STREAM_INVALID_AT = 112;
export const STREAM_DUPLICATE_AT = 116;
export const STREAM_PAUSED_AT = 120;
export const STREAM_DROPPED_AT = 124;
/** Of the epochs that are over. */
export const STREAM_LOST_BEFORE_AT = 128;
export const STREAM_RECEIVED_BEFORE_AT = 132;
export const STREAM_NEXT_EPOCH_AT = 136;
/** Dropped RTP packets that the journal does not tell of yet. */
export const STREAM_UNDECLARED_DROPS_AT = 140;
/** The port that RTP really comes from; 0: nothing heard yet. */
export const STREAM_HEARD_PORT_AT = 144;
export const STREAM_UNAUTHENTICATED_AT = 148;
/** Number of the player that somebody listens to it with, plus 1; 0: none. */
export const STREAM_PLAYER_AT = 152;
/** First of its sinks, by number + 1; 0: none. */
export const STREAM_SINKS_AT = 156;
/** Number of the stream whose port it shares, plus 1; 0: its port is its own. */
export const STREAM_HOST_AT = 160;
/** By which it is told from others of its source on that port; 0: there are none. */
export const STREAM_SIGNALLED_SSRC_AT = 164;
/** The next stream, by number + 1, of its chain of sources of RTP, and of that of RTCP (see assembly/rtp/demultiplex.ts). */
export const STREAM_LINKS_AT = 168;
export const STREAM_WINDOW_AT = 176;
export const STREAM_WINDOW_BYTES = WINDOW_PACKETS / 8;
/** The epoch before: state and window. Its source may go on for a while, or alternate with the present one. */
export const STREAM_OTHER_STATE_AT = STREAM_WINDOW_AT + STREAM_WINDOW_BYTES;
export const STREAM_OTHER_WINDOW_AT = STREAM_OTHER_STATE_AT + STREAM_EPOCH_STATE_BYTES;
/** The newest sender report: NTP time (32 bits of seconds, 32 of their fraction; 0: none), the RTP timestamp of that time, and the epoch of both. */
export const STREAM_REPORT_NTP_AT = 496;
export const STREAM_REPORT_TIMESTAMP_AT = 504;
export const STREAM_REPORT_EPOCH_AT = 508;
/** The CNAME that came with it: a byte of length, then the text. */
export const STREAM_CNAME_AT = 512;
/** How far back its packets are kept (0: not at all), the oldest and the newest chunk of them, by number + 1, and how many there are. */
export const STREAM_LOOK_BACK_US_AT = 768;
export const STREAM_OLDEST_CHUNK_AT = STREAM_LOOK_BACK_US_AT + 8;
export const STREAM_NEWEST_CHUNK_AT = STREAM_LOOK_BACK_US_AT + 12;
export const STREAM_CHUNKS_AT = STREAM_LOOK_BACK_US_AT + 16;
/** Where two epochs are exchanged. */
export const EXCHANGE_AT = 9472;
export const EXCHANGE_BYTES = WINDOW_PACKETS / 8;

export const FLAG_OPEN = 1;
/** The source is not known: the first packet's becomes it. */
export const FLAG_LEARN = 2;
export const FLAG_RTCP_MUX = 4;
/** An epoch has begun: SSRC and sequence numbers are valid. */
export const FLAG_STARTED = 8;
/** STREAM_OTHER_STATE_AT holds an epoch. */
export const FLAG_HAS_OTHER = 16;
/** Its packets are SRTP and SRTCP. */
export const FLAG_SRTP = 32;
/** Its port is that of other streams; it receives nothing itself. */
export const FLAG_SHARED_PORT = 64;

/** Chains of streams that share ports, by where their packets come from: first those of RTP, then those of RTCP. */
export const DEMULTIPLEX_AT = STREAMS_AT + MAX_STREAMS * STREAM_BYTES;
export const DEMULTIPLEX_BUCKETS = 8192;
export const DEMULTIPLEX_BYTES = 2 * DEMULTIPLEX_BUCKETS * 4;

export const DESCRIPTORS_AT = DEMULTIPLEX_AT + DEMULTIPLEX_BYTES;
export const DESCRIPTOR_BYTES = 56;
export const DESCRIPTOR_STREAM_AT = 0;
export const DESCRIPTOR_OFFSET_AT = 4;
export const DESCRIPTOR_LENGTH_AT = 8;
export const DESCRIPTOR_CHANNEL_AT = 12;
export const DESCRIPTOR_SOURCE_AT = 16;
export const DESCRIPTOR_SOURCE_PORT_AT = 32;
export const DESCRIPTOR_STATUS_AT = 36;
export const DESCRIPTOR_ARRIVAL_US_AT = 40;
/** Of an RTP packet that was received. */
export const DESCRIPTOR_EXT_SEQ_AT = 48;
export const DESCRIPTOR_EPOCH_AT = 52;
export const CHANNEL_RTP = 0;
export const CHANNEL_RTCP = 1;

export const SLOTS_AT = DESCRIPTORS_AT + BATCH_PACKETS * DESCRIPTOR_BYTES;
/** Notes and outgoing RTCP pass through here. */
export const SCRATCH_AT = SLOTS_AT + BATCH_PACKETS * SLOT_BYTES;
export const SCRATCH_BYTES = 1048576;
export const STAGING_AT = SCRATCH_AT + SCRATCH_BYTES;
export const BLOCKS_AT = STAGING_AT + STAGING_BYTES;
export const BLOCKS_BYTES = STAGING_BYTES + MAX_RECORDINGS * BLOCK_HEADER_BYTES;
/** A context to receive with for each stream, then one to send with for each; and master keys for all of them, with their tables. */
export const CONTEXTS_AT = BLOCKS_AT + BLOCKS_BYTES;
/** Where the streams' own end; those of sinks follow. */
export const SINK_CONTEXTS = MAX_STREAMS * 2;
export const MAX_SINKS = 4096;
/** And those that reports of their receivers come under. */
export const SINK_REPORT_CONTEXTS = SINK_CONTEXTS + MAX_SINKS;
export const MAX_CONTEXTS = SINK_REPORT_CONTEXTS + MAX_SINKS;
export const KEYS_AT = CONTEXTS_AT + MAX_CONTEXTS * CONTEXT_BYTES;
export const MAX_KEYS = MAX_CONTEXTS + 1024;
export const KEY_TABLES_AT = KEYS_AT + MAX_KEYS * SRTP_KEY_BYTES;

// --- what the kernel reads and writes in batch socket calls: Linux, 64 bits, little endian (see src/media/io-memory.ts) ---

export const IO_AT = KEY_TABLES_AT + MAX_KEYS * SRTP_KEY_TABLES_BYTES;
/** struct mmsghdr of recvmmsg(2), one per slot of the batch. */
export const MESSAGE_HEADER_BYTES = 64;
export const MESSAGE_NAME_AT = 0;
export const MESSAGE_NAME_BYTES_AT = 8;
export const MESSAGE_IOVECS_AT = 16;
export const MESSAGE_IOVEC_COUNT_AT = 24;
export const MESSAGE_CONTROL_AT = 32;
export const MESSAGE_CONTROL_BYTES_AT = 40;
export const MESSAGE_FLAGS_AT = 48;
export const MESSAGE_LENGTH_AT = 56;
export const MESSAGE_TRUNCATED = 0x20; // MSG_TRUNC
export const RECEIVE_HEADERS_AT = IO_AT;
export const IOVEC_BYTES = 16;
export const RECEIVE_IOVECS_AT = RECEIVE_HEADERS_AT + BATCH_PACKETS * MESSAGE_HEADER_BYTES;
/** struct sockaddr_in, or sockaddr_in6. */
export const SOCKET_ADDRESS_BYTES = 32;
export const RECEIVE_NAMES_AT = RECEIVE_IOVECS_AT + BATCH_PACKETS * IOVEC_BYTES;
/** Control messages: arrival time (32 bytes), drops so far (24). */
export const CONTROL_BYTES = 64;
export const RECEIVE_CONTROLS_AT = RECEIVE_NAMES_AT + BATCH_PACKETS * SOCKET_ADDRESS_BYTES;
export const CONTROL_HEADER_BYTES = 16;
export const CONTROL_TYPE_AT = 12;
export const CONTROL_ARRIVAL = 35; // SO_TIMESTAMPNS
export const CONTROL_DROPS = 40; // SO_RXQ_OVFL
export const ADDRESS_FAMILY_IPV4 = 2;
export const ADDRESS_FAMILY_IPV6 = 10;
/** struct epoll_event, at its larger size. */
export const EVENT_BYTES = 16;
export const MAX_EVENTS = 512;
export const EVENTS_AT = RECEIVE_CONTROLS_AT + BATCH_PACKETS * CONTROL_BYTES;
/** Values of socket options, and addresses to bind or send to. */
export const IO_SCRATCH_AT = EVENTS_AT + MAX_EVENTS * EVENT_BYTES;
export const IO_SCRATCH_BYTES = 512;
/**
 * The lane's open sockets: for each stream one for RTP, then one for RTCP. Descriptors belong to the process and outlive a worker: its successor
 * finds them here.
 */
export const SOCKETS_AT = IO_SCRATCH_AT + IO_SCRATCH_BYTES;
export const SOCKET_BYTES = 16;
/** File descriptor + 1; 0: none. */
export const SOCKET_FD_AT = 0;
export const SOCKET_PORT_AT = 4;
/** Datagrams that the kernel has dropped, as far as the journal was told. */
export const SOCKET_DROPS_AT = 8;
/** Entry of the epoll descriptor that watches it; 0: none. */
export const SOCKET_EPOLL_AT = 12;
/** The last two are epoll descriptors: of sockets that are looked at soon, and of those that can wait. */
export const MAX_SOCKETS = MAX_STREAMS * 2 + 2;
export const SOON_EPOLL = MAX_STREAMS * 2;
export const LATER_EPOLL = MAX_STREAMS * 2 + 1;

/** sendmmsg(2): headers and iovecs of outgoing packets; their destinations stand with the sinks. */
export const SEND_HEADERS_AT = SOCKETS_AT + MAX_SOCKETS * SOCKET_BYTES;
export const MAX_SENDS = 256;
export const SEND_IOVECS_AT = SEND_HEADERS_AT + MAX_SENDS * MESSAGE_HEADER_BYTES;
export const SEND_NAMES_AT = SEND_IOVECS_AT + MAX_SENDS * IOVEC_BYTES;

// --- replication: sinks of streams, and the packets that are to be sent (see assembly/replicate/) ---

/** Descriptors of the outgoing batch. */
export const SENDS_AT = SEND_NAMES_AT + MAX_SINKS * SOCKET_ADDRESS_BYTES;
export const SEND_BYTES = 16;
export const SEND_SINK_AT = 0;
export const SEND_OFFSET_AT = 4;
/** 0: it could not be protected, and must not be sent. */
export const SEND_LENGTH_AT = 8;
/** Copies of packets, as the sinks get them; each with room for SRTP before and behind it. */
export const OUT_AT = SENDS_AT + MAX_SENDS * SEND_BYTES;
export const OUT_BYTES = 524288;

export const SINKS_AT = OUT_AT + OUT_BYTES;
/** Next sink of the stream, by number + 1. */
export const SINK_NEXT_AT = 0;
export const SINK_STREAM_AT = 4;
export const SINK_FLAGS_AT = 8;
export const SINK_SSRC_AT = 12;
/** Epoch of the source that the offsets belong to; own number = extended sequence number + offset. */
export const SINK_EPOCH_AT = 16;
export const SINK_SEQ_OFFSET_AT = 20;
export const SINK_TIMESTAMP_OFFSET_AT = 24;
/** Behind the highest own number so far. */
export const SINK_NEXT_SEQ_AT = 28;
/** Own number of the first packet since the offsets were set: what is older belongs to before. */
export const SINK_ANCHOR_SEQ_AT = 32;
export const SINK_TIMESTAMP_AT = 36;
/** Hz. */
export const SINK_CLOCK_RATE_AT = 40;
export const SINK_PACKETS_AT = 44;
/** When the newest packet had come, and octets of payload. */
export const SINK_ARRIVAL_US_AT = 48;
export const SINK_OCTETS_AT = 56;
/** Packets that were not sent: too old, or not to be protected. */
export const SINK_LATE_AT = 64;
export const SINK_UNPROTECTED_AT = 68;
/** Packets that the network did not take. */
export const SINK_SEND_ERRORS_AT = 72;
/** The packet of the look-back ring that it gets next, by address; 0: it gets what comes. Next sink of the queue, by number + 1. */
export const SINK_CURSOR_AT = 96;
export const SINK_REPLAY_NEXT_AT = 100;
/** Packets of the ring that it got, and those that were gone before it got them. */
export const SINK_LOOK_BACK_PACKETS_AT = 104;
export const SINK_SKIPPED_AT = 108;
/** A packet is due when it had come by REPLAY_SPEED * now - this. */
export const SINK_PACE_US_AT = 112;
/** Own payload type by the source's. */
export const SINK_PAYLOAD_TYPES_AT = 128;
/** Its receiver: address as 16 bytes, the port that its RTCP comes from (0: not known), and the next sink in the chain of receivers, by number + 1. */
export const SINK_RECEIVER_AT = 256;
export const SINK_RECEIVER_RTCP_PORT_AT = 272;
export const SINK_NEXT_BY_RECEIVER_AT = 276;
/** Slot of the stream whose sockets it leaves from. */
export const SINK_VIA_AT = 280;
/** 1: the receiver has said BYE, and has reported nothing since. */
export const SINK_GONE_AT = 284;
/** Compound packets that say nothing that could be used, and those that are not authentic. */
export const SINK_INVALID_REPORTS_AT = 288;
export const SINK_UNAUTHENTICATED_REPORTS_AT = 292;
/** The newest report block about the sink, its words in our byte order (RFC 3550 section 6.4.1), and when it came; 0: none has. */
export const SINK_REPORT_LOSS_AT = 296;
export const SINK_REPORT_HIGHEST_SEQ_AT = 300;
export const SINK_REPORT_JITTER_AT = 304;
/** In microseconds, + 1; 0: not known. */
export const SINK_ROUND_TRIP_AT = 308;
export const SINK_REPORT_US_AT = 312;
/** The last two reports to the receiver: middle 32 bits of the NTP time, and when they left. */
export const SINK_SENT_REPORT_AT = 320;
export const SINK_SENT_REPORT_BEFORE_AT = 324;
export const SINK_SENT_REPORT_US_AT = 328;
export const SINK_SENT_REPORT_BEFORE_US_AT = 336;
/** Packets that had nowhere to go. */
export const SINK_UNDIRECTED_AT = 344;
/** From one packet's timestamp to that of the next, as it was last. */
export const SINK_STEP_AT = 348;
export const SINK_BYTES = 384;
/** Longer ones are silence that was not sent, not packets. */
export const LONGEST_STEPS_PER_SECOND = 8;
export const SINK_OPEN = 1;
export const SINK_PAUSED = 2;
export const SINK_SRTP = 4;
/** The next packet begins anew: the first one, or one after a pause. */
export const SINK_ANCHORING = 8;
/** It has sent something. */
export const SINK_STARTED = 16;
/** There are keys for the reports of its receiver. */
export const SINK_SRTP_REPORTS = 32;
/** Where it goes is not known yet. */
export const SINK_WAITING = 64;
/** It is no copy of a stream: a mixture of the lane's own is sent by it. */
export const SINK_OWN = 128;
/** Heads of the chains of sinks by receiver, by number + 1 (see assembly/replicate/receivers.ts). */
export const RECEIVERS_AT = SINKS_AT + MAX_SINKS * SINK_BYTES;
export const RECEIVER_CHAINS_LOG2 = 12;
export const RECEIVERS_BYTES = 16384;

// --- players: jitter buffers of the streams that somebody listens to (see assembly/jitter/) ---

export const MAX_PLAYERS = 256;
/** Frames are 10 ms long. */
export const FRAMES_PER_SECOND = 100;
export const FRAME_US = 10000;
/** The playout clock of the lane: when the next frames are due (0: not running), and the next player of that tick. */
export const PLAYOUT_AT = RECEIVERS_AT + RECEIVERS_BYTES;
export const PLAYOUT_BYTES = 64;
export const PLAYOUT_TICK_US_AT = 0;
export const PLAYOUT_CURSOR_AT = 8;
export const PLAYOUT_OPEN_PLAYERS_AT = 12;
export const PLAYOUT_OPEN_MIXERS_AT = 16;
/** Ticks that were left out, for the lane had stood still for longer than MAX_CATCH_UP_FRAMES. */
export const PLAYOUT_SKIPPED_FRAMES_AT = 20;
/** 1 once the playout delays of the tick at hand are agreed on within each group. */
export const PLAYOUT_AGREED_AT = 24;
export const MAX_CATCH_UP_FRAMES = 20;
/** Of each group of players, in microseconds, u32 each: the longest delay that one wants, the shortest that one has. Group 0 is none. */
export const MAX_GROUPS = MAX_RECORDINGS;
export const GROUPS_AT = PLAYOUT_AT + PLAYOUT_BYTES;
export const GROUP_BYTES = 8;
export const GROUP_WANTED_US_AT = 0;
export const GROUP_HELD_US_AT = 4;

export const PLAYERS_AT = GROUPS_AT + (MAX_GROUPS + 1) * GROUP_BYTES;
export const PLAYER_OPEN_AT = 0;
export const PLAYER_STREAM_AT = 4;
/** Of the PCM, and how many samples a unit of the RTP clock is (G.722: 2, RFC 3551 section 4.5.2). */
export const PLAYER_SAMPLE_RATE_AT = 8;
export const PLAYER_FRAME_SAMPLES_AT = 12;
export const PLAYER_SAMPLES_PER_UNIT_AT = 16;
/** Players of one group have the same playout delay. */
export const PLAYER_GROUP_AT = 20;
export const PLAYER_MIN_DELAY_US_AT = 24;
export const PLAYER_MAX_DELAY_US_AT = 28;
export const PLAYER_MODE_AT = 32;
/** Kind of what is played while nothing is due. */
export const PLAYER_FILLER_AT = 36;
/** Decoded samples that wait at PLAYER_PCM_AT. */
export const PLAYER_BUFFERED_SAMPLES_AT = 40;
/** Samples concealed since the last one that was decoded. */
export const PLAYER_CONCEALED_RUN_AT = 44;
export const PLAYER_WAITING_PACKETS_AT = 48;
/** Of the packet that was decoded last. */
export const PLAYER_EXT_SEQ_AT = 52;
export const PLAYER_STARTED_AT = 56;
/** Present epoch and the one before: the RTP timestamp heard last, and its place on the player's own time line in samples. */
export const PLAYER_EPOCH_AT = 60;
export const PLAYER_TIMESTAMP_AT = 64;
export const PLAYER_OTHER_EPOCH_AT = 68;
export const PLAYER_OTHER_TIMESTAMP_AT = 72;
export const PLAYER_HAS_OTHER_AT = 76;
export const PLAYER_PLACE_I64_AT = 80;
export const PLAYER_OTHER_PLACE_I64_AT = 88;
/** Place of the sample behind the last one that is buffered. */
export const PLAYER_NEXT_I64_AT = 96;
export const PLAYER_ORIGIN_US_AT = 104;
/** Least transit of late, the playout delay wanted above it, and what late packets would have needed: f64, microseconds. */
export const PLAYER_BASE_F64_AT = 112;
export const PLAYER_TARGET_F64_AT = 120;
export const PLAYER_PEAK_F64_AT = 128;
export const PLAYER_WEIGHT_F64_AT = 136;
export const PLAYER_WEIGHTS_F64_AT = 144;
/** How much faster than ours the sender's clock runs (80e-6: 80 ppm), and what is to be removed for it in samples. */
export const PLAYER_SKEW_F64_AT = 152;
export const PLAYER_SKEW_DUE_F64_AT = 160;
export const PLAYER_ARRIVAL_US_AT = 168;
/** Window of the regression: when it began, least transit and when; then the sums, with forgetting. */
export const PLAYER_WINDOW_US_AT = 176;
export const PLAYER_WINDOW_LEAST_F64_AT = 184;
export const PLAYER_WINDOW_LEAST_US_AT = 192;
export const PLAYER_SUM_1_F64_AT = 200;
export const PLAYER_SUM_T_F64_AT = 208;
export const PLAYER_SUM_D_F64_AT = 216;
export const PLAYER_SUM_TT_F64_AT = 224;
export const PLAYER_SUM_TD_F64_AT = 232;
export const PLAYER_SUM_US_AT = 240;
/** A bit for each free slot. */
export const PLAYER_FREE_SLOTS_I64_AT = 248;
/** RTP timestamp minus place, of what is played. */
export const PLAYER_TIMESTAMP_OFFSET_AT = 256;
/** Of the frame in the making: samples that were not received, and what they are. */
export const PLAYER_FILLED_SAMPLES_AT = 260;
export const PLAYER_FILLED_KIND_AT = 264;
export const PLAYER_FRAMES_SINCE_SCALE_AT = 268;
export const PLAYER_FRAMES_SINCE_STEP_AT = 272;
/** Slot + 1 of the packet that somebody outside is to decode. */
export const PLAYER_EXTERNAL_AT = 276;
/** Frames written; stored last, atomically. */
export const PLAYER_FRAME_COUNT_AT = 280;
export const PLAYER_WINDOW_PACKETS_AT = 284;
/** Least transit of each of the last seconds, and the second of the newest. */
export const PLAYER_MINIMA_F64_AT = 288;
export const PLAYER_MINIMA = 10;
export const PLAYER_SECOND_AT = 368;
/** Late packets in a row. */
export const PLAYER_LATE_RUN_AT = 376;
/** Codec by payload type, and numbers of the slots in the order of their places. */
export const PLAYER_CODECS_AT = 384;
export const PLAYER_ORDER_AT = 512;
/** The ledger, in samples: u64 each. */
export const PLAYER_DECODED_I64_AT = 576;
export const PLAYER_CONCEALED_I64_AT = 584;
export const PLAYER_COMFORT_I64_AT = 592;
export const PLAYER_SILENCE_I64_AT = 600;
export const PLAYER_INSERTED_SKEW_I64_AT = 608;
export const PLAYER_INSERTED_EXPAND_I64_AT = 616;
export const PLAYER_REMOVED_SKEW_I64_AT = 624;
export const PLAYER_REMOVED_ACCELERATE_I64_AT = 632;
export const PLAYER_DISCARDED_I64_AT = 640;
/** Packets. */
export const PLAYER_RECEIVED_AT = 648;
export const PLAYER_LATE_AT = 652;
export const PLAYER_OVERFLOW_AT = 656;
export const PLAYER_OVERSIZE_AT = 660;
export const PLAYER_UNKNOWN_AT = 664;
/** Times that the time line was anchored anew: another SSRC, or timestamps that do not follow the clock. */
export const PLAYER_ANCHORED_AT = 668;
export const PLAYER_UNDECODABLE_AT = 672;
/** Playout delay of the last frame in microseconds, 0 when nothing was playing. */
export const PLAYER_HELD_DELAY_AT = 676;
/** What the decoder outside has to make up for itself: samples (0: nothing), and the kind that they are. */
export const PLAYER_ASKED_SAMPLES_AT = 680;
export const PLAYER_ASKED_KIND_AT = 684;
/** Of the packet that was heard last: codec, and octets of payload. */
export const PLAYER_HEARD_CODEC_AT = 688;
export const PLAYER_HEARD_BYTES_AT = 692;
export const PLAYER_STATE_BYTES = 704;
/** Weights of delays above the least transit, f32 each; the last is for all that are longer. */
export const DELAY_BINS = 128;
export const DELAY_BIN_US = 4000;
export const PLAYER_DELAYS_AT = PLAYER_STATE_BYTES;
export const PLAYER_NOISE_AT = PLAYER_DELAYS_AT + DELAY_BINS * 4;
export const PLAYER_NOISE_BYTES = 512;
export const PLAYER_PLC_AT = PLAYER_NOISE_AT + PLAYER_NOISE_BYTES;
export const PLAYER_PLC_BYTES = 6400;
/** State of a decoder that has one. */
export const PLAYER_DECODER_AT = PLAYER_PLC_AT + PLAYER_PLC_BYTES;
export const PLAYER_DECODER_BYTES = 1024;
/** Room for the longest payload of every codec (120 ms of Opus) behind a frame and what time scaling looks at. */
export const PCM_SAMPLES = 8192;
export const PLAYER_PCM_AT = PLAYER_DECODER_AT + PLAYER_DECODER_BYTES;
export const PLAYER_SLOTS = 64;
export const PLAYER_SLOT_BYTES = 2048;
export const PLAYER_SLOTS_AT = PLAYER_PCM_AT + PCM_SAMPLES * 2;
export const PACKET_PLACE_I64_AT = 0;
export const PACKET_EXT_SEQ_AT = 8;
export const PACKET_BYTES_AT = 12;
export const PACKET_CODEC_AT = 16;
export const PACKET_TIMESTAMP_OFFSET_AT = 20;
export const PACKET_EPOCH_AT = 24;
export const PACKET_PAYLOAD_AT = 32;
/** 60 ms of 16 kHz L16, or 20 ms of 48 kHz. */
export const MAX_PLAYER_PAYLOAD_BYTES = PLAYER_SLOT_BYTES - PACKET_PAYLOAD_AT;
/** The frames played last, for whoever reads them. */
export const RING_FRAMES = 64;
export const FRAME_BYTES = 1024;
export const FRAME_KIND_AT = 0;
export const FRAME_TIMESTAMP_AT = 4;
export const FRAME_SAMPLES_AT = 8;
export const FRAME_SAMPLE_RATE_AT = 12;
export const FRAME_PCM_AT = 32;
export const PLAYER_FRAMES_AT = PLAYER_SLOTS_AT + PLAYER_SLOTS * PLAYER_SLOT_BYTES;
export const PLAYER_BYTES = PLAYER_FRAMES_AT + RING_FRAMES * FRAME_BYTES;

export const MODE_IDLE = 0;
export const MODE_PLAYING = 1;

export const FRAME_SPEECH = 0;
export const FRAME_CONCEALED = 1;
export const FRAME_COMFORT_NOISE = 2;
export const FRAME_SILENCE = 3;

/** Sums of players' frames, for those who listen and for those whom they are sent to (see assembly/mix/). */
export const MAX_MIXERS = 256;
export const MIXER_MEMBERS = 8;
export const MIXER_OPEN_AT = 0;
export const MIXER_SAMPLE_RATE_AT = 4;
export const MIXER_MEMBER_COUNT_AT = 8;
/** Frames written; stored last, atomically. */
export const MIXER_FRAME_COUNT_AT = 12;
/** Gain of the limiter, f32. */
export const MIXER_GAIN_AT = 16;
/** The sink that it is sent by, by number + 1 (0: nobody gets it), and what as. */
export const MIXER_SINK_AT = 20;
export const MIXER_CODEC_AT = 24;
export const MIXER_PAYLOAD_TYPE_AT = 28;
/** Numbers of players. */
export const MIXER_MEMBERS_AT = 32;
/** Frames of a packet, and of those that were sent. */
export const MIXER_PACKET_FRAMES_AT = MIXER_MEMBERS_AT + MIXER_MEMBERS * 4;
export const MIXER_SENT_FRAMES_AT = MIXER_PACKET_FRAMES_AT + 4;
/** RTP timestamp of the next packet, and ticks that the clock had left out when it was counted on last. */
export const MIXER_TIMESTAMP_AT = MIXER_PACKET_FRAMES_AT + 8;
export const MIXER_SKIPPED_FRAMES_AT = MIXER_PACKET_FRAMES_AT + 12;
/** The last sample of the sum, and 1 when its members are others than they were then. */
export const MIXER_LAST_SAMPLE_AT = MIXER_PACKET_FRAMES_AT + 16;
export const MIXER_CHANGED_AT = MIXER_PACKET_FRAMES_AT + 20;
/** A tone: how long it is and how often it begins (0: there is none), both in samples, and where in that it is. */
export const MIXER_TONE_SAMPLES_AT = MIXER_PACKET_FRAMES_AT + 24;
export const MIXER_TONE_EVERY_AT = MIXER_PACKET_FRAMES_AT + 28;
export const MIXER_TONE_PLACE_AT = MIXER_PACKET_FRAMES_AT + 32;
/** Its oscillator: next = coefficient * now - before; and the sample before its first, which is 0. */
export const MIXER_TONE_COEFFICIENT_F64_AT = MIXER_PACKET_FRAMES_AT + 40;
export const MIXER_TONE_START_F64_AT = MIXER_PACKET_FRAMES_AT + 48;
export const MIXER_TONE_NOW_F64_AT = MIXER_PACKET_FRAMES_AT + 56;
export const MIXER_TONE_BEFORE_F64_AT = MIXER_PACKET_FRAMES_AT + 64;
/** State of an encoder that has one. */
export const MIXER_ENCODER_AT = MIXER_PACKET_FRAMES_AT + 80;
export const MIXER_ENCODER_BYTES = 576;
/** The sum before it is limited: 32 bits a sample. */
export const MIXER_SUM_AT = MIXER_ENCODER_AT + MIXER_ENCODER_BYTES;
export const MIXER_FRAMES_AT = MIXER_SUM_AT + 1920;
export const MIXER_BYTES = MIXER_FRAMES_AT + RING_FRAMES * FRAME_BYTES;
export const MIXERS_AT = PLAYERS_AT + MAX_PLAYERS * PLAYER_BYTES;
/** Packets of a mixture; as long as a packet of a path with an MTU of 1,500 can be. */
export const MAX_MIX_PACKET_FRAMES = 6;
export const MAX_MIX_PAYLOAD_BYTES = 1400;

/**
 * Low-pass filters of 24 taps a sample of the lower rate, 14 bits of fraction, for each ratio of two rates: a row of taps for each phase on the
 * way up, one row on the way down. Behind them what a frame is copied to, with what came before it.
 */
export const RESAMPLE_TAPS = 24;
export const RESAMPLE_AT = MIXERS_AT + MAX_MIXERS * MIXER_BYTES;
export const RESAMPLE_UP_2_AT = RESAMPLE_AT;
export const RESAMPLE_UP_3_AT = RESAMPLE_UP_2_AT + 2 * RESAMPLE_TAPS * 2;
export const RESAMPLE_UP_6_AT = RESAMPLE_UP_3_AT + 3 * RESAMPLE_TAPS * 2;
export const RESAMPLE_DOWN_2_AT = RESAMPLE_UP_6_AT + 6 * RESAMPLE_TAPS * 2;
export const RESAMPLE_DOWN_3_AT = RESAMPLE_DOWN_2_AT + 2 * RESAMPLE_TAPS * 2;
export const RESAMPLE_DOWN_6_AT = RESAMPLE_DOWN_3_AT + 3 * RESAMPLE_TAPS * 2;
export const RESAMPLE_INPUT_AT = RESAMPLE_DOWN_6_AT + 6 * RESAMPLE_TAPS * 2;
/** At most, before a frame. */
export const RESAMPLE_HISTORY_SAMPLES = 144;
export const RESAMPLE_INPUT_BYTES = 1280;

// --- look-back rings of streams: chains of chunks of packets, as they came (see assembly/replicate/look-back.ts) ---

/** Of the memory of a lane the last region: all behind it is theirs, as much as the lane was given. */
export const LOOK_BACK_AT = RESAMPLE_INPUT_AT + RESAMPLE_INPUT_BYTES;
/** As SLOT_BYTES, not a multiple of 4096. 71 packets of 20 ms of G.711: 1.4 s. */
export const CHUNK_BYTES = 16640;
/** Of one stream at most, for each second that it looks back and one more: 2 Mbit/s. A flood must not take the pool from the others. */
export const CHUNKS_PER_SECOND = 16;
/** Of the pool, for one stream at most, however far it looks back. */
export const STREAM_SHARE_OF_CHUNKS = 8;
/** Next chunk of the ring, or of the free ones, by number + 1. */
export const CHUNK_NEXT_AT = 0;
/** Address behind its last packet. */
export const CHUNK_END_AT = 4;
export const CHUNK_PACKETS_AT = 8;
/** When its last packet had come. */
export const CHUNK_NEWEST_US_AT = 16;
/** Packets: the descriptor of each, whose offset is that of the packet behind it. */
export const CHUNK_PACKETS_FROM = 24;
/** A ring is read so much faster than it was filled. */
export const REPLAY_SPEED = 4;
/** Of one round: sinks at most, and packets of each. */
export const REPLAY_SINKS = 256;
export const REPLAY_PACKETS = 8;

// --- status of a packet ---

export const STATUS_RECEIVED = 0;
export const STATUS_RTCP = 1;
export const STATUS_DUPLICATE = 2;
export const STATUS_PAUSED = 3;
export const STATUS_INVALID = 4;
export const STATUS_UNAUTHORISED = 5;
export const STATUS_DROPPED = 6;
export const STATUS_CLOSED = 7;
export const STATUS_UNAUTHENTICATED = 8;
/** Within a batch: from the right source, as it came or to be unprotected first. */
export const STATUS_ADMITTED = 9;
export const STATUS_PROTECTED = 10;
/** The same, of the receiver of a sink. */
export const STATUS_ADMITTED_REPORT = 11;
export const STATUS_PROTECTED_REPORT = 12;
/** Nothing, from the stream's source: it keeps its way open (RFC 6263 section 4.1). */
export const STATUS_KEEP_ALIVE = 13;

// --- finaliser memory: a memory of its own, beside the lanes' (see src/media/render.ts) ---

/** Codecs that the finaliser decodes. */
export const CODEC_PCMU = 1;
export const CODEC_PCMA = 2;
export const CODEC_L16 = 3;
export const CODEC_G722 = 4;
/** Live only: comfort noise (RFC 3389), and Opus, which is decoded outside of the core. */
export const CODEC_COMFORT_NOISE = 5;
export const CODEC_OPUS = 6;

/** One entry per indexed record. */
export const ENTRY_BYTES = 56;
export const ENTRY_KIND_AT = 0;
export const ENTRY_STREAM_AT = 4;
export const ENTRY_EXT_SEQ_AT = 8;
export const ENTRY_EPOCH_AT = 12;
export const ENTRY_ARRIVAL_US_AT = 16; // f64
export const ENTRY_PAYLOAD_AT_AT = 24;
export const ENTRY_PAYLOAD_BYTES_AT = 28;
export const ENTRY_PAYLOAD_TYPE_AT = 32; // NOT_RTP if there is no valid RTP header
export const ENTRY_TIMESTAMP_AT = 36;
export const ENTRY_SSRC_AT = 40;
export const ENTRY_MEDIA_AT_AT = 44;
export const ENTRY_MEDIA_BYTES_AT = 48;
export const NOT_RTP = 0xff;

export const FINALISER_NEXT_AT = 1024;
export const FINALISER_INDEX_AT = 4096;
export const FINALISER_INDEX_RECORDS = 8192;
/** Interleaved payloads are decoded here before their channels are folded. */
export const FINALISER_SCRATCH_AT = 0x80000;
export const FINALISER_SCRATCH_BYTES = 0x40000;
/** The two channels, one behind the other. */
export const FINALISER_CHANNELS_AT = 0x100000;
export const FINALISER_CHANNEL_BYTES = 0x80000;
export const FINALISER_OUTPUT_AT = 0x200000;
export const FINALISER_OUTPUT_BYTES = 0x100000;
/** Interpolation coefficients, one table per track. */
export const INTERPOLATION_TAPS = 16;
export const INTERPOLATION_MAX_PHASES = 1280;
export const FINALISER_TAPS_AT = 0x300000;
export const FINALISER_TAPS_BYTES = 0xa000;
/** Tracks of 16-bit samples: a margin of the past, the window, a margin of the future. The last one is for patches. */
export const FINALISER_TRACKS = 17;
export const FINALISER_TRACKS_AT = 0x400000;
export const FINALISER_TRACK_BYTES = 0x80000;
export const TRACK_MARGIN_SAMPLES = 32;
export const FINALISER_INPUT_AT = 0xd00000;
export const FINALISER_INPUT_BYTES = 0x800000;
export const FINALISER_MEMORY_BYTES = 0x1500000;

// --- packet loss concealment: the state of one stream, wherever its owner puts it ---

// --- comfort noise (see assembly/jitter/noise.ts): the random number, and what shapes it ---

export const NOISE_RANDOM_AT = 0;
/** Reflection coefficients; what a payload has beyond NOISE_MAX_ORDER counts as zero. */
export const NOISE_ORDER_AT = 4;
/** Peaks of the noise that goes into the filter, and of white noise of the level that comes out of it. */
export const NOISE_PEAK_F64_AT = 8;
export const NOISE_LEVEL_F64_AT = 16;
export const NOISE_MAX_ORDER = 24;
export const NOISE_REFLECTION_F64_AT = 24;
export const NOISE_MEMORY_F64_AT = NOISE_REFLECTION_F64_AT + NOISE_MAX_ORDER * 8;
export const NOISE_STATE_BYTES = NOISE_MEMORY_F64_AT + NOISE_MAX_ORDER * 8;

export const PLC_RATE_AT = 0;
export const PLC_HISTORY_SAMPLES_AT = 4;
/** Samples since the last good one; 0 while all is well. */
export const PLC_LOST_SAMPLES_AT = 8;
/** Good samples after a loss that are joined already. */
export const PLC_FADED_AT = 12;
export const PLC_PERIOD_SAMPLES_AT = 16;
/** What the repeated period lacks at its start to go on from the last good sample. */
export const PLC_STEP_AT = 20;
/** 48.75 ms of 16-bit samples at 48 kHz. */
export const PLC_HISTORY_AT = 32;
export const PLC_HISTORY_BYTES = 4688;
/** 15 ms at 48 kHz. */
export const PLC_PERIOD_AT = PLC_HISTORY_AT + PLC_HISTORY_BYTES;
export const PLC_PERIOD_BYTES = 1440;
export const PLC_STATE_BYTES = PLC_PERIOD_AT + PLC_PERIOD_BYTES;

// --- G.722: the state of one decoder, wherever its owner puts it ---

/** Two bands, low and high: scale factors and predictors. */
export const G722_BANDS_AT = 0;
export const G722_BAND_BYTES = 80;
/** The receive QMF: twelve sums of the bands and twelve differences, in vectors of eight. */
export const G722_QMF_AT = G722_BANDS_AT + 2 * G722_BAND_BYTES;
export const G722_QMF_BYTES = 64;
export const G722_TABLES_AT = G722_QMF_AT + G722_QMF_BYTES;
export const G722_TABLES_BYTES = 288;
export const G722_STATE_BYTES = G722_TABLES_AT + G722_TABLES_BYTES;
/** An encoder: as a decoder, with the last 24 samples for the transmit QMF, and behind it the decision levels of the lower band. */
export const G722_DECISIONS_AT = G722_STATE_BYTES;
export const G722_DECISIONS_BYTES = 64;
export const G722_ENCODER_BYTES = G722_DECISIONS_AT + G722_DECISIONS_BYTES;
/** Where the finaliser has the state of the decoder that is at work. */
export const FINALISER_G722_AT = 2048;
