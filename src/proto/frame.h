/*
 * CONTROL frames: one struct for a decoded frame of any type, host byte order, and the way to and from bytes.
 *
 * Decoding is strict: unknown types, short bodies, counts or values out of range make the whole packet
 * invalid. What frame_next() hands out has been checked against the bounds of proto.h.
 */
#pragma once

#include "base/addr.h"
#include "base/wire.h"
#include "jumpvpn/policy.h"
#include "jumpvpn/proto.h"

struct path_report {
	uint32_t sent;
	uint32_t received;
	uint8_t epoch;
	uint64_t highest; /* of DATA accepted: its counter + 1 */
	uint8_t newest_epoch;
	uint64_t newest; /* of DATA sent: its counter + 1 */
};

struct locator {
	uint8_t slot;
	uint8_t locator[8];
	uint8_t token[PROTO_TOKEN_LEN];
};

struct net_item {
	enum net_item_kind kind;
	struct prefix prefix; /* an address keeps its host bits; DNS has length 128 */
};

/* Net items that fit into one POLICY frame, and into all of one generation. */
#define POLICY_ITEMS_MAX 48
#define POLICY_PARTS_MAX 16

struct frame {
	enum frame_type type;
	union {
		struct {
			uint32_t id;
			uint8_t path;
			uint8_t flags;
			uint64_t age_us;
			uint32_t policy_generation;
			uint32_t locators_seq;
			uint16_t spent;
			struct path_report report;
		} ping;
		struct {
			uint32_t id;
			uint8_t path;
			uint64_t echo_us;
			uint64_t age_us;
			uint32_t binding_version;
			struct path_report report;
		} pong;
		struct {
			uint32_t id;
			uint8_t path;
			uint8_t reason;
			uint32_t binding_version;
			uint64_t age_us;
			uint8_t epoch;
			uint64_t highest;
		} jump;
		struct {
			uint32_t id;
			uint32_t binding_version;
			uint32_t state_version;
			uint8_t epoch;
			uint64_t highest;
		} jump_ack;
		struct {
			uint32_t id;
			uint8_t reason;
			uint32_t retry_after_ms;
			uint32_t binding_version;
		} jump_reject;
		struct {
			uint8_t nonce[8];
		} path_probe; /* PATH_CHALLENGE and PATH_RESPONSE */
		struct {
			uint32_t seq;
			uint8_t count;
			struct locator list[PROTO_SLOTS_MAX];
		} locators;
		struct {
			uint8_t epoch;
			uint8_t e[PROTO_KEY_LEN];
		} rekey; /* REKEY_OFFER and REKEY_ACCEPT */
		struct {
			uint32_t generation;
			uint8_t part;
			uint8_t parts;
			uint16_t mtu;
			struct policy policy;
			uint8_t items;
			struct net_item item[POLICY_ITEMS_MAX];
		} policy;
		struct {
			uint8_t reason;
		} close;
		struct {
			uint32_t id;
			uint16_t size;
			uint8_t flags;
		} probe;
		struct {
			uint32_t id;
			uint16_t size;
			uint16_t since_ms;
		} probe_ack;
	};
};

/* Appends; the writer's sticky error tells when it did not fit, and then nothing of it was written. */
void frame_write(struct writer *w, const struct frame *f);
/*
 * The next frame behind any padding. True: *f is one. False: the packet is at its end, or invalid when
 * r->error is set.
 */
bool frame_next(struct reader *r, struct frame *f);
/* FRAME_PING ... as "PING", for traces; NULL when unknown. */
const char *frame_name(unsigned int type);

/* What a WELCOME says, decoded; checked like a POLICY frame. */
struct welcome {
	uint8_t session_id[PROTO_SESSION_ID_LEN];
	enum suite suite;
	uint32_t policy_generation;
	uint16_t mtu;
	uint8_t parts; /* POLICY frames still to come */
	struct policy policy;
	uint8_t locators;
	struct locator locator[PROTO_SLOTS_MAX];
	uint8_t items;
	struct net_item item[POLICY_ITEMS_MAX];
};

/* PROTO_WELCOME_PAYLOAD bytes, at the beginning of the writer's room; its error when the lists do not fit. */
void welcome_write(struct writer *w, const struct welcome *in);
/* False: too short, values out of their bounds, or no locator. What stands behind the lists is for later versions. */
bool welcome_read(const uint8_t *data, size_t len, struct welcome *out);
