/*
 * Lets tests and benchmarks ask libsrtp 2. Commands come on stdin, one a line; each is answered by one line, "error N" (an
 * srtp_err_status_t) when libsrtp refuses.
 *
 *   version
 *   probe SUITE                                        ok, when this build of libsrtp has the suite
 *   open ID SUITE in|out KEY MKI|- WINDOW SRTCP SSRC   a session: keys in hexadecimal; SRTCP: encrypted or clear; SSRC: any, or a number
 *   roc ID SSRC ROC                                    sets the ROC of a stream, which the session must have been opened for
 *   rtp ID PACKET, rtcp ID PACKET                      protects (out) or unprotects (in); the answer is the packet
 *   close ID
 *   time ID SESSIONS FIRST BYTES COUNT SLOT            COUNT slots of SLOT octets follow, the first BYTES of each an RTP packet, for
 *                                                      SESSIONS sessions from ID on in turn, beginning with the one FIRST further on;
 *                                                      the answer is "BYTES NS NS …" (of each run of 256), then all slots
 */
#define _POSIX_C_SOURCE 200809L
#include <srtp2/srtp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SESSIONS 4096
#define MAX_PACKET_BYTES 16384
#define RUN_PACKETS 256
#define MAX_RUNS 64

typedef struct {
    srtp_t srtp;
    int is_sender;
    int has_mki;
} session_t;

static session_t sessions[MAX_SESSIONS];

typedef void (*policy_setter_t)(srtp_crypto_policy_t *);

typedef struct {
    const char *name;
    policy_setter_t rtp;
    policy_setter_t rtcp;
} suite_t;

static void null_cipher_hmac_sha1_32(srtp_crypto_policy_t *policy) {
    srtp_crypto_policy_set_null_cipher_hmac_sha1_80(policy);
    policy->auth_tag_len = 4;
}

/* The tag of SRTCP is never shorter than 80 bits (RFC 4568 section 6.2). */
static const suite_t suites[] = {
    {"AES_CM_128_HMAC_SHA1_80", srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default},
    {"AES_CM_128_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtcp_default},
    {"AES_192_CM_HMAC_SHA1_80", srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80, srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80},
    {"AES_192_CM_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32, srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80},
    {"AES_256_CM_HMAC_SHA1_80", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
    {"AES_256_CM_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
    {"AEAD_AES_128_GCM", srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth},
    {"AEAD_AES_256_GCM", srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth},
    {"NULL_HMAC_SHA1_80", srtp_crypto_policy_set_null_cipher_hmac_sha1_80, srtp_crypto_policy_set_null_cipher_hmac_sha1_80},
    {"NULL_HMAC_SHA1_32", null_cipher_hmac_sha1_32, srtp_crypto_policy_set_null_cipher_hmac_sha1_80},
};

static const suite_t *find_suite(const char *name) {
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
        if (strcmp(suites[i].name, name) == 0) return &suites[i];
    return NULL;
}

static size_t from_hex(const char *hex, uint8_t *bytes, size_t room) {
    size_t n = 0;
    unsigned int byte;
    while (n < room && sscanf(hex + 2 * n, "%2x", &byte) == 1) bytes[n++] = (uint8_t)byte;
    return n;
}

static int answer(srtp_err_status_t status) {
    if (status == srtp_err_status_ok) puts("ok");
    else printf("error %d\n", status);
    return status == srtp_err_status_ok;
}

typedef struct {
    char suite[32], direction[4], key[128], mki[2 * SRTP_MAX_MKI_LEN + 1], srtcp[16], ssrc[16];
    unsigned long window;
} opening_t;

static srtp_err_status_t open_session(session_t *session, const opening_t *with) {
    uint8_t key[64] = {0}, mki[SRTP_MAX_MKI_LEN] = {0};
    const suite_t *suite = find_suite(with->suite);
    srtp_policy_t policy = {0};
    if (!suite) return srtp_err_status_bad_param;
    suite->rtp(&policy.rtp);
    suite->rtcp(&policy.rtcp);
    if (strcmp(with->srtcp, "clear") == 0) policy.rtcp.sec_serv = sec_serv_auth;
    from_hex(with->key, key, sizeof key);
    srtp_master_key_t master = {.key = key, .mki_id = mki};
    srtp_master_key_t *keys[] = {&master};
    session->is_sender = strcmp(with->direction, "out") == 0;
    session->has_mki = strcmp(with->mki, "-") != 0;
    if (session->has_mki) {
        master.mki_size = (unsigned int)from_hex(with->mki, mki, sizeof mki);
        policy.keys = keys;
        policy.num_master_keys = 1;
    } else {
        policy.key = key;
    }
    policy.ssrc.type = session->is_sender ? ssrc_any_outbound : ssrc_any_inbound;
    if (strcmp(with->ssrc, "any") != 0) {
        policy.ssrc.type = ssrc_specific;
        policy.ssrc.value = (uint32_t)strtoul(with->ssrc, NULL, 10);
    }
    policy.window_size = with->window;
    return srtp_create(&session->srtp, &policy);
}

static void close_session(session_t *session) {
    if (session->srtp) srtp_dealloc(session->srtp);
    session->srtp = NULL;
}

static srtp_err_status_t convert(session_t *session, int is_rtcp, uint8_t *packet, int *bytes) {
    srtp_t srtp = session->srtp;
    unsigned int mki = (unsigned int)session->has_mki;
    if (!srtp) return srtp_err_status_bad_param;
    if (session->is_sender) {
        return is_rtcp ? srtp_protect_rtcp_mki(srtp, packet, bytes, mki, 0) : srtp_protect_mki(srtp, packet, bytes, mki, 0);
    }
    return is_rtcp ? srtp_unprotect_rtcp_mki(srtp, packet, bytes, mki) : srtp_unprotect_mki(srtp, packet, bytes, mki);
}

static void on_packet(session_t *session, int is_rtcp, const char *hex) {
    static _Alignas(16) uint8_t packet[MAX_PACKET_BYTES + SRTP_MAX_TRAILER_LEN + 4];
    int bytes = (int)from_hex(hex, packet, MAX_PACKET_BYTES);
    srtp_err_status_t status = convert(session, is_rtcp, packet, &bytes);
    if (status != srtp_err_status_ok) {
        printf("error %d\n", status);
        return;
    }
    for (int i = 0; i < bytes; i++) printf("%02x", packet[i]);
    putchar('\n');
}

static long long ns_between(const struct timespec *from, const struct timespec *to) {
    return (long long)(to->tv_sec - from->tv_sec) * 1000000000LL + (to->tv_nsec - from->tv_nsec);
}

/* RTP packets only, without MKI: what is timed is the call that everybody makes. */
static int convert_all(session_t *sessions, int count_sessions, int first, uint8_t *slots, int bytes, int count, int slot) {
    int length = bytes, failed = 0;
    for (int i = 0; i < count; i++) {
        session_t *session = &sessions[(first + i) % count_sessions];
        uint8_t *packet = slots + (size_t)i * (size_t)slot;
        length = bytes;
        failed |= session->is_sender ? srtp_protect(session->srtp, packet, &length) : srtp_unprotect(session->srtp, packet, &length);
    }
    return failed ? -1 : length;
}

/* Each run is brought near first, untimed: as if a server had just received it. */
static void on_time(session_t *with, int count_sessions, int first, int bytes, int count, int slot) {
    size_t all = (size_t)count * (size_t)slot;
    uint8_t *slots = aligned_alloc(64, (all + 63) / 64 * 64), *run = aligned_alloc(64, (size_t)RUN_PACKETS * (size_t)slot);
    long long ns[MAX_RUNS];
    int length = bytes, runs = 0;
    struct timespec from, to;
    if (fread(slots, 1, all, stdin) != all) exit(1);
    for (int at = 0; at < count && runs < MAX_RUNS && length >= 0; at += RUN_PACKETS) {
        int packets = count - at < RUN_PACKETS ? count - at : RUN_PACKETS;
        memcpy(run, slots + (size_t)at * (size_t)slot, (size_t)packets * (size_t)slot);
        clock_gettime(CLOCK_MONOTONIC, &from);
        length = convert_all(with, count_sessions, first + at, run, bytes, packets, slot);
        clock_gettime(CLOCK_MONOTONIC, &to);
        ns[runs++] = ns_between(&from, &to);
        memcpy(slots + (size_t)at * (size_t)slot, run, (size_t)packets * (size_t)slot);
    }
    printf("%d", length);
    for (int i = 0; i < runs; i++) printf(" %lld", ns[i]);
    putchar('\n');
    fwrite(slots, 1, all, stdout);
    free(slots);
    free(run);
}

static void on_open(int id, const char *line) {
    opening_t with;
    if (sscanf(line, "open %*d %31s %3s %127s %256s %lu %15s %15s", with.suite, with.direction, with.key, with.mki, &with.window,
               with.srtcp, with.ssrc) == 7)
        answer(open_session(&sessions[id], &with));
    else
        puts("error -1");
}

static void on_probe(const char *name) {
    session_t session = {0};
    opening_t with = {.direction = "out", .key = "00", .mki = "-", .srtcp = "encrypted", .ssrc = "any"};
    snprintf(with.suite, sizeof with.suite, "%s", name);
    if (answer(open_session(&session, &with))) close_session(&session);
}

static void on_line(char *line) {
    int id = 0, packet = 0, count_sessions, first, bytes, count, slot;
    unsigned int ssrc, roc;
    char name[32];
    if (strcmp(line, "version\n") == 0) puts(srtp_get_version_string());
    else if (sscanf(line, "probe %31s", name) == 1) on_probe(name);
    else if (sscanf(line, "%*s %d %n", &id, &packet) != 1 || id < 0 || id >= MAX_SESSIONS) puts("error -1");
    else if (strncmp(line, "open ", 5) == 0) on_open(id, line);
    else if (strncmp(line, "rtp ", 4) == 0) on_packet(&sessions[id], 0, line + packet);
    else if (strncmp(line, "rtcp ", 5) == 0) on_packet(&sessions[id], 1, line + packet);
    else if (sscanf(line, "roc %*d %u %u", &ssrc, &roc) == 2) answer(srtp_set_stream_roc(sessions[id].srtp, ssrc, roc));
    else if (strncmp(line, "close ", 6) == 0) { close_session(&sessions[id]); puts("ok"); }
    else if (sscanf(line, "time %*d %d %d %d %d %d", &count_sessions, &first, &bytes, &count, &slot) == 5)
        on_time(&sessions[id], count_sessions, first, bytes, count, slot);
    else puts("error -1");
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    static char output[1 << 16];
    setvbuf(stdout, output, _IOFBF, sizeof output);
    if (srtp_init() != srtp_err_status_ok) return 1;
    while (getline(&line, &room, stdin) > 0) {
        on_line(line);
        fflush(stdout);
    }
    free(line);
    for (int id = 0; id < MAX_SESSIONS; id++) close_session(&sessions[id]);
    return srtp_shutdown() != srtp_err_status_ok;
}
