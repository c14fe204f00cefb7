/*
 * The wire format of Jumping VPN, version 1: every packet, frame, limit and lifetime.
 *
 * All integers are big endian and made of bytes, so no struct here has padding or alignment. What
 * each field means is told in jumpvpn-protocol(7); how it is made and judged, in src/proto.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "jumpvpn/be.h"

#define PROTO_PROLOGUE "JumpVPN/1" /* Noise prologue, without the NUL */

enum packet_type { /* first byte of a datagram; the high nibble is the version */
	PACKET_HELLO = 0x11,
	PACKET_WELCOME = 0x12,
	PACKET_COOKIE = 0x13,
	PACKET_SEALED = 0x14, /* DATA or CONTROL: which of them, enum sealed_kind tells under the mask */
	PACKET_RESET = 0x16,
};

enum suite { /* AEAD of a handshake and of the traffic behind it */
	SUITE_AES_256_GCM = 1,
	SUITE_CHACHA20_POLY1305 = 2,
};
#define SUITE_BIT(suite) (1u << (suite)) /* in hello_payload.suites */

enum proto_sizes {
	PROTO_KEY_LEN = 32,
	PROTO_TAG_LEN = 16,
	PROTO_NONCE_LEN = 12,
	PROTO_MAC_LEN = 16,
	PROTO_SESSION_ID_LEN = 16,
	PROTO_TOKEN_LEN = 16,
	PROTO_HEADER_LEN = 16,
	PROTO_OVERHEAD = PROTO_HEADER_LEN + PROTO_TAG_LEN,
	PROTO_HELLO_LEN = 1200,       /* exactly, and so a WELCOME, which is never longer than its HELLO */
	PROTO_WELCOME_LEN = PROTO_HELLO_LEN,
	PROTO_CONTROL_SMALL = 128,    /* CONTROL is filled up to this length, */
	PROTO_CONTROL_MAX = 1200,     /* or to this; only a path MTU probe has any other */
	PROTO_AMPLIFICATION = 3,      /* bytes sent to an unproven address per byte received */
	PROTO_PATHS_MAX = 8,          /* candidate paths of a session; numbers 0..7 */
	PROTO_SPARE_LOCATORS = 2,     /* issued beyond one for each candidate path */
	PROTO_SLOTS_MAX = PROTO_PATHS_MAX + PROTO_SPARE_LOCATORS,
	PROTO_WORKERS_MAX = 256,
	PROTO_MTU_MIN = 576,          /* of the inner device; 1280 where IPv6 runs inside */
	PROTO_MTU_MAX = 9000,
	PROTO_PROBE_LEAST = 548,      /* bytes of UDP that any IPv4 host takes (RFC 791: 576 with headers) */
	PROTO_PROBE_MAX = PROTO_MTU_MAX + PROTO_OVERHEAD,
};

#define PROTO_COUNTER_MAX ((UINT64_C(1) << 48) - 1)

enum proto_times { /* milliseconds; everything not named here is policy */
	PROTO_COOKIE_SECRET_MS = 120000, /* a cookie is good for this long to twice this long */
	PROTO_IDLE_PACKETS = 100,        /* either way, and no DATA: keys that are as good as new */
	PROTO_EPOCH_GRACE_MS = 10000,    /* the old epoch is accepted for this long after a rekey */
	PROTO_SILENCE_MIN_MS = 30,       /* least silence after data before a PING */
	PROTO_REPROBE_MIN_MS = 10,       /* least time between two PINGs on a suspected path */
	PROTO_FIRST_PROBE_MS = 20,       /* least time for the first PING of a row */
	PROTO_HELLO_RETRY_MIN_MS = 300,  /* first wait for a WELCOME, in the mean; doubles */
	PROTO_HELLO_RETRY_MAX_MS = 5000,
	PROTO_RESOLVE_MS = 5000,         /* between two look-ups of the server's names */
	PROTO_RESERVE_LOSS_PPM = 500000, /* a path that loses more may be left with the last switch of a minute */
	PROTO_CHALLENGES = 10,           /* PATH_CHALLENGEs in a row unanswered: the address is not usable */
	PROTO_PROOF_MS = 30000,          /* after this an address is challenged anew, */
	PROTO_PROOF_MAX_MS = 180000,     /* and after this it counts as unproven */
	PROTO_PROBE_ANSWERS = 64,        /* of full size, that PROBEs on one path may have in a second */
	PROTO_RETRY_MIN_MS = 50,         /* JUMP, REKEY_OFFER: least time between repetitions */
};

/* A key seals at most this many packets; a rekey is offered at half of it. */
#define PROTO_PACKETS_PER_EPOCH (UINT64_C(1) << 30)

/*
 * HELLO, client to server: Noise_IKpsk2 message 1
 *
 *     type, suite, 0 (6), handshake id (8) | e (32) | s (32+16) | payload (1056+16) | mac1 | mac2
 */
struct hello_payload {
	be16 suites;      /* SUITE_BIT of each AEAD the client has */
	uint8_t paths;    /* candidate paths wanted, 1..PROTO_PATHS_MAX */
	uint8_t cookie[PROTO_MAC_LEN]; /* the one mac2 is made with, or zero: shows that the HELLO was made after it */
	be64 number; /* greater in each HELLO of this client: what is recorded and sent again shows by it */
	uint8_t zero[1029]; /* sent as zero, ignored on receipt: room for later versions */
};

struct packet_hello {
	uint8_t type;
	uint8_t suite;
	uint8_t zero[6];
	uint8_t handshake_id[8]; /* random; comes back in WELCOME and COOKIE */
	uint8_t e[PROTO_KEY_LEN];
	uint8_t s[PROTO_KEY_LEN + PROTO_TAG_LEN];
	uint8_t payload[sizeof(struct hello_payload) + PROTO_TAG_LEN];
	uint8_t mac1[PROTO_MAC_LEN]; /* of all before the payload, keyed by the server's public key */
	uint8_t mac2[PROTO_MAC_LEN]; /* of mac1, keyed by a cookie; or zero */
};
static_assert(sizeof(struct hello_payload) == 1056, "hello_payload");
static_assert(sizeof(struct packet_hello) == PROTO_HELLO_LEN, "packet_hello");

#define PROTO_WELCOME_PAYLOAD 1136 /* in clear; always, so that its length tells nothing */

/* WELCOME, server to client: Noise_IKpsk2 message 2. What does not fit follows in POLICY frames. */
struct packet_welcome {
	uint8_t type;
	uint8_t suite;
	uint8_t zero[6];
	uint8_t handshake_id[8];
	uint8_t e[PROTO_KEY_LEN];
	uint8_t payload[PROTO_WELCOME_PAYLOAD + PROTO_TAG_LEN]; /* struct welcome_payload, its lists, zeroes; a tag */
};
static_assert(sizeof(struct packet_welcome) == PROTO_WELCOME_LEN, "packet_welcome");

struct wire_policy {
	be32 value[23]; /* in the order of POLICY_LIST */
};

struct wire_locator {
	uint8_t slot;      /* 0..PROTO_SLOTS_MAX-1: replaces what the slot held */
	uint8_t locator[8]; /* node, 7 random bytes */
	uint8_t token[PROTO_TOKEN_LEN]; /* what a RESET for this locator will carry */
};

enum net_item_kind { NET_ITEM_ADDRESS = 1, NET_ITEM_ROUTE = 2, NET_ITEM_DNS = 3 };

struct wire_net_item {
	uint8_t kind;
	uint8_t prefix;  /* length in bits of the address as it stands: IPv4 /24 is 120 */
	uint8_t ip[16];  /* IPv6, or IPv4 as ::ffff:a.b.c.d */
};

struct welcome_payload {
	uint8_t session_id[PROTO_SESSION_ID_LEN];
	uint8_t suite;      /* AEAD of DATA and CONTROL */
	uint8_t locators;   /* how many struct wire_locator follow */
	uint8_t items;      /* how many struct wire_net_item follow those */
	uint8_t parts;      /* POLICY frames still to come: 0 when everything is here */
	be32 policy_generation;
	be16 mtu;           /* of the inner device */
	uint8_t zero[2];
	struct wire_policy policy;
	/* struct wire_locator[locators]; struct wire_net_item[items]; zeroes, ignored on receipt */
};
static_assert(sizeof(struct wire_policy) == 92, "wire_policy");
static_assert(sizeof(struct wire_locator) == 25, "wire_locator");
static_assert(sizeof(struct wire_net_item) == 18, "wire_net_item");
static_assert(sizeof(struct welcome_payload) == 120, "welcome_payload");

/* COOKIE, server to client: send another HELLO, with mac2 made with this cookie. */
struct packet_cookie {
	uint8_t type;
	uint8_t suite;
	uint8_t zero[6];
	uint8_t handshake_id[8];
	uint8_t nonce[16];
	uint8_t sealed[PROTO_MAC_LEN + PROTO_TAG_LEN];
};
static_assert(sizeof(struct packet_cookie) == 64, "packet_cookie");

/* DATA and CONTROL: this header, ciphertext, tag. Bytes 1..7 are masked (RFC 9001 section 5.4), so that nobody on the
 * way can tell one from the other but by its length. */
struct packet_header {
	uint8_t type;
	uint8_t kind_epoch; /* enum sealed_kind, and the low bits of the epoch's number */
	be48 counter;
	uint8_t locator[8];
};
static_assert(sizeof(struct packet_header) == PROTO_HEADER_LEN, "packet_header");

enum sealed_kind {
	SEALED_DATA = 0x00,    /* binds the first eight bytes of its header */
	SEALED_CONTROL = 0x80, /* binds all sixteen */
};
#define PROTO_EPOCH_MASK 0x7fu /* the other bits of that byte; two epochs live at a time */

/* Behind the node all is random; the server knows its worker by it (locator.h). */
enum locator_offset { LOCATOR_NODE = 0, LOCATOR_RANDOM = 1 };

/* RESET, server to client: "I do not know this session." Never longer than what provoked it. */
struct packet_reset {
	uint8_t type;
	uint8_t zero[7];
	uint8_t locator[8];
	uint8_t token[PROTO_TOKEN_LEN];
};
static_assert(sizeof(struct packet_reset) == 32, "packet_reset");

/*
 * Frames: the plaintext of a CONTROL packet is a sequence of them, a type byte and a body of fixed
 * size, after which some carry a list. An unknown type makes the whole packet invalid.
 */
enum frame_type {
	FRAME_PAD = 0x00, /* no body */
	FRAME_PING = 0x01,
	FRAME_PONG = 0x02,
	FRAME_JUMP = 0x03,
	FRAME_JUMP_ACK = 0x04,
	FRAME_JUMP_REJECT = 0x05,
	FRAME_PATH_CHALLENGE = 0x06,
	FRAME_PATH_RESPONSE = 0x07,
	FRAME_LOCATORS = 0x08,
	FRAME_REKEY_OFFER = 0x09,
	FRAME_REKEY_ACCEPT = 0x0a,
	FRAME_POLICY = 0x0b,
	FRAME_CLOSE = 0x0c,
	FRAME_PROBE = 0x0d,
	FRAME_PROBE_ACK = 0x0e,
};

/* How a path did, told in every PING and PONG; counts are of this path, since its locator was
 * first used, and wrap. */
struct wire_path_report {
	be32 sent;          /* DATA and CONTROL packets sent, this one included */
	be32 received;      /* authentic DATA and CONTROL packets received */
	uint8_t epoch;      /* of the DATA with the highest counter that was accepted in this session */
	be48 highest;       /* that counter + 1; 0: no DATA yet */
	uint8_t newest_epoch; /* of the newest DATA sent on this path since the session last moved to it */
	be48 newest;        /* its counter + 1; 0: none */
};

enum ping_flag {
	PING_PEER_DEAD = 0x01, /* the active path carries nothing, as far as I can see */
};

struct frame_ping {
	be32 id;
	uint8_t path;       /* number of the candidate path, chosen by the client */
	uint8_t flags;      /* enum ping_flag */
	be64 age_us;        /* of the session, by the sender's clock */
	be32 policy_generation; /* client: the last one complete; server: the current one */
	be32 locators_seq;  /* client: the last LOCATORS taken; server: the last one issued */
	be16 spent;         /* client: a bit for each slot whose locator it will not use again; server: 0 */
	struct wire_path_report report;
};

struct frame_pong {
	be32 id;            /* of the PING */
	uint8_t path;       /* of the PING */
	uint8_t zero;
	be64 echo_us;       /* age_us of the PING */
	be64 age_us;        /* of the session, by the answerer's clock */
	be32 binding_version; /* server: the current one; client: the last one it knows */
	struct wire_path_report report;
};

struct frame_jump { /* client: attach the path this came on. Server: please jump to this path. */
	be32 id;            /* the same in every repetition */
	uint8_t path;
	uint8_t reason;     /* enum reason: the evidence */
	be32 binding_version; /* the binding that this jump replaces */
	be64 age_us;
	uint8_t epoch;      /* DATA accepted so far: see wire_path_report */
	be48 highest;
};

struct frame_jump_ack {
	be32 id;
	be32 binding_version; /* after the jump */
	be32 state_version;
	uint8_t epoch;      /* DATA accepted before this jump; the same in every repetition */
	be48 highest;
};

struct frame_jump_reject {
	be32 id;
	uint8_t reason;
	be32 retry_after_ms;  /* 0: do not repeat this request */
	be32 binding_version; /* the current one */
};

struct frame_path_probe { /* PATH_CHALLENGE and PATH_RESPONSE */
	uint8_t nonce[8];
};

struct frame_locators {
	be32 seq;           /* grows with each change; lists are cumulative per slot */
	uint8_t count;      /* 1..PROTO_SLOTS_MAX */
	/* struct wire_locator[count] */
};

struct frame_rekey { /* REKEY_OFFER and REKEY_ACCEPT */
	uint8_t epoch;      /* low byte of the epoch this makes */
	uint8_t e[PROTO_KEY_LEN];
};

struct frame_policy {
	be32 generation;
	uint8_t part;       /* 0..parts-1 */
	uint8_t parts;
	be16 mtu;
	struct wire_policy policy; /* the same in every part */
	uint8_t items;      /* how many struct wire_net_item follow; parts together replace the lists */
};

struct frame_close {
	uint8_t reason;
};

enum probe_flag {
	PROBE_BACK = 0x01, /* answer with a packet as large as you send on this path */
};

/* Path MTU: the packet is filled with PAD up to `size`. It is counted in no report, nor is its answer. */
struct frame_probe {
	be32 id;
	be16 size;          /* of the datagram */
	uint8_t flags;      /* enum probe_flag */
};

struct frame_probe_ack {
	be32 id;            /* of the PROBE */
	be16 size;          /* of the PROBE */
	be16 since_ms;      /* for so long the answerer has sent no larger packets on this path than now */
};

static_assert(sizeof(struct frame_probe) == 7, "frame_probe");
static_assert(sizeof(struct frame_probe_ack) == 8, "frame_probe_ack");
static_assert(sizeof(struct wire_path_report) == 22, "wire_path_report");
static_assert(sizeof(struct frame_ping) == 46, "frame_ping");
static_assert(sizeof(struct frame_pong) == 48, "frame_pong");
static_assert(sizeof(struct frame_jump) == 25, "frame_jump");
static_assert(sizeof(struct frame_jump_ack) == 19, "frame_jump_ack");
static_assert(sizeof(struct frame_jump_reject) == 13, "frame_jump_reject");
static_assert(sizeof(struct frame_rekey) == 33, "frame_rekey");
static_assert(sizeof(struct frame_policy) == 101, "frame_policy");
