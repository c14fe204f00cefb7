/*
 * Frames to and from bytes. Each type has one writer and one reader that mirror its wire struct in
 * proto.h; a reader answers false for a value out of bounds, and a short body is the cursor's error.
 *
 * There is one encoding of each frame: what decodes, encodes to the same bytes again.
 */
#include "proto/frame.h"

#include "base/log.h"
#include "jumpvpn/reason.h"

/* --- parts that several frames share --- */

static struct wire_path_report report_to_wire(const struct path_report *r)
{
	return (struct wire_path_report){
		.sent = put_be32(r->sent),
		.received = put_be32(r->received),
		.epoch = r->epoch,
		.highest = put_be48(r->highest),
		.newest_epoch = r->newest_epoch,
		.newest = put_be48(r->newest),
	};
}

static struct path_report report_from_wire(const struct wire_path_report *w)
{
	return (struct path_report){
		.sent = get_be32(w->sent),
		.received = get_be32(w->received),
		.epoch = w->epoch,
		.highest = get_be48(w->highest),
		.newest_epoch = w->newest_epoch,
		.newest = get_be48(w->newest),
	};
}

static void policy_to_wire(struct wire_policy *w, const struct policy *p)
{
	be32 *value = w->value;

	static_assert(sizeof(w->value) == POLICY_KEYS * sizeof(be32), "wire_policy carries every key");
#define X(section, key, KIND, def, least, most) *value++ = put_be32(p->key);
	POLICY_LIST(X)
#undef X
}

enum policy_kind { KIND_MS, KIND_COUNT, KIND_BYTES, KIND_PPM, KIND_POW2 };

static bool policy_value(uint32_t *out, be32 wire, enum policy_kind kind, uint32_t least, uint32_t most)
{
	*out = get_be32(wire);
	if (kind == KIND_POW2 && (*out & (*out - 1)) != 0)
		return false;
	return *out >= least && *out <= most;
}

static bool policy_from_wire(struct policy *p, const struct wire_policy *w)
{
	const be32 *value = w->value;
	bool ok = true;

#define X(section, key, KIND, def, least, most)                                                    \
	ok &= policy_value(&p->key, *value++, KIND_##KIND, least, most);
	POLICY_LIST(X)
#undef X
	return ok;
}

static bool mtu_is_valid(uint16_t mtu)
{
	return mtu >= PROTO_MTU_MIN && mtu <= PROTO_MTU_MAX;
}

static void write_locators(struct writer *w, const struct locator *list, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct wire_locator wire = { .slot = list[i].slot };

		memcpy(wire.locator, list[i].locator, sizeof(wire.locator));
		memcpy(wire.token, list[i].token, sizeof(wire.token));
		write_bytes(w, &wire, sizeof(wire));
	}
}

static bool read_locators(struct reader *r, struct locator *list, unsigned int count)
{
	if (count < 1 || count > PROTO_SLOTS_MAX)
		return false;
	for (unsigned int i = 0; i < count; i++) {
		struct wire_locator wire;

		read_bytes(r, &wire, sizeof(wire));
		if (wire.slot != i)
			return false;
		list[i].slot = wire.slot;
		memcpy(list[i].locator, wire.locator, sizeof(wire.locator));
		memcpy(list[i].token, wire.token, sizeof(wire.token));
	}
	return true;
}

static void write_items(struct writer *w, const struct net_item *item, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct wire_net_item wire = { .kind = (uint8_t)item[i].kind, .prefix = item[i].prefix.len };

		memcpy(wire.ip, item[i].prefix.ip.b, sizeof(wire.ip));
		write_bytes(w, &wire, sizeof(wire));
	}
}

static bool item_is_valid(const struct net_item *item)
{
	const struct prefix *p = &item->prefix;

	struct ip net;

	if (p->len > 128 || (ip_is_v4(&p->ip) && p->len < 96))
		return false;
	switch (item->kind) {
	case NET_ITEM_ADDRESS:
		return true;
	case NET_ITEM_ROUTE:
		net = ip_masked(&p->ip, p->len);
		return ip_equal(&net, &p->ip);
	case NET_ITEM_DNS:
		return p->len == 128;
	}
	return false;
}

static bool read_items(struct reader *r, struct net_item *item, unsigned int count)
{
	if (count > POLICY_ITEMS_MAX)
		return false;
	for (unsigned int i = 0; i < count; i++) {
		struct wire_net_item wire;

		read_bytes(r, &wire, sizeof(wire));
		item[i].kind = wire.kind;
		item[i].prefix.len = wire.prefix;
		memcpy(item[i].prefix.ip.b, wire.ip, sizeof(wire.ip));
		if (!item_is_valid(&item[i]))
			return false;
	}
	return true;
}

/* --- one writer and one reader a frame --- */

static void write_ping(struct writer *w, const struct frame *f)
{
	struct frame_ping wire = {
		.id = put_be32(f->ping.id),
		.path = f->ping.path,
		.flags = f->ping.flags,
		.age_us = put_be64(f->ping.age_us),
		.policy_generation = put_be32(f->ping.policy_generation),
		.locators_seq = put_be32(f->ping.locators_seq),
		.spent = put_be16(f->ping.spent),
		.report = report_to_wire(&f->ping.report),
	};

	write_bytes(w, &wire, sizeof(wire));
}

static bool read_ping(struct reader *r, struct frame *f)
{
	struct frame_ping wire;

	read_bytes(r, &wire, sizeof(wire));
	f->ping.id = get_be32(wire.id);
	f->ping.path = wire.path;
	f->ping.flags = wire.flags;
	f->ping.age_us = get_be64(wire.age_us);
	f->ping.policy_generation = get_be32(wire.policy_generation);
	f->ping.locators_seq = get_be32(wire.locators_seq);
	f->ping.spent = get_be16(wire.spent);
	f->ping.report = report_from_wire(&wire.report);
	return f->ping.id != 0 && wire.path < PROTO_PATHS_MAX && (wire.flags & ~(unsigned int)PING_PEER_DEAD) == 0 &&
	       f->ping.spent < 1u << PROTO_SLOTS_MAX;
}

static void write_pong(struct writer *w, const struct frame *f)
{
	struct frame_pong wire = {
		.id = put_be32(f->pong.id),
		.path = f->pong.path,
		.echo_us = put_be64(f->pong.echo_us),
		.age_us = put_be64(f->pong.age_us),
		.binding_version = put_be32(f->pong.binding_version),
		.report = report_to_wire(&f->pong.report),
	};

	write_bytes(w, &wire, sizeof(wire));
}

static bool read_pong(struct reader *r, struct frame *f)
{
	struct frame_pong wire;

	read_bytes(r, &wire, sizeof(wire));
	f->pong.id = get_be32(wire.id);
	f->pong.path = wire.path;
	f->pong.echo_us = get_be64(wire.echo_us);
	f->pong.age_us = get_be64(wire.age_us);
	f->pong.binding_version = get_be32(wire.binding_version);
	f->pong.report = report_from_wire(&wire.report);
	return wire.path < PROTO_PATHS_MAX && wire.zero == 0;
}

static void write_jump(struct writer *w, const struct frame *f)
{
	struct frame_jump wire = {
		.id = put_be32(f->jump.id),
		.path = f->jump.path,
		.reason = f->jump.reason,
		.binding_version = put_be32(f->jump.binding_version),
		.age_us = put_be64(f->jump.age_us),
		.epoch = f->jump.epoch,
		.highest = put_be48(f->jump.highest),
	};

	write_bytes(w, &wire, sizeof(wire));
}

static bool read_jump(struct reader *r, struct frame *f)
{
	struct frame_jump wire;

	read_bytes(r, &wire, sizeof(wire));
	f->jump.id = get_be32(wire.id);
	f->jump.path = wire.path;
	f->jump.reason = wire.reason;
	f->jump.binding_version = get_be32(wire.binding_version);
	f->jump.age_us = get_be64(wire.age_us);
	f->jump.epoch = wire.epoch;
	f->jump.highest = get_be48(wire.highest);
	return f->jump.id != 0 && wire.path < PROTO_PATHS_MAX && reason_name(wire.reason);
}

static void write_jump_ack(struct writer *w, const struct frame *f)
{
	struct frame_jump_ack wire = {
		.id = put_be32(f->jump_ack.id),
		.binding_version = put_be32(f->jump_ack.binding_version),
		.state_version = put_be32(f->jump_ack.state_version),
		.epoch = f->jump_ack.epoch,
		.highest = put_be48(f->jump_ack.highest),
	};

	write_bytes(w, &wire, sizeof(wire));
}

static bool read_jump_ack(struct reader *r, struct frame *f)
{
	struct frame_jump_ack wire;

	read_bytes(r, &wire, sizeof(wire));
	f->jump_ack.id = get_be32(wire.id);
	f->jump_ack.binding_version = get_be32(wire.binding_version);
	f->jump_ack.state_version = get_be32(wire.state_version);
	f->jump_ack.epoch = wire.epoch;
	f->jump_ack.highest = get_be48(wire.highest);
	return true;
}

static void write_jump_reject(struct writer *w, const struct frame *f)
{
	struct frame_jump_reject wire = {
		.id = put_be32(f->jump_reject.id),
		.reason = f->jump_reject.reason,
		.retry_after_ms = put_be32(f->jump_reject.retry_after_ms),
		.binding_version = put_be32(f->jump_reject.binding_version),
	};

	write_bytes(w, &wire, sizeof(wire));
}

static bool read_jump_reject(struct reader *r, struct frame *f)
{
	struct frame_jump_reject wire;

	read_bytes(r, &wire, sizeof(wire));
	f->jump_reject.id = get_be32(wire.id);
	f->jump_reject.reason = wire.reason;
	f->jump_reject.retry_after_ms = get_be32(wire.retry_after_ms);
	f->jump_reject.binding_version = get_be32(wire.binding_version);
	return reason_name(wire.reason);
}

static void write_path_probe(struct writer *w, const struct frame *f)
{
	write_bytes(w, f->path_probe.nonce, sizeof(f->path_probe.nonce));
}

static bool read_path_probe(struct reader *r, struct frame *f)
{
	read_bytes(r, f->path_probe.nonce, sizeof(f->path_probe.nonce));
	return true;
}

static void write_locators_frame(struct writer *w, const struct frame *f)
{
	struct frame_locators wire = { .seq = put_be32(f->locators.seq), .count = f->locators.count };

	write_bytes(w, &wire, sizeof(wire));
	write_locators(w, f->locators.list, f->locators.count);
}

static bool read_locators_frame(struct reader *r, struct frame *f)
{
	struct frame_locators wire;

	read_bytes(r, &wire, sizeof(wire));
	f->locators.seq = get_be32(wire.seq);
	f->locators.count = wire.count;
	return read_locators(r, f->locators.list, wire.count);
}

static void write_rekey(struct writer *w, const struct frame *f)
{
	struct frame_rekey wire = { .epoch = f->rekey.epoch };

	memcpy(wire.e, f->rekey.e, sizeof(wire.e));
	write_bytes(w, &wire, sizeof(wire));
}

static bool read_rekey(struct reader *r, struct frame *f)
{
	struct frame_rekey wire;

	read_bytes(r, &wire, sizeof(wire));
	f->rekey.epoch = wire.epoch;
	memcpy(f->rekey.e, wire.e, sizeof(wire.e));
	return true;
}

static void write_policy(struct writer *w, const struct frame *f)
{
	struct frame_policy wire = {
		.generation = put_be32(f->policy.generation),
		.part = f->policy.part,
		.parts = f->policy.parts,
		.mtu = put_be16(f->policy.mtu),
		.items = f->policy.items,
	};

	policy_to_wire(&wire.policy, &f->policy.policy);
	write_bytes(w, &wire, sizeof(wire));
	write_items(w, f->policy.item, f->policy.items);
}

static bool read_policy(struct reader *r, struct frame *f)
{
	struct frame_policy wire;

	read_bytes(r, &wire, sizeof(wire));
	f->policy.generation = get_be32(wire.generation);
	f->policy.part = wire.part;
	f->policy.parts = wire.parts;
	f->policy.mtu = get_be16(wire.mtu);
	f->policy.items = wire.items;
	if (f->policy.generation == 0 || wire.parts > POLICY_PARTS_MAX || wire.part >= wire.parts ||
	    !mtu_is_valid(f->policy.mtu))
		return false;
	return policy_from_wire(&f->policy.policy, &wire.policy) && read_items(r, f->policy.item, wire.items);
}

static void write_close(struct writer *w, const struct frame *f)
{
	write_u8(w, f->close.reason);
}

static bool read_close(struct reader *r, struct frame *f)
{
	f->close.reason = read_u8(r);
	return reason_name(f->close.reason);
}

static void write_probe(struct writer *w, const struct frame *f)
{
	struct frame_probe wire = {
		.id = put_be32(f->probe.id),
		.size = put_be16(f->probe.size),
		.flags = f->probe.flags,
	};

	write_bytes(w, &wire, sizeof(wire));
}

static bool read_probe(struct reader *r, struct frame *f)
{
	struct frame_probe wire;

	read_bytes(r, &wire, sizeof(wire));
	f->probe.id = get_be32(wire.id);
	f->probe.size = get_be16(wire.size);
	f->probe.flags = wire.flags;
	return (wire.flags & ~(unsigned int)PROBE_BACK) == 0;
}

static void write_probe_ack(struct writer *w, const struct frame *f)
{
	struct frame_probe_ack wire = {
		.id = put_be32(f->probe_ack.id),
		.size = put_be16(f->probe_ack.size),
		.since_ms = put_be16(f->probe_ack.since_ms),
	};

	write_bytes(w, &wire, sizeof(wire));
}

static bool read_probe_ack(struct reader *r, struct frame *f)
{
	struct frame_probe_ack wire;

	read_bytes(r, &wire, sizeof(wire));
	f->probe_ack.id = get_be32(wire.id);
	f->probe_ack.size = get_be16(wire.size);
	f->probe_ack.since_ms = get_be16(wire.since_ms);
	return true;
}

/* --- all of them --- */

struct format {
	const char *name;
	size_t body; /* without its list */
	void (*write)(struct writer *w, const struct frame *f);
	bool (*read)(struct reader *r, struct frame *f);
};

static const struct format formats[] = {
	[FRAME_PING] = { "PING", sizeof(struct frame_ping), write_ping, read_ping },
	[FRAME_PONG] = { "PONG", sizeof(struct frame_pong), write_pong, read_pong },
	[FRAME_JUMP] = { "JUMP", sizeof(struct frame_jump), write_jump, read_jump },
	[FRAME_JUMP_ACK] = { "JUMP_ACK", sizeof(struct frame_jump_ack), write_jump_ack, read_jump_ack },
	[FRAME_JUMP_REJECT] = { "JUMP_REJECT", sizeof(struct frame_jump_reject), write_jump_reject,
				read_jump_reject },
	[FRAME_PATH_CHALLENGE] = { "PATH_CHALLENGE", sizeof(struct frame_path_probe), write_path_probe,
				   read_path_probe },
	[FRAME_PATH_RESPONSE] = { "PATH_RESPONSE", sizeof(struct frame_path_probe), write_path_probe,
				  read_path_probe },
	[FRAME_LOCATORS] = { "LOCATORS", sizeof(struct frame_locators), write_locators_frame,
			     read_locators_frame },
	[FRAME_REKEY_OFFER] = { "REKEY_OFFER", sizeof(struct frame_rekey), write_rekey, read_rekey },
	[FRAME_REKEY_ACCEPT] = { "REKEY_ACCEPT", sizeof(struct frame_rekey), write_rekey, read_rekey },
	[FRAME_POLICY] = { "POLICY", sizeof(struct frame_policy), write_policy, read_policy },
	[FRAME_CLOSE] = { "CLOSE", sizeof(struct frame_close), write_close, read_close },
	[FRAME_PROBE] = { "PROBE", sizeof(struct frame_probe), write_probe, read_probe },
	[FRAME_PROBE_ACK] = { "PROBE_ACK", sizeof(struct frame_probe_ack), write_probe_ack, read_probe_ack },
};

/* NULL for an unknown type, and for padding, which is no frame. */
static const struct format *format_of(unsigned int type)
{
	if (type >= sizeof(formats) / sizeof(formats[0]) || !formats[type].name)
		return NULL;
	return &formats[type];
}

const char *frame_name(unsigned int type)
{
	const struct format *format = format_of(type);

	if (type == FRAME_PAD)
		return "PAD";
	return format ? format->name : NULL;
}

static size_t list_size(const struct frame *f)
{
	if (f->type == FRAME_LOCATORS) {
		if (f->locators.count > PROTO_SLOTS_MAX)
			bug("frame_write: %u locators", f->locators.count);
		return f->locators.count * sizeof(struct wire_locator);
	}
	if (f->type == FRAME_POLICY) {
		if (f->policy.items > POLICY_ITEMS_MAX)
			bug("frame_write: %u net items", f->policy.items);
		return f->policy.items * sizeof(struct wire_net_item);
	}
	return 0;
}

/* Sets the error now if `size` bytes will not fit, so that nothing is written in part. */
static bool fits(struct writer *w, size_t size)
{
	if (w->cap - w->len < size)
		w->error = true;
	return !w->error;
}

void frame_write(struct writer *w, const struct frame *f)
{
	const struct format *format = format_of(f->type);

	if (!format)
		bug("frame_write: type %u", (unsigned int)f->type);
	if (!fits(w, 1 + format->body + list_size(f)))
		return;
	write_u8(w, (uint8_t)f->type);
	format->write(w, f);
}

bool frame_next(struct reader *r, struct frame *f)
{
	const struct format *format;

	while (r->left > 0 && *r->at == FRAME_PAD) {
		r->at++;
		r->left--;
	}
	if (r->error || r->left == 0)
		return false;
	f->type = read_u8(r);
	format = format_of(f->type);
	if (!format || !format->read(r, f))
		r->error = true;
	return !r->error;
}

/* --- WELCOME --- */

void welcome_write(struct writer *w, const struct welcome *in)
{
	struct welcome_payload wire = {
		.suite = (uint8_t)in->suite,
		.locators = in->locators,
		.items = in->items,
		.parts = in->parts,
		.policy_generation = put_be32(in->policy_generation),
		.mtu = put_be16(in->mtu),
	};

	if (in->locators > PROTO_SLOTS_MAX || in->items > POLICY_ITEMS_MAX)
		bug("welcome_write: %u locators, %u net items", in->locators, in->items);
	w->error |= sizeof(wire) + in->locators * sizeof(struct wire_locator) +
			    in->items * sizeof(struct wire_net_item) >
		    PROTO_WELCOME_PAYLOAD;
	if (!fits(w, PROTO_WELCOME_PAYLOAD))
		return;
	memcpy(wire.session_id, in->session_id, sizeof(wire.session_id));
	policy_to_wire(&wire.policy, &in->policy);
	write_bytes(w, &wire, sizeof(wire));
	write_locators(w, in->locator, in->locators);
	write_items(w, in->item, in->items);
	write_zeroes(w, PROTO_WELCOME_PAYLOAD - w->len);
}

static bool welcome_header_is_valid(const struct welcome_payload *wire)
{
	return (wire->suite == SUITE_AES_256_GCM || wire->suite == SUITE_CHACHA20_POLY1305) &&
	       get_be32(wire->policy_generation) != 0 && wire->parts <= POLICY_PARTS_MAX && mtu_is_valid(get_be16(wire->mtu)) && wire->zero[0] == 0 &&
	       wire->zero[1] == 0;
}

bool welcome_read(const uint8_t *data, size_t len, struct welcome *out)
{
	struct reader r = reader_init(data, len);
	struct welcome_payload wire;

	read_bytes(&r, &wire, sizeof(wire));
	if (!welcome_header_is_valid(&wire))
		return false;
	memcpy(out->session_id, wire.session_id, sizeof(out->session_id));
	out->suite = wire.suite;
	out->policy_generation = get_be32(wire.policy_generation);
	out->mtu = get_be16(wire.mtu);
	out->parts = wire.parts;
	out->locators = wire.locators;
	out->items = wire.items;
	if (!policy_from_wire(&out->policy, &wire.policy))
		return false;
	return read_locators(&r, out->locator, wire.locators) && read_items(&r, out->item, wire.items) &&
	       !r.error;
}
