#include "cmd/render.h"

#include <string.h>

#include "jumpvpn/reason.h"

enum { CELL = 80, COLUMNS_MAX = 10 };

static const char *text_of(const json_t *o, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && *s ? s : otherwise;
}

static uint64_t number_of(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static bool has(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return v && !json_is_null(v);
}

void render_text(FILE *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	for (; *p; p++) {
		/* U+0080..U+009F: terminals obey these too. */
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		fputc(*p < 0x20 || *p == 0x7f || c1 ? '?' : *p, out);
		p += c1;
	}
}

/* --- colour --- */

static const char *state_colour(const char *state)
{
	if (!strcmp(state, "ATTACHED"))
		return "\033[32m";
	if (!strcmp(state, "DEGRADED") || !strcmp(state, "TERMINATED"))
		return "\033[31m";
	return "\033[33m";
}

static void put_state(FILE *out, const char *state, bool colour)
{
	if (colour)
		fputs(state_colour(state), out);
	render_text(out, state);
	if (colour)
		fputs("\033[0m", out);
}

/* --- tables --- */

struct table {
	size_t columns;
	const char *head[COLUMNS_MAX]; /* a leading '>' puts the column to the right */
	size_t state;                  /* the column to colour */
	void (*fill)(const json_t *row, char cell[COLUMNS_MAX][CELL]);
};

static void set(char cell[CELL], const char *s)
{
	snprintf(cell, CELL, "%s", s);
}

static size_t head_width(const char *head)
{
	return strlen(head) - (*head == '>');
}

/* Characters, not bytes. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void put_cell(FILE *out, const char *s, size_t width, bool right, bool last)
{
	int pad = (int)(width - width_of(s));

	if (right)
		fprintf(out, "%*s", pad, "");
	render_text(out, s);
	if (!right && !last)
		fprintf(out, "%*s", pad, "");
	fputs(last ? "\n" : "  ", out);
}

static void put_row(FILE *out, const struct table *t, const size_t *width, char cell[COLUMNS_MAX][CELL],
		    bool colour)
{
	for (size_t i = 0; i < t->columns; i++) {
		bool tint = colour && i == t->state;

		if (i == 0)
			fputs("  ", out);
		if (tint)
			fputs(state_colour(cell[i]), out);
		put_cell(out, cell[i], width[i], t->head[i][0] == '>', i + 1 == t->columns);
		if (tint)
			fputs("\033[0m", out);
	}
}

static void render_table(FILE *out, const struct table *t, const json_t *rows, bool colour)
{
	char cell[COLUMNS_MAX][CELL];
	size_t width[COLUMNS_MAX];
	size_t n;

	for (size_t i = 0; i < t->columns; i++) {
		width[i] = head_width(t->head[i]);
		set(cell[i], t->head[i] + (t->head[i][0] == '>'));
	}
	for (n = 0; n < json_array_size(rows); n++) {
		char measured[COLUMNS_MAX][CELL];

		t->fill(json_array_get(rows, n), measured);
		for (size_t i = 0; i < t->columns; i++)
			width[i] = width_of(measured[i]) > width[i] ? width_of(measured[i]) : width[i];
	}
	put_row(out, t, width, cell, false);
	for (n = 0; n < json_array_size(rows); n++) {
		t->fill(json_array_get(rows, n), cell);
		put_row(out, t, width, cell, colour);
	}
}

static const char *rtt_of(const json_t *path, char buf[FORMAT_LEN])
{
	return has(path, "srtt_us") ? format_us(buf, number_of(path, "srtt_us")) : "-";
}

static const char *ago_of(const json_t *o, const char *key, char buf[FORMAT_LEN])
{
	return has(o, key) ? format_ms(buf, number_of(o, key)) : "never";
}

static void fill_session(const json_t *s, char cell[COLUMNS_MAX][CELL])
{
	const json_t *path = json_object_get(s, "active");
	char buf[FORMAT_LEN];

	snprintf(cell[0], CELL, "%.8s", text_of(s, "id", "-"));
	set(cell[1], text_of(s, "peer", "-"));
	set(cell[2], text_of(s, "state", "?"));
	set(cell[3], format_ms(buf, number_of(s, "since_ms")));
	set(cell[4], text_of(path, "remote", "-"));
	set(cell[5], rtt_of(path, buf));
	set(cell[6], has(path, "loss_ppm") ? format_loss(buf, number_of(path, "loss_ppm")) : "-");
	snprintf(cell[7], CELL, "%llu", (unsigned long long)number_of(s, "switches"));
	set(cell[8], format_bytes(buf, number_of(s, "rx_bytes")));
	set(cell[9], format_bytes(buf, number_of(s, "tx_bytes")));
}

void render_sessions(FILE *out, const json_t *answer, bool colour)
{
	static const struct table table = {
		.columns = 10,
		.head = { "SESSION", "PEER", "STATE", ">FOR", "REMOTE", ">RTT", ">LOSS", ">JUMPS",
			  ">RECEIVED", ">SENT" },
		.state = 2,
		.fill = fill_session,
	};
	const json_t *sessions = json_object_get(answer, "sessions");

	if (json_array_size(sessions) == 0)
		fputs("There is no session.\n", out);
	else
		render_table(out, &table, sessions, colour);
}

static void fill_path(const json_t *p, char cell[COLUMNS_MAX][CELL])
{
	char buf[FORMAT_LEN];

	snprintf(cell[0], CELL, "%llu", (unsigned long long)number_of(p, "path"));
	set(cell[1], text_of(p, "name", "-"));
	set(cell[2], text_of(p, "use", "?"));
	set(cell[3], text_of(p, "remote", "-"));
	set(cell[4], rtt_of(p, buf));
	set(cell[5], format_loss(buf, number_of(p, "loss_ppm")));
	if (has(p, "mtu"))
		snprintf(cell[6], CELL, "%llu", (unsigned long long)number_of(p, "mtu"));
	else
		set(cell[6], "-");
	set(cell[7], ago_of(p, "last_rx_ms", buf));
	snprintf(cell[8], CELL, "%llu", (unsigned long long)number_of(p, "received"));
	snprintf(cell[9], CELL, "%llu", (unsigned long long)number_of(p, "sent"));
}

/* Why paths are down or nobody answers there, a line each: there is no room for it in the table. */
static void render_faults(FILE *out, const json_t *paths)
{
	for (size_t i = 0; i < json_array_size(paths); i++) {
		const json_t *p = json_array_get(paths, i);

		if (!has(p, "why") && !has(p, "called"))
			continue;
		fputs("  ", out);
		render_text(out, text_of(p, "name", "?"));
		fputs(": ", out);
		render_text(out, text_of(p, "why", text_of(p, "called", "?")));
		if (has(p, "interface")) {
			fputs(" (", out);
			render_text(out, text_of(p, "interface", "?"));
			fputc(')', out);
		}
		fputc('\n', out);
	}
}

static void render_paths(FILE *out, const json_t *paths)
{
	static const struct table table = {
		.columns = 10,
		.head = { ">PATH", "NAME", "USE", "REMOTE", ">RTT", ">LOSS", ">MTU", ">LAST HEARD",
			  ">RECEIVED", ">SENT" },
		.state = COLUMNS_MAX,
		.fill = fill_path,
	};

	if (json_array_size(paths) == 0)
		return;
	fputc('\n', out);
	render_table(out, &table, paths, false);
	render_faults(out, paths);
}

/* --- one session --- */

static const struct doing {
	const char *name, *now, *next;
} doings[] = {
	{ "connecting", "calling the server", "the session attaches as soon as the server answers" },
	{ "confirming", "waiting for the first authenticated packet",
	  "it attaches with that packet, or ends" },
	{ "carrying", "carrying traffic", "it probes when the path falls silent or turns bad" },
	{ "probing", "probing the active path", "the path answers, or the session looks for another" },
	{ "jumping", "moving to another path", "it attaches there, or waits for a better chance" },
	{ "waiting", "waiting for a path, or for the policy to allow a jump",
	  "it jumps as soon as it may, or ends at its bound" },
	{ "nothing", "ended", "nothing: a client opens a new session" },
};

static const struct doing *doing_of(const json_t *s)
{
	static const struct doing unknown = { "?", "unknown to this version", "unknown to this version" };
	const char *name = text_of(s, "doing", "");

	for (size_t i = 0; i < sizeof(doings) / sizeof(*doings); i++) {
		if (!strcmp(name, doings[i].name))
			return &doings[i];
	}
	return &unknown;
}

static void put_key(FILE *out, const char *key)
{
	fprintf(out, "  %-14s", key);
}

static void put_reason_line(FILE *out, const json_t *s)
{
	const char *name = text_of(s, "reason", "none");

	put_key(out, "reason");
	render_text(out, name);
	for (unsigned int i = 1; i <= REASON_MAX; i++) {
		if (reason_name(i) && !strcmp(name, reason_name(i)))
			fprintf(out, ": %s", reason_text(i));
	}
	fputc('\n', out);
}

static void put_state_lines(FILE *out, const json_t *s, bool colour)
{
	const struct doing *doing = doing_of(s);
	bool connecting = !strcmp(doing->name, "connecting");
	char buf[FORMAT_LEN];

	put_key(out, "state");
	put_state(out, text_of(s, "state", "?"), colour);
	fprintf(out, " for %s, %s\n", format_ms(buf, number_of(s, "since_ms")), doing->now);
	put_reason_line(out, s);
	put_key(out, "until");
	if (has(s, "deadline_ms"))
		fprintf(out, "%s from now at most\n", format_ms(buf, number_of(s, "deadline_ms")));
	else if (connecting)
		fputs("no limit: it goes on until it succeeds\n", out);
	else
		fprintf(out, "the session's lifetime ends in %s\n",
			format_ms(buf, number_of(s, "lifetime_left_ms")));
	put_key(out, "next");
	fputs(doing->next, out);
	if (has(s, "next_ms") && strcmp(doing->name, "carrying") != 0)
		fprintf(out, "; next try in %s", format_ms(buf, number_of(s, "next_ms")));
	fputc('\n', out);
}

static void put_path_line(FILE *out, const json_t *s)
{
	const json_t *p = json_object_get(s, "active");
	char rtt[FORMAT_LEN], var[FORMAT_LEN], loss[FORMAT_LEN];

	put_key(out, "path");
	if (!json_is_object(p)) {
		fputs("none\n", out);
		return;
	}
	fprintf(out, "%llu", (unsigned long long)number_of(p, "path"));
	if (text_of(p, "name", NULL)) {
		fputs(" (", out);
		render_text(out, text_of(p, "name", ""));
		fputc(')', out);
	}
	fputs(", peer at ", out);
	render_text(out, text_of(p, "remote", "an unknown address"));
	if (has(p, "srtt_us"))
		fprintf(out, ", RTT %s +- %s", rtt_of(p, rtt), format_us(var, number_of(p, "rttvar_us")));
	fprintf(out, ", loss %s\n", format_loss(loss, number_of(p, "loss_ppm")));
}

static void put_switch_line(FILE *out, const json_t *s)
{
	char ago[FORMAT_LEN], since[FORMAT_LEN];

	put_key(out, "last switch");
	if (has(s, "since_switch_ms"))
		fprintf(out, "%s ago, %s since then; ", format_ms(ago, number_of(s, "since_switch_ms")),
			format_bytes(since, number_of(s, "bytes_since_switch")));
	else
		fputs("never; ", out);
	fprintf(out, "%llu in all, %llu left in this minute\n", (unsigned long long)number_of(s, "switches"),
		(unsigned long long)number_of(s, "switches_left"));
}

static void put_traffic_line(FILE *out, const json_t *s, const char *key, const char *bytes,
			     const char *packets)
{
	char total[FORMAT_LEN], rate[FORMAT_LEN];

	put_key(out, key);
	fprintf(out, "%s in %llu packets, %s on average\n", format_bytes(total, number_of(s, bytes)),
		(unsigned long long)number_of(s, packets),
		format_rate(rate, number_of(s, bytes), number_of(s, "age_ms")));
}

static void put_addresses_line(FILE *out, const json_t *s)
{
	const json_t *list = json_object_get(s, "addresses");
	uint64_t total = number_of(s, "addresses_total");
	size_t n = json_array_size(list);

	put_key(out, "inside");
	for (size_t i = 0; i < n; i++) {
		const char *address = json_string_value(json_array_get(list, i));

		fputs(i ? ", " : "", out);
		render_text(out, address ? address : "?");
	}
	if (n == 0)
		fputs("no address yet", out);
	if (total > n)
		fprintf(out, " and %llu more", (unsigned long long)(total - n));
	fprintf(out, "; MTU %llu\n", (unsigned long long)number_of(s, "mtu"));
}

/* What the server gives and the client does not take. */
static void put_refused_line(FILE *out, const json_t *s)
{
	const json_t *list = json_object_get(s, "refused");
	const uint64_t total = number_of(s, "refused_total");
	const size_t n = json_array_size(list);

	if (total == 0)
		return;
	put_key(out, "not taken");
	for (size_t i = 0; i < n; i++) {
		const char *item = json_string_value(json_array_get(list, i));

		fputs(i ? ", " : "", out);
		render_text(out, item ? item : "?");
	}
	if (total > n)
		fprintf(out, " and %llu more", (unsigned long long)(total - n));
	fputs("; see accept in jumpvpnd.yaml(5)\n", out);
}

static void put_identity_lines(FILE *out, const json_t *s)
{
	char age[FORMAT_LEN];

	put_key(out, "session");
	render_text(out, text_of(s, "id", "none yet"));
	fprintf(out, ", age %s\n", format_ms(age, number_of(s, "age_ms")));
	put_key(out, "versions");
	fprintf(out, "state %llu, binding %llu; key epoch %llu, ",
		(unsigned long long)number_of(s, "state_version"),
		(unsigned long long)number_of(s, "binding_version"),
		(unsigned long long)number_of(s, "epoch"));
	render_text(out, text_of(s, "suite", "no suite yet"));
	fputc('\n', out);
}

static void put_receipt_line(FILE *out, const json_t *s)
{
	char ago[FORMAT_LEN];

	put_key(out, "last receipt");
	if (has(s, "last_authentic_rx_ms"))
		fprintf(out, "%s ago, authenticated\n", format_ms(ago, number_of(s, "last_authentic_rx_ms")));
	else
		fputs("never\n", out);
}

static void render_session(FILE *out, const json_t *s, bool colour)
{
	put_state_lines(out, s, colour);
	put_path_line(out, s);
	put_receipt_line(out, s);
	if (has(s, "id")) {
		put_switch_line(out, s);
		put_traffic_line(out, s, "received", "rx_bytes", "rx_packets");
		put_traffic_line(out, s, "sent", "tx_bytes", "tx_packets");
		put_addresses_line(out, s);
		put_refused_line(out, s);
		put_identity_lines(out, s);
	}
	render_paths(out, json_object_get(s, "paths"));
}

void render_show(FILE *out, const json_t *answer, bool colour)
{
	const json_t *s = json_object_get(answer, "session");

	fputs("session of ", out);
	render_text(out, text_of(s, "peer", "an unnamed peer"));
	fprintf(out, ", worker %llu\n\n", (unsigned long long)number_of(s, "worker"));
	render_session(out, s, colour);
}

/* --- the daemon --- */

static void put_pair(FILE *out, const char *key, const char *value)
{
	put_key(out, key);
	render_text(out, value);
	fputc('\n', out);
}

static void put_lines(FILE *out, const char *key, const char *text)
{
	char line[1024];

	for (; *text; text += strcspn(text, "\n"), text += *text != '\0') {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		put_pair(out, key, line);
	}
}

static void put_head(FILE *out, const json_t *d)
{
	char up[FORMAT_LEN];

	render_text(out, text_of(d, "role", "?"));
	fputc(' ', out);
	render_text(out, text_of(d, "node_name", "without a name"));
	if (has(d, "tunnel")) {
		fputs(" on ", out);
		render_text(out, text_of(d, "tunnel", "?"));
	}
	fprintf(out, ", up %s\n\n", format_ms(up, number_of(d, "uptime_ms")));
}

static void put_sessions_line(FILE *out, const json_t *sessions)
{
	json_t *by_state = json_object_get(sessions, "by_state");
	const char *sep = ": ", *state;
	json_t *n;

	put_key(out, "sessions");
	fprintf(out, "%llu", (unsigned long long)number_of(sessions, "total"));
	json_object_foreach(by_state, state, n) {
		if (json_integer_value(n) <= 0)
			continue;
		fprintf(out, "%s%lld ", sep, (long long)json_integer_value(n));
		render_text(out, state);
		sep = ", ";
	}
	fputc('\n', out);
}

static void put_daemon(FILE *out, const json_t *d)
{
	put_key(out, "configuration");
	fprintf(out, "%llu, ", (unsigned long long)number_of(d, "config_generation"));
	render_text(out, text_of(d, "config_file", "?"));
	fputc('\n', out);
	if (has(d, "names"))
		put_lines(out, "unresolved", text_of(d, "names", "?"));
	if (has(d, "last_reload"))
		put_pair(out, "last reload", text_of(d, "last_reload", "?"));
	if (has(d, "tunnel_trouble"))
		put_pair(out, "tunnel", text_of(d, "tunnel_trouble", "?"));
	put_pair(out, "crypto", text_of(d, "crypto", "?"));
	put_pair(out, "offloads", text_of(d, "offloads", "?"));
}

static void put_inner_line(FILE *out, const json_t *counters, const char *key, const char *bytes,
			   const char *packets)
{
	char total[FORMAT_LEN];

	put_key(out, key);
	fprintf(out, "%s in %llu packets\n", format_bytes(total, number_of(counters, bytes)),
		(unsigned long long)number_of(counters, packets));
}

/* The counters whose names begin so, a line each: only what did happen. */
static void put_some(FILE *out, json_t *counters, const char *begin, const char *key)
{
	const char *name;
	json_t *n;

	json_object_foreach(counters, name, n) {
		if (strncmp(name, begin, strlen(begin)) != 0 || json_integer_value(n) <= 0)
			continue;
		put_key(out, key);
		fprintf(out, "%lld ", (long long)json_integer_value(n));
		render_text(out, name + strlen(begin));
		fputc('\n', out);
		key = "";
	}
}

void render_status(FILE *out, const json_t *answer, bool colour)
{
	const json_t *daemon = json_object_get(answer, "daemon");
	const json_t *session = json_object_get(answer, "session");
	json_t *counters = json_object_get(answer, "counters");

	put_head(out, daemon);
	if (json_is_object(session)) {
		render_session(out, session, colour);
		fputc('\n', out);
	} else {
		put_sessions_line(out, json_object_get(answer, "sessions"));
		put_inner_line(out, counters, "received", "rx_bytes", "rx_packets");
		put_inner_line(out, counters, "sent", "tx_bytes", "tx_packets");
	}
	put_daemon(out, daemon);
	put_some(out, counters, "hello_", "HELLOs"); /* a server that refuses them all says so here */
	put_some(out, counters, "drop_", "dropped");
}
