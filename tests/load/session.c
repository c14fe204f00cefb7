/* A session: its confirmation, its health as far as a client of one path looks after it, its jumps and its end. */
#include "load/client.h"

#include "jumpvpn/reason.h"

#define PATIENCE_FIRST_MS 300 /* before the round trip is known */
#define PATIENCE_LEAST_MS 30
#define JUMP_MOST_MS 500
#define JUMPS_PER_PORT 3
#define FAILOVER_MS 3000 /* without a sign of life since the path died: another session */
#define AGAIN_MS \
	1000 /* after an end that others may share, the first HELLO goes out at any time up to this */
#define OFFER_LEAST_MS 100
#define OFFER_MOST_MS 5000

static uint32_t patience_ms(const struct client *c)
{
	const uint32_t ms = (2 * c->srtt_us + 4 * c->rttvar_us) / 1000;

	if (c->srtt_us == 0)
		return PATIENCE_FIRST_MS;
	return ms > PATIENCE_LEAST_MS ? ms : PATIENCE_LEAST_MS;
}

static be64 age(const struct load *l, const struct client *c)
{
	return put_be64(l->now_us - (uint64_t)c->born_ms * 1000);
}

/* --- what it says --- */

static void put_report(const struct client *c, struct wire_path_report *r)
{
	r->sent = put_be32(c->sent + 1);
	r->received = put_be32(c->received);
	r->epoch = c->rx_data_epoch;
	r->highest = put_be48(c->rx_data);
	r->newest_epoch = c->tx_data_epoch;
	r->newest = put_be48(c->tx_data);
}

/* The slot that was left is drained first. */
static be16 spent_slots(const struct load *l, struct client *c)
{
	if (c->left < SLOTS && c->phase == PHASE_ATTACHED &&
	    load_ms(l) - c->moved_ms > l->policy.drain_ms + 100) {
		c->spent |= (uint8_t)(1u << c->left);
		c->left = SLOTS;
	}
	return put_be16(c->spent);
}

static void ping_send(struct load *l, struct client *c)
{
	struct control ct;
	struct frame_ping f = {
		.id = put_be32(++c->ping_id),
		.age_us = age(l, c),
		.policy_generation = put_be32(c->generation),
		.locators_seq = put_be32(c->locators_seq),
		.spent = spent_slots(l, c),
	};

	put_report(c, &f.report);
	control_begin(&ct);
	frame_write(&ct.w, &(struct frame){ FRAME_PING, { &f } });
	control_send(l, c, &ct);
	l->stat.n[STAT_pings]++;
}

static void jump_send(struct load *l, struct client *c)
{
	struct control ct;
	const struct frame_jump f = {
		.id = put_be32(c->jump_id),
		.reason = REASON_TRANSPORT_DEAD,
		.binding_version = put_be32(c->binding),
		.age_us = age(l, c),
		.epoch = c->rx_data_epoch,
		.highest = put_be48(c->rx_data),
	};

	control_begin(&ct);
	frame_write(&ct.w, &(struct frame){ FRAME_JUMP, { &f } });
	control_send(l, c, &ct);
	l->stat.n[STAT_jumps]++;
}

static void offer_send(struct load *l, struct client *c)
{
	struct control ct;
	struct frame_rekey f = { .epoch = (uint8_t)(c->epoch + 1) };

	memcpy(f.e, c->agreement->e_pub, sizeof(f.e));
	control_begin(&ct);
	frame_write(&ct.w, &(struct frame){ FRAME_REKEY_OFFER, { &f } });
	control_send(l, c, &ct);
}

static uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_checksum(uint8_t *at, const uint8_t *data, size_t len)
{
	const be16 sum = put_be16(checksum(data, len));

	memcpy(at, sum.b, sizeof(sum.b));
}

/* An ICMP echo request to 10.0.0.1, with the time in it. */
static void echo_send(struct load *l, struct client *c)
{
	uint8_t p[NET_ROOM] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 8 };
	const size_t len = l->carry_bytes;
	const be16 total = put_be16((uint16_t)len);
	const be32 from = put_be32(peer_inside(client_index(l, c)));
	const be64 at = put_be64(l->now_us);

	memcpy(p + 2, total.b, sizeof(total.b));
	memcpy(p + 12, from.b, sizeof(from.b));
	put_checksum(p + 10, p, 20);
	memcpy(p + 28, at.b, sizeof(at.b));
	put_checksum(p + 22, p + 20, len - 20);
	data_send(l, c, p, len);
}

static void echo_took(struct load *l, const uint8_t *p, size_t len)
{
	be64 at;

	if (len < 36 || p[9] != 1 || p[20] != 0)
		return;
	memcpy(at.b, p + 28, sizeof(at.b));
	l->stat.n[STAT_data_back]++;
	times_add(&l->stat.data, l->now_us - get_be64(at));
}

/* --- its path --- */

static void path_begin(struct client *c)
{
	c->sent = c->received = 0;
	c->srtt_us = c->rttvar_us = 0;
	c->tx_data = 0;
	c->tx_data_epoch = 0;
	c->round = 0;
	c->calls = 0;
}

/* From another port, under a locator that was not used yet, if there is one. */
static void path_open_anew(struct client *c)
{
	c->port = (uint8_t)((c->port + 1) % NET_SOCKETS);
	for (uint8_t i = 0; i < SLOTS; i++) {
		if (i == c->slot || i == c->left || c->spent & 1u << i)
			continue;
		if (c->left == SLOTS)
			c->left = c->slot;
		else
			c->spent |= (uint8_t)(1u << c->slot);
		c->slot = i;
		break;
	}
	path_begin(c);
}

static uint32_t heartbeat_ms(const struct load *l, const struct client *c)
{
	return c->carries ? l->policy.heartbeat_interval_ms : l->policy.heartbeat_idle_ms;
}

static void attached_next(struct load *l, struct client *c)
{
	const uint32_t ms = heartbeat_ms(l, c);

	c->round = 0;
	c->next_ms = load_ms(l) + ms - (uint32_t)prng_below(&l->prng, ms / 8 + 1);
	client_timer_set(l, c);
}

static void jump_begin(struct load *l, struct client *c)
{
	path_open_anew(c);
	c->jump_id++;
	jump_send(l, c);
	c->next_ms = load_ms(l) + client_wait(l, patience_ms(c), c->round++, JUMP_MOST_MS);
	client_timer_set(l, c);
}

void session_path_dies(struct load *l, struct client *c)
{
	if (c->phase != PHASE_ATTACHED)
		return;
	l->stat.n[STAT_paths_dead]++;
	c->since_ms = c->heard_ms = load_ms(l);
	c->left = SLOTS;
	client_phase(l, c, PHASE_LOST);
	jump_begin(l, c);
}

static void session_end(struct load *l, struct client *c, uint32_t again_ms)
{
	if (c->phase == PHASE_ATTACHED)
		c->since_ms = load_ms(l);
	session_agreed(l, c);
	call_begin(l, c, l->rude ? 0 : (uint32_t)prng_below(&l->prng, again_ms + 1));
}

/* --- times --- */

void session_confirm(struct load *l, struct client *c)
{
	c->slot = 0;
	c->spent = 0;
	c->left = SLOTS;
	c->born_ms = c->heard_ms = c->moved_ms = load_ms(l);
	c->ping_id = c->jump_id = c->binding = c->locators_seq = 0;
	c->rx_data = 0;
	c->rx_data_epoch = 0;
	path_begin(c);
	client_phase(l, c, PHASE_BIRTH);
	ping_send(l, c);
	c->next_ms = load_ms(l) + client_wait(l, PATIENCE_FIRST_MS, c->round++, PROTO_HELLO_RETRY_MAX_MS);
	client_timer_set(l, c);
}

static void birth_timer(struct load *l, struct client *c)
{
	if (load_ms(l) - c->born_ms >= l->policy.handshake_timeout_ms) {
		l->stat.n[STAT_births_lost]++;
		session_end(l, c, 0);
		return;
	}
	ping_send(l, c);
	c->next_ms = load_ms(l) + client_wait(l, PATIENCE_FIRST_MS, c->round++, PROTO_HELLO_RETRY_MAX_MS);
}

static void attached_timer(struct load *l, struct client *c)
{
	if (c->round > l->policy.max_consecutive_drops) {
		session_path_dies(l, c);
		return;
	}
	ping_send(l, c);
	c->next_ms = load_ms(l) + client_wait(l, patience_ms(c), c->round++, l->policy.heartbeat_volatile_ms);
}

static void lost_timer(struct load *l, struct client *c)
{
	if (load_ms(l) - c->heard_ms >= FAILOVER_MS) {
		l->stat.n[STAT_given_up]++;
		session_end(l, c, AGAIN_MS);
		return;
	}
	if (c->calls >= JUMPS_PER_PORT) {
		const uint8_t round = c->round;

		path_open_anew(c);
		c->round = round;
		c->jump_id++;
	}
	c->calls++;
	jump_send(l, c);
	c->next_ms = load_ms(l) + client_wait(l, patience_ms(c), c->round++, l->policy.heartbeat_volatile_ms);
}

static void carry_timer(struct load *l, struct client *c)
{
	const uint32_t step = l->carry_us / 1000;

	if (c->phase == PHASE_ATTACHED)
		echo_send(l, c);
	c->data_ms += step;
	if (c->data_ms + 100 < load_ms(l)) /* what a busy generator could not send it does not owe */
		c->data_ms = load_ms(l) + step;
}

void session_timer(struct load *l, struct client *c)
{
	const uint32_t now = load_ms(l);

	if (c->next_ms <= now) {
		if (c->phase == PHASE_BIRTH)
			birth_timer(l, c);
		else if (c->phase == PHASE_ATTACHED)
			attached_timer(l, c);
		else
			lost_timer(l, c);
	}
	if (c->phase < PHASE_BIRTH)
		return;
	if (c->data_ms <= now)
		carry_timer(l, c);
	if (c->rekey_ms <= now && c->agreement) {
		offer_send(l, c);
		c->rekey_ms = now + client_wait(l, 2 * patience_ms(c) + OFFER_LEAST_MS, 0, OFFER_MOST_MS);
	}
	client_timer_set(l, c);
}

void session_ask(struct load *l, struct client *c)
{
	if (c->phase != PHASE_ATTACHED || c->round > 0)
		return; /* it asks already */
	c->next_ms = load_ms(l);
	client_timer_set(l, c);
}

void session_carries(struct load *l, struct client *c, bool on)
{
	const uint32_t step = l->carry_us / 1000;

	c->carries = on;
	c->data_ms = on ? load_ms(l) + (uint32_t)prng_below(&l->prng, step + 1) : WHEEL_NONE;
	if (c->phase == PHASE_ATTACHED && c->round == 0)
		attached_next(l, c);
}

/* --- rekey --- */

static void agreement_new(struct load *l, struct client *c, bool offered)
{
	if (!c->agreement)
		c->agreement = calloc(1, sizeof(*c->agreement));
	if (!c->agreement)
		die("no memory");
	prng_fill(&l->prng, c->agreement->e_priv, sizeof(c->agreement->e_priv));
	if (!x25519_public(c->agreement->e_pub, c->agreement->e_priv))
		die("no memory");
	c->agreement->offered = offered;
}

void session_agreed(struct load *l, struct client *c)
{
	if (c->agreement && c->agreement->offered)
		l->rekeying--;
	free(c->agreement);
	c->agreement = NULL;
	c->rekey_ms = WHEEL_NONE;
}

void session_rekey(struct load *l, struct client *c)
{
	if (c->phase != PHASE_ATTACHED || c->agreement || c->new_epoch)
		return;
	agreement_new(l, c, true);
	l->rekeying++;
	c->rekey_ms = load_ms(l);
	client_timer_set(l, c);
}

static void offer_took(struct load *l, struct client *c, const struct frame_rekey *f, struct control *answer)
{
	struct frame_rekey accept = { .epoch = f->epoch };
	uint8_t shared[32];

	if (c->agreement && c->agreement->offered)
		return; /* ours stands */
	if (!c->new_epoch && f->epoch == (uint8_t)(c->epoch + 1)) {
		agreement_new(l, c, false);
		if (!x25519(shared, c->agreement->e_priv, f->e))
			return;
		keys_follow(c, shared);
		l->stat.n[STAT_rekeys]++;
	}
	if (!c->agreement)
		return;
	memcpy(accept.e, c->agreement->e_pub, sizeof(accept.e));
	frame_write(&answer->w, &(struct frame){ FRAME_REKEY_ACCEPT, { &accept } });
}

static void accept_took(struct load *l, struct client *c, const struct frame_rekey *f)
{
	uint8_t shared[32];

	if (!c->agreement || !c->agreement->offered || f->epoch != (uint8_t)(c->epoch + 1) ||
	    !x25519(shared, c->agreement->e_priv, f->e))
		return;
	keys_follow(c, shared);
	keys_use(c);
	session_agreed(l, c);
	l->stat.n[STAT_rekeys]++;
	ping_send(l, c);
}

/* --- what it hears --- */

static void ping_took(struct load *l, struct client *c, const struct frame_ping *f, struct control *answer)
{
	struct frame_pong pong = {
		.id = f->id,
		.path = f->path,
		.echo_us = f->age_us,
		.age_us = age(l, c),
		.binding_version = put_be32(c->binding),
	};

	put_report(c, &pong.report);
	frame_write(&answer->w, &(struct frame){ FRAME_PONG, { &pong } });
}

static void pong_took(struct load *l, struct client *c, const struct frame_pong *f)
{
	const uint64_t r = get_be64(age(l, c)) - get_be64(f->echo_us);
	const uint32_t us = r < UINT32_MAX / 8 ? (uint32_t)r : UINT32_MAX / 8;
	const uint32_t off = us > c->srtt_us ? us - c->srtt_us : c->srtt_us - us;

	l->stat.n[STAT_pongs]++;
	times_add(&l->stat.ping, r);
	c->rttvar_us = c->srtt_us ? c->rttvar_us - c->rttvar_us / 4 + off / 4 : us / 2;
	c->srtt_us = c->srtt_us ? c->srtt_us - c->srtt_us / 8 + us / 8 : us;
	if (c->phase == PHASE_ATTACHED)
		attached_next(l, c);
}

static void comes_to_attached(struct load *l, struct client *c)
{
	l->stat.n[STAT_attached]++;
	times_add(&l->stat.attach, (uint64_t)(load_ms(l) - c->since_ms) * 1000);
	c->moved_ms = load_ms(l);
	client_phase(l, c, PHASE_ATTACHED);
	session_carries(l, c, c->carries);
	attached_next(l, c);
}

static void ack_took(struct load *l, struct client *c, const struct frame_jump_ack *f)
{
	if (c->phase != PHASE_LOST || get_be32(f->id) != c->jump_id)
		return;
	l->stat.n[STAT_jump_acks]++;
	c->binding = get_be32(f->binding_version);
	comes_to_attached(l, c);
	ping_send(l, c);
}

static void reject_took(struct load *l, struct client *c, const struct frame_jump_reject *f)
{
	const uint32_t ms = get_be32(f->retry_after_ms);

	if (c->phase != PHASE_LOST || get_be32(f->id) != c->jump_id)
		return;
	l->stat.n[STAT_jump_rejects]++;
	c->jump_id++;
	if (f->reason == REASON_STALE_BINDING_VERSION) {
		c->binding = get_be32(f->binding_version);
		jump_send(l, c);
		return;
	}
	c->next_ms = load_ms(l) + (ms ? ms + PROTO_RETRY_MIN_MS : l->policy.heartbeat_volatile_ms);
	client_timer_set(l, c);
}

static void locators_took(struct client *c, const struct frame *f)
{
	const struct wire_locator *w = frame_locators(f);
	const uint32_t seq = get_be32(f->locators->seq);

	if ((int32_t)(seq - c->locators_seq) <= 0)
		return;
	c->locators_seq = seq;
	for (uint8_t i = 0; i < f->locators->count; i++) {
		const uint8_t slot = w[i].slot;

		if (slot >= SLOTS || slot == c->slot || slot == c->left ||
		    memcmp(c->locator[slot], w[i].locator, sizeof(c->locator[slot])) == 0)
			continue;
		memcpy(c->locator[slot], w[i].locator, sizeof(c->locator[slot]));
		memcpy(c->token[slot], w[i].token, sizeof(c->token[slot]));
		c->spent &= (uint8_t) ~(1u << slot);
	}
}

static void policy_took(struct load *l, struct client *c, const struct frame_policy *f)
{
	struct policy p;

	if (!frame_policy(&p, &f->policy))
		return;
	l->policy = p;
	if (f->part + 1 == f->parts)
		c->generation = get_be32(f->generation);
}

/* False: the session is over. */
static bool frame_took(struct load *l, struct client *c, const struct frame *f, struct control *answer)
{
	switch (f->type) {
	case FRAME_PING:
		ping_took(l, c, f->ping, answer);
		break;
	case FRAME_PONG:
		pong_took(l, c, f->pong);
		break;
	case FRAME_JUMP_ACK:
		ack_took(l, c, f->jump_ack);
		break;
	case FRAME_JUMP_REJECT:
		reject_took(l, c, f->jump_reject);
		break;
	case FRAME_PATH_CHALLENGE:
		l->stat.n[STAT_challenges]++;
		frame_write(&answer->w, &(struct frame){ FRAME_PATH_RESPONSE, { f->path_probe } });
		break;
	case FRAME_LOCATORS:
		locators_took(c, f);
		break;
	case FRAME_REKEY_OFFER:
		offer_took(l, c, f->rekey, answer);
		break;
	case FRAME_REKEY_ACCEPT:
		accept_took(l, c, f->rekey);
		break;
	case FRAME_POLICY:
		policy_took(l, c, f->policy);
		break;
	case FRAME_CLOSE:
		l->stat.n[STAT_closes]++;
		session_end(l, c, AGAIN_MS);
		return false;
	case FRAME_PROBE: {
		const struct frame_probe_ack ack = { f->probe->id, f->probe->size, put_be16(65535) };

		frame_write(&answer->w, &(struct frame){ FRAME_PROBE_ACK, { &ack } });
		break;
	}
	default:
		break;
	}
	return true;
}

static void control_took(struct load *l, struct client *c, const uint8_t *plain, size_t len)
{
	struct reader r = reader_init(plain, len);
	struct control answer;
	struct frame f;

	control_begin(&answer);
	if (c->phase == PHASE_BIRTH)
		comes_to_attached(l, c);
	while (frame_next(&r, &f))
		if (!frame_took(l, c, &f, &answer))
			return;
	if (answer.w.len > 0)
		control_send(l, c, &answer);
}

void session_datagram(struct load *l, struct client *c, uint8_t *packet, size_t len)
{
	struct packet_id id;
	const size_t plain = sealed_open(l, c, packet, len, &id);

	if (!plain) {
		l->stat.n[STAT_unopened]++;
		return;
	}
	c->received++;
	c->heard_ms = load_ms(l);
	if (id.kind == SEALED_CONTROL) {
		control_took(l, c, packet + PROTO_HEADER_LEN, plain);
		return;
	}
	if (id.epoch != c->rx_data_epoch || id.counter + 1 > c->rx_data) {
		c->rx_data = id.counter + 1;
		c->rx_data_epoch = id.epoch;
	}
	echo_took(l, packet + PROTO_HEADER_LEN, plain);
}

void session_reset(struct load *l, struct client *c, const struct packet_reset *p)
{
	if (memcmp(p->locator, c->locator[c->slot], sizeof(p->locator)) != 0 ||
	    memcmp(p->token, c->token[c->slot], sizeof(p->token)) != 0) {
		l->stat.n[STAT_unopened]++;
		return;
	}
	l->stat.n[STAT_resets]++;
	session_end(l, c, AGAIN_MS);
}
