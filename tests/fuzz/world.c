/*
 * A client and a server in the virtual world, and what comes to them.
 *
 * The first byte chooses the state to begin in, and every byte that follows an act: raw bytes to either side, bytes
 * sealed with the right keys, datagrams of the session repeated or with bytes changed, handshake messages with
 * macs and seals made right, time, links, orders. Held throughout:
 *   - what is not authentic and new changes nothing of a session (I10), wherever it comes from;
 *   - no input makes a transition that the rows do not have;
 *   - the audit records of both ends keep the contract, and say what the engines say (world_check()).
 */
#include "session/engine.h"
#include "session/send.h"
#include "session/session.h"
#include "snapshot.h"

#include "proto/cookie.h"
#include "proto/packet.h"

#define ACTS_MAX 48

/* A datagram that proves nothing. */
static void outsider(struct world *w, bool up, const struct route *from, const uint8_t *data, size_t len)
{
	const struct snapshot client = snapshot(world_session(w, 0)), server = snapshot(world_peer(w, 0));

	if (up)
		world_inject_up(w, from, data, len);
	else
		world_inject_down(w, 0, from, data, len);
	HOLDS(same(&client, world_session(w, 0)));
	HOLDS(same(&server, world_peer(w, 0)));
}

/* Where a datagram comes from: a socket of the client's, or anywhere. */
static struct route source(struct world *w, uint8_t choice, bool up)
{
	const struct session *s = up ? world_peer(w, 0) : world_session(w, 0);
	struct route r = world_stranger(choice);
	const struct path *p = s ? s->slot[choice % s->slots].path : NULL;

	if (p && choice & 0x80 && path_is_known(p))
		return session_route(p);
	if (!up) {
		r.socket = choice % 8;
		r.remote.ip = world_server_ip();
		r.remote.port = 4433;
	}
	return r;
}

static void act_raw(struct world *w, struct input *in, bool up)
{
	const uint8_t choice = input_byte(in), type = input_byte(in);
	const struct session *s = up ? world_peer(w, 0) : world_session(w, 0);
	uint8_t datagram[WORLD_DATAGRAM_MAX] = { 0 };
	const struct route from = source(w, choice, up);
	const uint8_t *data;
	size_t len = input_bytes(in, true, &data);

	if (len > sizeof(datagram) - 1)
		len = sizeof(datagram) - 1;
	datagram[0] = type & 0x80 ? type : (uint8_t)(PACKET_HELLO + type % 7);
	if (len > 0)
		memcpy(datagram + 1, data, len);
	if (s && choice & 0x40) { /* under a locator that lives */
		memcpy(datagram + 8, s->slot[choice % s->slots].locator, 8);
		if (len + 1 < 16)
			len = 15;
	}
	outsider(w, up, &from, datagram, len + 1);
}

/* Any bytes as frames, under the sender's keys: a peer that has gone mad. */
static void act_frames(struct world *w, struct input *in, bool up)
{
	struct session *s = up ? world_session(w, 0) : world_peer(w, 0);
	const uint8_t slot = input_byte(in);
	struct control_packet c;
	const uint8_t *data;
	const size_t len = input_bytes(in, true, &data);
	struct path *p;

	if (!s || s->state == STATE_TERMINATED || s->state == STATE_BIRTH)
		return;
	p = s->slot[slot % s->slots].path;
	if (!p || !path_is_known(p) || !session_issued(s, p->slot))
		p = s->active;
	send_begin(&c);
	write_bytes(&c.w, data, len);
	if (!c.w.error)
		send_control(&c, p, NULL, w->now);
}

/* A frame that fits the moment, but for what the input adds. */
static void act_frame(struct world *w, struct input *in, bool up)
{
	struct session *s = up ? world_session(w, 0) : world_peer(w, 0);
	struct session *to = up ? world_peer(w, 0) : world_session(w, 0);
	const uint8_t kind = input_byte(in), slot = input_byte(in), a = input_byte(in), b = input_byte(in);
	struct a_frame f;
	struct path *p;

	memset(&f, 0, sizeof(f));
	if (!s || !to || s->state == STATE_TERMINATED || !s->active)
		return;
	p = s->slot[slot % s->slots].path;
	if (!p || !path_is_known(p) || !session_issued(s, p->slot))
		p = s->active;
	switch (kind % 6) {
	case 0:
		f.type = FRAME_JUMP;
		f.jump.id = put_be32(s->next_jump_id + (a & 3));
		f.jump.path = p->number;
		f.jump.reason = b % 12;
		f.jump.binding_version = put_be32(to->binding_version + (a >> 6));
		f.jump.age_us = put_be64(session_age_us(s, w->now) - (a & 0x10 ? 20000000u : 0));
		break;
	case 1:
		f.type = FRAME_JUMP_ACK;
		f.jump_ack.id = put_be32(to->next_jump_id - (a & 3));
		f.jump_ack.binding_version = put_be32(to->binding_version + (uint32_t)(b - 2));
		break;
	case 2:
		f.type = FRAME_JUMP_REJECT;
		f.jump_reject.id = put_be32(to->next_jump_id - (a & 1));
		f.jump_reject.reason = REASON_SWITCH_RATE_LIMITED + b % 39;
		if (!reason_name(f.jump_reject.reason))
			f.jump_reject.reason = REASON_STALE_BINDING_VERSION;
		f.jump_reject.retry_after_ms = put_be32((uint32_t)a << (b & 31));
		f.jump_reject.binding_version = put_be32(to->binding_version + (b >> 6));
		break;
	case 3:
		f.type = FRAME_PONG;
		f.pong.id = put_be32((to->slot[p->slot].path ? path_health(to->slot[p->slot].path)->ping_id : 0) - (a & 7));
		f.pong.path = p->number;
		f.pong.echo_us = put_be64(session_age_us(to, w->now) - (uint64_t)b * 1000);
		f.pong.age_us = put_be64(session_age_us(s, w->now));
		f.pong.binding_version = put_be32(to->binding_version + (a >> 6));
		break;
	case 4:
		f.type = FRAME_PING;
		f.ping.id = put_be32(++s->next_ping_id);
		f.ping.path = p->number;
		f.ping.flags = a & 1;
		f.ping.age_us = put_be64(session_age_us(s, w->now));
		f.ping.spent = put_be16(up ? b : 0);
		f.ping.locators_seq = put_be32(s->locators_seq);
		break;
	default:
		f.type = FRAME_REKEY_OFFER + (a & 1);
		f.rekey.epoch = (uint8_t)(s->keys.tx_epoch + b % 3);
		memset(f.rekey.e, a, sizeof(f.rekey.e));
	}
	send_frame(p, LIES(&f), w->now);
}

/* What the other side would take, but for one byte: fresh, in place, and not authentic. */
static void act_forged(struct world *w, struct input *in, bool up)
{
	struct session *s = up ? world_session(w, 0) : world_peer(w, 0);
	const uint8_t at = input_byte(in), flip = input_byte(in) | 1;
	const size_t flying = w->flight.n, recorded = w->record.n;
	struct datagram d;

	if (!s || s->state == STATE_TERMINATED || !s->active)
		return;
	send_ping(s->active, 0, w->now);
	w->flight.n = flying;
	if (w->record.n == recorded)
		return;
	d = w->record.list[--w->record.n];
	if (d.client >= w->clients)
		return;
	/* The first bytes of the ciphertext unmask the header: another epoch would be no forgery but noise. */
	d.data[32 + at % (d.len - 32)] ^= flip;
	outsider(w, d.up, &d.route, d.data, d.len);
}

/* A datagram of this session again, or changed. */
static void act_again(struct world *w, struct input *in)
{
	const uint8_t which = input_byte(in), flip = input_byte(in), at = input_byte(in);
	struct datagram d;
	struct route from;

	if (w->record.n == 0)
		return;
	d = w->record.list[w->record.n - 1 - which % w->record.n];
	if (d.client >= w->clients)
		return;
	if (flip) /* a byte behind the locator of a sealed packet: else only the path would be another */
		d.data[d.data[0] == PACKET_SEALED ? 16 + at % (d.len - 16)
									       : at % d.len] ^= flip;
	from = which & 0x80 ? source(w, at, d.up) : d.route;
	if (!flip && d.up) /* it may not have arrived yet: the second time counts */
		world_inject_up(w, &from, d.data, d.len);
	else if (!flip)
		world_inject_down(w, 0, &from, d.data, d.len);
	outsider(w, d.up, &from, d.data, d.len);
}

/* Its own HELLO with right macs, changed by the input under a right mac1; COOKIE and RESET with right secrets. */
static void act_handshake(struct world *w, struct input *in)
{
	const uint8_t kind = input_byte(in), choice = input_byte(in);
	struct route from = source(w, choice, (kind & 3) != 1);
	const uint8_t *data;
	size_t len = input_bytes(in, false, &data);
	struct cookie_keys keys;

	cookie_keys_derive(&keys, w->config->public_key);
	switch (kind & 3) {
	case 0: { /* any bytes under a right mac1: a HELLO of nobody */
		struct packet_hello h;

		memset(&h, choice, sizeof(h));
		memcpy((uint8_t *)&h + 1, data, len);
		h.type = PACKET_HELLO;
		h.suite = 1 + (kind >> 7);
		cookie_sign_hello(&keys, &h, NULL);
		outsider(w, true, &from, (const uint8_t *)&h, sizeof(h));
		break;
	}
	case 1: { /* RESET, with a token of the input's */
		struct session *s = world_session(w, 0);
		uint8_t reset[32] = { PACKET_RESET };

		if (!s)
			return;
		memcpy(reset + 8, s->slot[choice % s->slots].locator, 8);
		memcpy(reset + 16, data, len < 16 ? len : 16);
		outsider(w, false, &from, reset, sizeof(reset));
		break;
	}
	case 2: { /* a whole and true HELLO of the peer, with a payload of the input's */
		struct packet_hello h;
		struct noise n;
		uint8_t payload[sizeof(struct hello_payload)] = { 0 }, e[32];

		memset(&h, 0, sizeof(h));
		memset(e, choice | 1, sizeof(e));
		memcpy(payload, data, len);
		h.type = PACKET_HELLO;
		h.suite = 1;
		noise_init_initiator(&n, SUITE_AES_256_GCM, PROTO_PROLOGUE, sizeof(PROTO_PROLOGUE) - 1,
				     w->client[0].config.private_key, w->client[0].config.public_key,
				     w->config->public_key, w->config->peers[0].psk);
		HOLDS(noise_create_hello(&n, e, h.e, h.s, h.payload, payload, sizeof(payload)));
		noise_clear(&n);
		cookie_sign_hello(&keys, &h, NULL);
		outsider(w, true, &from, (const uint8_t *)&h, sizeof(h));
		break;
	}
	default: /* everybody begins again */
		if (len > 0 && data[0] & 1 && world_session(w, 0))
			engine_terminate(world_client_engine(w, 0), world_session(w, 0)->id, w->now);
		break;
	}
}

static void act_world(struct world *w, struct input *in)
{
	const uint8_t what = input_byte(in), path = input_byte(in) % w->paths;
	struct world_link *l = &w->client[0].link[path];

	switch (what & 7) {
	case 0:
		l->cut_up = !l->cut_up;
		break;
	case 1:
		l->cut_down = !l->cut_down;
		break;
	case 2:
		l->nat = (uint16_t)((l->nat + 1) % 5);
		break;
	case 3:
		l->loss_ppm = (uint32_t)(what >> 3) * 30000;
		break;
	case 4:
		if (world_session(w, 0))
			world_jump(w, 0, path, 1 + what);
		break;
	case 5:
		engine_candidate_down(world_client_engine(w, 0), path, REASON_TRANSPORT_DEAD, w->now);
		break;
	case 6:
		engine_candidate_moved(world_client_engine(w, 0), path, w->now);
		break;
	default:
		world_candidate(w, 0, path);
	}
}

static void begin(struct world *w, uint8_t state)
{
	w->recording = RECORD_SENT;
	world_start(w);
	if (state == 0)
		return;
	world_run(w, 3); /* WELCOME is under way, or just confirmed */
	if (state == 1)
		return;
	world_run(w, 400);
	world_traffic(w, &w->client[0].up, 10000, true);
	world_run(w, 100);
	if (state == 2)
		return;
	for (unsigned int i = 0; i < (state == 3 ? 1 : w->paths); i++)
		w->client[0].link[i].cut_up = w->client[0].link[i].cut_down = true;
	world_run(w, state == 4 ? 200 : state == 5 ? 9000 : 95);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct world *w = world_new(1, 1);

	w->paths = 2;
	begin(w, input_byte(&in) % 6);
	for (int i = 0; in.left > 0 && i < ACTS_MAX; i++) {
		const uint8_t act = input_byte(&in);

		switch (act % 12) {
		case 0:
		case 1:
			act_raw(w, &in, act & 1);
			break;
		case 2:
		case 3:
			act_frames(w, &in, act & 1);
			break;
		case 4:
		case 5:
			act_frame(w, &in, act & 1);
			break;
		case 6:
			act_again(w, &in);
			break;
		case 7:
			act_handshake(w, &in);
			break;
		case 8:
			act_world(w, &in);
			break;
		case 10:
		case 11:
			act_forged(w, &in, act & 1);
			break;
		default:
			world_run(w, 1 + (uint64_t)(act / 12) * (act / 12));
		}
	}
	world_run(w, 50);
	for (unsigned int e = 0; e < WORLD_ENGINES; e++)
		HOLDS(!w->engine[e].e || world_count(w, e, COUNT_ILLEGAL_TRANSITION) == 0);
	world_free(w);
	return 0;
}
