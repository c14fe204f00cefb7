#include "ctl/json.h"

#include <string.h>

#include "base/text.h"
#include "session/called.h"

static const char *const use_names[] = {
	[PATH_DOWN] = "down", [PATH_UNPROVEN] = "unproven", [PATH_STANDBY] = "standby",
	[PATH_ACTIVE] = "active", [PATH_DRAINING] = "draining",
};

static const char *const doing_names[] = {
	[DOING_CONNECTING] = "connecting", [DOING_CONFIRMING] = "confirming", [DOING_CARRYING] = "carrying",
	[DOING_PROBING] = "probing", [DOING_JUMPING] = "jumping", [DOING_WAITING] = "waiting",
	[DOING_NOTHING] = "nothing",
};

static const char *suite_name(enum suite suite)
{
	switch (suite) {
	case SUITE_AES_256_GCM:
		return "AES-256-GCM";
	case SUITE_CHACHA20_POLY1305:
		return "ChaCha20-Poly1305";
	}
	return NULL;
}

static json_t *json_text(const char *s)
{
	json_t *text;

	if (!s)
		return json_null();
	text = json_string(s);
	return text ? text : json_string("?"); /* not UTF-8 */
}

static json_t *json_count(uint64_t n)
{
	return n == UINT64_MAX ? json_null() : json_integer((json_int_t)n);
}

static json_t *json_unless_zero(uint64_t n)
{
	return n ? json_count(n) : json_null();
}

static json_t *json_endpoint(const struct endpoint *e)
{
	char text[ENDPOINT_STRLEN];

	return e->port ? json_string(endpoint_format(e, text)) : json_null();
}

static json_t *json_id(const uint8_t id[PROTO_SESSION_ID_LEN])
{
	static const uint8_t none[PROTO_SESSION_ID_LEN];
	char hex[2 * PROTO_SESSION_ID_LEN + 1];

	if (memcmp(id, none, sizeof(none)) == 0)
		return json_null();
	hex_encode(hex, id, PROTO_SESSION_ID_LEN);
	return json_string(hex);
}

json_t *json_error(const char *text, enum reason reason, uint32_t retry_after_ms)
{
	json_t *o = json_pack("{s:b, s:o}", "ok", 0, "error", json_text(text));

	if (o && reason != REASON_NONE)
		json_object_set_new(o, "reason", json_text(reason_name(reason)));
	if (o && retry_after_ms)
		json_object_set_new(o, "retry_after_ms", json_integer(retry_after_ms));
	return o;
}

/* Not by its number: the path that was left has the same one when only the address or the socket is new. */
static const struct path_info *active_path(const struct session_info *s)
{
	for (size_t i = 0; i < s->npaths; i++) {
		if (s->path[i].use == PATH_ACTIVE)
			return &s->path[i];
	}
	return NULL;
}

static json_t *json_path(const struct path_info *p)
{
	char called[CALLED_TEXT_MAX];

	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:I, s:I}",
			 "path", (int)p->path,
			 "name", json_text(p->name),
			 "interface", json_text(p->interface[0] ? p->interface : NULL),
			 "use", json_text(use_names[p->use]),
			 "why", json_text(path_fault_text(p->fault)),
			 "called", json_text(called_text(p, called)),
			 "remote", json_endpoint(&p->remote),
			 "srtt_us", json_unless_zero(p->srtt_us),
			 "rttvar_us", json_unless_zero(p->rttvar_us),
			 "loss_ppm", (json_int_t)p->loss_ppm,
			 "mtu", json_unless_zero(p->mtu),
			 "mtu_state", json_text(p->mtu_state),
			 "last_rx_ms", json_count(p->last_rx_ms),
			 "sent", (json_int_t)p->sent,
			 "received", (json_int_t)p->received);
}

json_t *json_session_row(const struct session_info *s)
{
	const struct path_info *p = active_path(s);
	json_t *o = json_pack("{s:o, s:o, s:i, s:o, s:o, s:o, s:I, s:I, s:o, s:I, s:I, s:I}",
			      "id", json_id(s->id),
			      "peer", json_text(s->peer),
			      "worker", (int)s->worker,
			      "state", json_text(state_name(s->state)),
			      "reason", json_text(reason_name(s->reason)),
			      "doing", json_text(doing_names[s->doing]),
			      "since_ms", (json_int_t)s->since_ms,
			      "age_ms", (json_int_t)s->age_ms,
			      "last_authentic_rx_ms", json_count(s->last_authentic_rx_ms),
			      "switches", (json_int_t)s->switches,
			      "rx_bytes", (json_int_t)s->rx_bytes,
			      "tx_bytes", (json_int_t)s->tx_bytes);

	if (o)
		json_object_set_new(o, "active", p ? json_path(p) : json_null());
	return o;
}

static json_t *json_addresses(const struct session_info *s)
{
	json_t *list = json_array();
	char text[PREFIX_STRLEN];

	for (size_t i = 0; i < s->naddresses && i < INFO_ADDRESSES; i++)
		json_array_append_new(list, json_string(prefix_format(&s->address[i], text)));
	return list;
}

static json_t *json_refused(const struct session_info *s)
{
	static const char *const kinds[] = { [NET_ITEM_ADDRESS] = "address",
					     [NET_ITEM_ROUTE] = "route",
					     [NET_ITEM_DNS] = "dns" };
	json_t *list = json_array();
	char text[PREFIX_STRLEN];

	for (size_t i = 0; i < s->nrefused && i < INFO_ADDRESSES; i++)
		json_array_append_new(list, json_sprintf("%s %s", kinds[s->refused[i].kind],
							 prefix_format(&s->refused[i].prefix, text)));
	return list;
}

static json_t *json_paths(const struct session_info *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->npaths; i++)
		json_array_append_new(list, json_path(&s->path[i]));
	return list;
}

json_t *json_session_whole(const struct session_info *s)
{
	json_t *o = json_session_row(s);
	json_t *more = json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:i, s:o, s:I, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:o}",
				 "deadline_ms", json_count(s->deadline_ms),
				 "next_ms", json_count(s->next_ms),
				 "lifetime_left_ms", (json_int_t)s->lifetime_left_ms,
				 "state_version", (json_int_t)s->state_version,
				 "binding_version", (json_int_t)s->binding_version,
				 "epoch", (json_int_t)s->epoch,
				 "suite", json_text(suite_name(s->suite)),
				 "mtu", (int)s->mtu,
				 "addresses", json_addresses(s),
				 "addresses_total", (json_int_t)s->naddresses,
				 "refused", json_refused(s),
				 "refused_total", (json_int_t)s->nrefused,
				 "since_switch_ms", json_count(s->since_switch_ms),
				 "bytes_since_switch", (json_int_t)s->bytes_since_switch,
				 "switches_left", (json_int_t)s->switches_left,
				 "rx_packets", (json_int_t)s->rx_packets,
				 "tx_packets", (json_int_t)s->tx_packets,
				 "paths", json_paths(s));

	if (o && more)
		json_object_update(o, more);
	json_decref(more);
	return o;
}

static json_t *json_daemon(const struct ctl_status *st)
{
	return json_pack("{s:o, s:o, s:i, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "role", json_text(st->role),
			 "node_name", json_text(st->node_name),
			 "node_id", (int)st->node_id,
			 "config_file", json_text(st->config_file),
			 "config_generation", (json_int_t)st->config_generation,
			 "uptime_ms", (json_int_t)st->uptime_ms,
			 "workers", (json_int_t)st->workers,
			 "tunnel", json_text(st->tunnel),
			 "tunnel_trouble", json_text(st->trouble),
			 "crypto", json_text(st->crypto),
			 "offloads", json_text(st->offloads),
			 "names", json_text(st->names),
			 "last_reload", json_text(st->last_reload));
}

static json_t *json_counters(const struct counters *sum)
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < COUNTER_COUNT; i++)
		json_object_set_new(o, counter_name(i), json_integer((json_int_t)sum->n[i]));
	return o;
}

static json_t *json_by_state(const uint64_t by_state[STATE_COUNT])
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < STATE_COUNT; i++)
		json_object_set_new(o, state_name(i), json_count(by_state[i]));
	return o;
}

json_t *json_status(const struct ctl_status *status, const struct counters *sum,
		    const uint64_t by_state[STATE_COUNT], const struct session_info *own)
{
	json_int_t total = 0;

	for (unsigned int i = 0; i < STATE_COUNT; i++)
		total += (json_int_t)by_state[i];
	return json_pack("{s:b, s:o, s:o, s:{s:I, s:o, s:o, s:I, s:o}, s:o}", "ok", 1, "daemon",
			 json_daemon(status), "counters", json_counters(sum), "sessions", "total", total,
			 "max", status->max_sessions ? json_integer(status->max_sessions) : json_null(),
			 "by_state", json_by_state(by_state), "bytes", (json_int_t)status->session_bytes,
			 "bytes_each",
			 total > 0 ? json_integer((json_int_t)status->session_bytes / total) : json_null(),
			 "session", own ? json_session_whole(own) : json_null());
}
